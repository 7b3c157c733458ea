from pathlib import Path

import av
import numpy as np
import pytest

from flashtalk.errors import FlashTalkError
from flashtalk.outputs.fragments import FragmentEncoder, _boxes
from flashtalk.outputs.recording import MARK, Recording


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
