import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from flashtalk.errors import FlashTalkError
from flashtalk.outputs.fragments import MARK, FragmentEncoder, _boxes
from flashtalk.outputs.recording import Recording

ROOT = Path(__file__).parents[2]


def fragments(chunks: int = 3):
    encoder = FragmentEncoder(64, 64, 25, 48_000, 1)
    rng = np.random.default_rng(0)
    for _ in range(chunks):
        frames = np.repeat(rng.integers(0, 255, (28, 1, 64, 3), np.uint8), 64, axis=1)
        yield encoder.encode(frames, 0.1 * np.ones((1, 28 * 1920), np.float32))
    yield encoder.finish()


def test_the_finished_file_is_seekable_and_complete(tmp_path: Path):
    path = tmp_path / "out.mp4"
    with Recording(path) as recording:
        for fragment in fragments(6):
            recording.append(fragment)
        assert recording.finish() == path
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]

    kinds = [name for name, _ in _boxes(path.read_bytes())]
    assert kinds.index("moov") < kinds.index("mdat"), "the index comes first: plays while loading"
    assert "moof" not in kinds
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.frames == 168
        assert abs(video.duration * video.time_base - audio.duration * audio.time_base) < 0.0214
        assert container.metadata["comment"] == MARK
        container.seek(6_000_000)
        assert next(container.decode(video=0)).time >= 5.6
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 168


def test_a_link_keeps_its_place_and_what_it_names_is_made(tmp_path: Path):
    (tmp_path / "large").mkdir()
    link, file = tmp_path / "out.mp4", tmp_path / "large" / "film.mp4"
    link.symlink_to(file)
    with Recording(link) as recording:
        for fragment in fragments(1):
            recording.append(fragment)
        assert recording.finish() == file
    assert link.is_symlink() and file.stat().st_size
    assert sorted(p.name for p in tmp_path.iterdir()) == ["large", "out.mp4"]


def test_of_a_long_talk_the_newest_fragments_are_kept(tmp_path: Path):
    path, encoder = tmp_path / "out.mp4", FragmentEncoder(64, 64, 25, 48_000, 1)
    clock = np.arange(0, 60 * 48_000) / 48_000
    tone = (0.3 * np.sin(2 * np.pi * 440 * clock)).astype(np.float32)
    most_bytes = 0
    with Recording(path, keep_s=12.0) as recording:
        for second in range(60):
            gray = np.full((25, 64, 64, 3), 4 * second, np.uint8)
            beeps = tone[48_000 * second :][:48_000] * (np.arange(48_000) < 24_000)
            recording.append(encoder.encode(gray, beeps[None]), 1.0)
            files = list(recording._scratch.path.iterdir())
            most_bytes = max(most_bytes, sum(file.stat().st_size for file in files))
            assert len(files) <= 12
        recording.append(encoder.finish())
        assert 12.0 <= 60 - recording.begins_s <= 14.0
        recording.finish()
    kept_s = 60 - recording.begins_s
    assert 7.0 <= kept_s <= 14.0, "it begins with a key frame"
    with av.open(str(path)) as container:
        grays = [frame.to_ndarray(format="gray").mean() for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        heard = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert len(grays) == round(25 * kept_s)
    first = 60 - len(grays) // 25
    assert np.allclose(grays[12::25], [4 * second for second in range(first, 60)], atol=4)
    loud = np.abs(heard[: 48_000 * (len(grays) // 25)]).reshape(-1, 24_000)[:, 4_800:-4_800].max(1)
    assert (loud[::2] > 0.2).all() and (loud[1::2] < 0.05).all(), "sound and picture stay together"


def test_a_stopped_run_keeps_what_it_made(tmp_path: Path):
    parts = fragments()
    with Recording(tmp_path / "out.mp4") as recording:
        recording.append(next(parts))
        path = recording.finish()
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 28


def test_an_error_leaves_the_older_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older")
    with pytest.raises(RuntimeError), Recording(path) as recording:
        recording.append(next(fragments()))
        raise RuntimeError("the model failed")
    assert path.read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_finishing_without_a_picture_is_said_plainly(tmp_path: Path):
    with (
        Recording(tmp_path / "out.mp4") as recording,
        pytest.raises(FlashTalkError, match="no pic"),
    ):
        recording.finish()
    assert not list(tmp_path.iterdir())


def test_an_unwritable_folder_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FlashTalkError, match="cannot be written"):
        Recording(tmp_path / "file" / "out.mp4")


def test_a_name_that_looks_like_an_address_is_a_file(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("2026-11-30T12:30/talk.mp4", "subfile,a.mp4", "50%d.mp4"):
        with Recording(name) as recording:
            for fragment in fragments(1):
                recording.append(fragment)
            recording.finish()
        with av.open(str(tmp_path / name)) as container:
            assert container.streams.video[0].frames == 28
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "2026-11-30T12:30",
        "50%d.mp4",
        "subfile,a.mp4",
    ]


FULL_DISK = """
import resource, sys
sys.path.insert(0, "tests/outputs")
from pathlib import Path
from test_recording import fragments
from flashtalk.outputs.recording import Recording

with Recording(sys.argv[1]) as recording:
    parts = list(fragments())
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit := len(parts[0]) + 99, limit))
    recording.append(parts[0])
    try:
        recording.append(parts[1])
    except OSError:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]) * limit // 2,) * 2)
        recording.finish()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
@pytest.mark.parametrize("room", [2, 1])
def test_a_full_disk_keeps_the_whole_fragments(tmp_path: Path, room: int):
    """With room 1 the copy with its index in front does not fit either."""
    path = tmp_path / "out.mp4"
    command = [sys.executable, "-c", FULL_DISK, str(path), str(room)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 28
        assert container.metadata["comment"] == MARK


FULL_AT_THE_END = """
import resource, sys
sys.path.insert(0, "tests/outputs")
from test_recording import fragments
from flashtalk.outputs.recording import Recording

with Recording(sys.argv[1], keep_s=10.0) as recording:
    parts = list(fragments(4))
    for part in parts:
        recording.append(part, 1.12)
    limit = sum(map(len, parts[:3])) + 9_999  # room for three parts of four, and an index
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    recording.finish()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_a_disk_that_is_full_at_the_end_of_a_long_talk_keeps_the_parts_that_fit(tmp_path: Path):
    path = tmp_path / "out.mp4"
    command = [sys.executable, "-c", FULL_AT_THE_END, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "The video ends early" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 84
