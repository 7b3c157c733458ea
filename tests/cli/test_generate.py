"""The command line: exit codes, sentences, and no half-written video, whatever happens.

The networks have their real sizes and random weights: pictures are noise, everything else is real.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.cli.main import main
from flashtalk.config import TINY
from flashtalk.models.tiny.confidence import EYES_HIDDEN, MOUTH_HIDDEN
from flashtalk.weights import build_networks, modules_of, save_weights

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300  # far beyond need; machines that run tests are often busy


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_weights(folder, TINY.name, modules_of(build_networks(TINY)))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture, a second of stereo sound, and nothing else."""
    rng = np.random.default_rng(0)
    Image.open(ASSETS / "portraits" / "ada.jpg").resize((200, 200)).save(tmp_path / "face.png")
    soundfile.write(tmp_path / "voice.wav", rng.normal(0, 0.1, (44_100, 2)), 44_100)
    return tmp_path


def command(folder: Path, weights: Path, **changes: object) -> list[str]:
    options = {
        "portrait": folder / "face.png",
        "audio": folder / "voice.wav",
        "out": folder / "talk.mp4",
        "preset": weights,
        **changes,
    }
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return ["generate", *given]


def listing(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() if p.is_file() else b"" for p in folder.iterdir()}


def decoded(path: Path) -> tuple[int, int, int]:
    """Pictures, samples and sound channels that come out of a finished file."""
    with av.open(str(path)) as video:
        frames = sum(1 for _ in video.decode(video=0))
    with av.open(str(path)) as video:
        sound = list(video.decode(audio=0))
    return frames, sum(frame.samples for frame in sound), sound[0].layout.nb_channels


def test_a_second_of_sound_becomes_a_second_of_video(folder: Path, weights: Path, capsys) -> None:
    assert main(command(folder, weights)) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{folder / 'talk.mp4'}\n"
    notes = re.findall("Note: (.*)", shown.err)
    assert set(notes) <= {MOUTH_HIDDEN, EYES_HIDDEN}  # networks that learned nothing see nothing
    assert "real time" in shown.err
    frames, samples, channels = decoded(folder / "talk.mp4")
    assert frames == 25 and channels == 2
    assert samples == pytest.approx(48_000, abs=2_048)
    assert set(listing(folder)) == {"face.png", "voice.wav", "talk.mp4"}


def test_a_picture_without_a_face_is_refused_unless_asked_to_go_on(
    folder: Path, weights: Path, capsys
) -> None:
    noise = np.random.default_rng(0).integers(90, 160, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "face.png")
    assert main(command(folder, weights)) == 2
    sentence = capsys.readouterr().err
    assert "flashtalk: No face was found in the picture." in sentence
    assert "add --without-face" in sentence and "without_face" not in sentence
    assert not (folder / "talk.mp4").exists()
    assert main([*command(folder, weights), "--without-face"]) == 0
    assert "Note: No face was found in the picture, so its middle" in capsys.readouterr().err


def test_a_published_checkpoint_with_a_prompt_and_a_size(folder: Path, checkpoint: Path, capsys):
    options = {"preset": checkpoint, "size": "32x48", "prompt": "word " * 60, "steps": 1}
    assert main([*command(folder, checkpoint, **options), "--device", "cpu"]) == 0
    assert "Note: The prompt has" in capsys.readouterr().err
    with av.open(str(folder / "talk.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.height, stream.width) == (32, 48)


def test_a_name_with_a_colon_is_a_name(folder: Path, weights: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    Path("2026-11-30T12:30").mkdir()
    assert main(command(folder, weights, out="2026-11-30T12:30/talk.mp4", steps=1)) == 0
    assert decoded(folder / "2026-11-30T12:30" / "talk.mp4")[0] == 25


def test_the_whole_picture_is_a_film_with_its_marks(folder: Path, weights: Path, capsys) -> None:
    scene = Image.new("RGB", (333, 501), (90, 110, 130))
    scene.paste(Image.open(folder / "face.png"), (60, 90))
    scene.save(folder / "face.png")
    assert main(command(folder, weights, framing="picture", steps=1)) == 0
    with av.open(str(folder / "talk.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height) == (332, 500)
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(stream)]
    assert len(frames) == 25
    corner, lower = (
        np.std([frame[rows, :100].astype(float) for frame in frames], axis=(1, 2)).mean()
        for rows in (slice(0, 30), slice(470, 500))
    )
    assert corner > lower + 5, "the visible mark is in the upper left corner of the picture"
    assert main(["verify", str(folder / "talk.mp4")]) == 0


def test_an_older_video_is_replaced(folder: Path, weights: Path) -> None:
    (folder / "talk.mp4").write_bytes(b"old")
    assert main([*command(folder, weights, steps=1, seed=3), "--no-crop"]) == 0
    assert decoded(folder / "talk.mp4")[0] == 25


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"portrait": "absent.png"}, ["No picture at", "absent.png"]),
        ({"portrait": f"{'long' * 80}.png"}, ["long.png"]),
        ({"portrait": "https://example.com/me.jpg"}, ["https://example.com/me.jpg", "not fetched"]),
        ({"audio": "https://example.com/me.wav"}, ["https://example.com/me.wav", "not fetched"]),
        ({"face": 2}, ["no face number 2", "Faces found: 1"]),
        ({"portrait": "voice.wav"}, ["voice.wav", "not a picture"]),
        ({"audio": f"{'long' * 80}.wav"}, ["long.wav"]),
        ({"audio": "absent.wav"}, ["No sound file at", "absent.wav"]),
        ({"audio": "face.png"}, ["face.png", "not a sound file"]),
        ({"max-minutes": 0.01}, ["longer than the limit", "0.6 seconds"]),
        ({"max-minutes": 0}, ["--max-minutes"]),
        ({"steps": 0}, ["Steps", "between 1 and 50", "0"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"preset": "flashtalk-huge"}, ["neither a preset", "flashtalk-tiny"]),
        (
            {"preset": "flashtalk-14b", "device": "cpu"},
            ["flashtalk-14b needs a GPU", "18.9 billion"],
        ),
        ({"size": "768"}, ["--size", "768x448", "'768'"]),
        ({"size": "768x448"}, ["256 x 256", "768 x 448"]),
        ({"framing": "picture", "size": "256x256"}, ["--framing picture", "1280", "--size"]),
        (
            {"preset": "flashtalk-14b", "framing": "picture"},
            ["flashtalk-14b has no framing but its own"],
        ),
        ({"prompt": "a person talks"}, ["does not read a prompt"]),
        ({"device": "tpu"}, ["tpu"]),
        ({"threads": 0}, ["threads", "0"]),
        ({"out": "talk.avi"}, [".mp4", "talk.avi"]),
        ({"out": "."}, [". is a folder", "the name of a file"]),
        ({"out": f"{'long' * 80}.mp4"}, ["long.mp4 cannot be written", "File name too long"]),
        ({"placement": "12gb"}, ["Unknown placement '12gb'"]),
        ({"out": "absent/talk.mp4"}, ["folder", "absent", "does not exist"]),
    ],
)
def test_one_sentence_and_nothing_left_behind(
    folder: Path, weights: Path, changes: dict, words: list[str], capsys, monkeypatch
) -> None:
    monkeypatch.chdir(folder)
    before = listing(folder)
    assert main(command(folder, weights, **changes)) == 2
    shown = capsys.readouterr()
    sentence = [line for line in shown.err.splitlines() if not line.startswith("Note: ")]
    assert shown.out == "" and len(sentence) == 1 and sentence[0].startswith("flashtalk: ")
    for word in words:
        assert word in sentence[0]
    assert listing(folder) == before


def test_an_input_is_never_overwritten(folder: Path, weights: Path, capsys) -> None:
    clip = folder / "clip.mp4"
    clip.write_bytes(b"somebody's video")
    (folder / "link.mp4").symlink_to(clip)
    for out in (clip, folder / "link.mp4"):
        assert main(command(folder, weights, audio=clip, out=out)) == 2
        assert "is an input" in capsys.readouterr().err
    assert clip.read_bytes() == b"somebody's video"


@pytest.mark.parametrize(
    ("given", "named"), [("portrait", "picture"), ("audio", "sound"), ("out", "--out")]
)
def test_a_name_that_no_file_can_have_is_named(
    folder: Path, weights: Path, given: str, named: str, capsys
) -> None:
    (folder / "talk.mp4").write_bytes(b"old")
    assert main(command(folder, weights, **{given: folder / ("n" * 300 + ".mp4")})) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "File name too long" in sentence and named in sentence


def test_a_pipe_named_like_a_video(folder: Path, weights: Path, capsys) -> None:
    os.mkfifo(folder / "talk.mp4")
    assert main(command(folder, weights)) == 2
    assert "talk.mp4 is a pipe" in capsys.readouterr().err


def test_a_device_keeps_its_place(folder: Path, weights: Path, capsys) -> None:
    (folder / "talk.mp4").symlink_to("/dev/null")
    assert main(command(folder, weights)) == 2
    assert "talk.mp4 is a device" in capsys.readouterr().err


def test_a_link_to_what_is_not_there_is_left_as_it_is(folder: Path, weights: Path, capsys) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "talk.mp4").symlink_to(folder / "elsewhere" / "film.mp4")
    assert main(command(folder, weights, audio=folder / "missing.wav")) == 2
    capsys.readouterr()
    assert (folder / "talk.mp4").is_symlink() and not [*(folder / "elsewhere").iterdir()]


def test_a_folder_named_like_a_video(folder: Path, weights: Path, capsys) -> None:
    (folder / "talk.mp4").mkdir()
    assert main(command(folder, weights)) == 2
    assert "is a folder" in capsys.readouterr().err


def test_a_folder_that_takes_no_files(folder: Path, weights: Path, capsys) -> None:
    # /proc refuses new files from everyone, also from root, who may write to read-only folders.
    assert main(command(folder, weights, out="/proc/talk.mp4")) == 2
    assert "cannot be written to" in capsys.readouterr().err


def test_a_name_that_is_a_time_of_day(folder: Path, weights: Path) -> None:
    (folder / "2026-11-30T12:30").mkdir()
    out = folder / "2026-11-30T12:30" / "12:31.mp4"
    assert main(command(folder, weights, out=out, steps=1)) == 0
    assert decoded(out)[0] == 25


def test_damaged_weights_are_a_sentence(folder: Path, tmp_path_factory, capsys) -> None:
    empty = tmp_path_factory.mktemp("empty")
    assert main(command(folder, empty)) == 2
    assert "config.json" in capsys.readouterr().err
    assert not (folder / "talk.mp4").exists()


def start(arguments: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "flashtalk", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_the_process_ends_with_code_two_and_no_traceback(folder: Path, weights: Path) -> None:
    with start(command(folder, weights, portrait=folder / "voice.wav")) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2 and out == b""
    assert err.count(b"\n") == 1 and b"Traceback" not in err


def test_ctrl_c_keeps_what_was_generated(folder: Path, weights: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 16_000 * 120)
    soundfile.write(folder / "voice.wav", noise, 16_000)
    with start(command(folder, weights, steps=1)) as process:
        seen, limit_s = b"", time.monotonic() + PATIENCE_S
        while b"x real time" not in seen and time.monotonic() < limit_s:
            seen += os.read(process.stderr.fileno(), 4096)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert b"Stopped." in err and b"of 120.0 s are in" in err and b"Traceback" not in err
    frames, samples, _ = decoded(folder / "talk.mp4")
    assert 0 < frames < 25 * 120
    assert samples == pytest.approx(frames * 1920, abs=2_048)
    assert set(listing(folder)) == {"face.png", "voice.wav", "talk.mp4"}
