"""A folder of pictures or sounds: one start, many videos, and none is made twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from flashtalk.cli.jobs import PICTURES, SOUNDS, Job, files_of, jobs_of
from flashtalk.cli.main import main
from flashtalk.errors import FlashTalkError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, of which one is none, two sounds, and files that are neither."""
    (tmp_path / "faces").mkdir()
    (tmp_path / "voices").mkdir()
    shutil.copy(ROOT / "assets" / "portraits" / "ada.jpg", tmp_path / "faces" / "ada.JPG")
    (tmp_path / "faces" / "ben.png").write_text("not a picture")
    for name in ("README.md", ".hidden.png"):
        (tmp_path / "faces" / name).write_text("no face")
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        soundfile.write(tmp_path / "voices" / f"{name}.wav", rng.normal(0, 0.1, 1_600), 16_000)
    return tmp_path


def generate(portrait: Path, audio: Path, out: Path) -> int:
    options = {"portrait": portrait, "audio": audio, "out": out, "steps": 1}
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    return main(["generate", *given])


def test_a_picture_that_fails_does_not_stop_the_others(folder: Path, capsys) -> None:
    out = folder / "talks"
    assert generate(folder / "faces", folder / "voices", out) == 1
    shown = capsys.readouterr()
    assert shown.out.split() == [str(out / "ada-one.mp4"), str(out / "ada-two.mp4")]
    assert "ben-one.mp4 was not made: " in shown.err and "not a picture" in shown.err
    assert "2 of 4 videos were made, 0 were there already, 2 could not be made." in shown.err
    assert {path.name for path in out.iterdir()} == {"ada-one.mp4", "ada-two.mp4"}


@pytest.mark.parametrize("endings", [PICTURES, SOUNDS])
def test_a_folder_gives_every_kind_that_is_read(endings, tmp_path: Path) -> None:
    """A scan in a folder is a picture as one that is given alone is."""
    read = {*Image.registered_extensions()} & {".tif", ".tiff", ".jpe", ".mpo", ".dib", ".apng"}
    read |= {f".{name}" for name in soundfile.available_formats() if name in ("AU", "CAF", "W64")}
    there = {f"a{ending.lower()}" for ending in read if ending[1:].lower() in endings}
    assert len(there) == (6 if endings is PICTURES else 3)
    for name in there:
        (tmp_path / name).write_bytes(b"x")
    assert {file.name for file in files_of(tmp_path, endings, "file")} == there


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    for name in ("away.jpg", "round.jpg", ".away.jpg"):
        (tmp_path / name).symlink_to("round.jpg" if name == "round.jpg" else "nowhere")
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    found = files_of(tmp_path, PICTURES, "picture")
    assert [file.name for file in found] == ["away.jpg", "round.jpg"]


def test_a_folder_that_cannot_be_read_is_what_a_sentence_is_about(tmp_path, monkeypatch) -> None:
    def closed(folder: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(FlashTalkError, match=r"The folder .* cannot be read: Permission denied\."):
        files_of(tmp_path, PICTURES, "picture")


@pytest.mark.parametrize("out", ["s3://bucket/talk.mp4", "https://example.com/talk.mp4"])
def test_no_video_goes_to_an_address(out: str, folder: Path, capsys) -> None:
    assert generate(folder / "faces" / "ada.JPG", folder / "voices" / "one.wav", Path(out)) == 2
    assert f"flashtalk: {out} is an address" in capsys.readouterr().err


def test_a_second_start_makes_only_what_is_missing(folder: Path, capsys) -> None:
    out = folder / "talks"
    out.mkdir()
    (out / "one.mp4").write_bytes(b"an earlier start's")
    assert generate(folder / "faces" / "ada.JPG", folder / "voices", out) == 0
    shown = capsys.readouterr()
    assert shown.out.split() == [str(out / "two.mp4")]
    assert "1 of 2 videos were made, 1 were there already" in shown.err
    assert (out / "one.mp4").read_bytes() == b"an earlier start's"
    assert generate(folder / "faces" / "ada.JPG", folder / "voices", out) == 0
    assert capsys.readouterr().out == ""


def test_what_was_made_of_a_video_that_breaks_off_is_kept(folder: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 16_000 * 120)
    soundfile.write(folder / "voices" / "long.wav", noise, 16_000)
    out = folder / "talks"
    arguments = ["--portrait", folder / "faces", "--audio", folder / "voices" / "long.wav"]
    command = [sys.executable, "-m", "flashtalk", "generate", *arguments, "--out", out]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        seen = b""
        while b"x real time" not in seen and (more := os.read(process.stderr.fileno(), 4096)):
            seen += more
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
    assert process.returncode == 130
    assert [path.name for path in out.iterdir()] == ["ada.part.mp4"]
    assert f"of 120.0 s are in {out / 'ada.part.mp4'}." in said
    assert "Stopped. 0 of 2 videos were made" in said
    with av.open(str(out / "ada.part.mp4")) as video:
        assert 0 < video.streams.video[0].frames < 25 * 120


def test_names_tell_the_videos_apart(folder: Path) -> None:
    faces, voices, out = folder / "faces", folder / "voices", folder / "talks"
    one = jobs_of(faces, voices / "one.wav", out)
    assert one[0] == Job(faces / "ada.JPG", voices / "one.wav", out / "ada.mp4")
    both = [job.out.name for job in jobs_of(faces, voices, out)]
    assert both == ["ada-one.mp4", "ada-two.mp4", "ben-one.mp4", "ben-two.mp4"]
    shutil.copy(faces / "ada.JPG", faces / "Ada.png")
    with pytest.raises(FlashTalkError, match=r"would both become ada\.mp4"):
        jobs_of(faces, voices / "one.wav", out)


def test_a_folder_that_cannot_be_used_is_a_sentence(folder: Path) -> None:
    faces, voices = folder / "faces", folder / "voices"
    with pytest.raises(FlashTalkError, match=r"give --out a folder, not .*talk\.mp4"):
        jobs_of(faces, voices, folder / "talk.mp4")
    with pytest.raises(FlashTalkError, match="There is no sound file in the folder"):
        jobs_of(faces, faces, folder / "talks")
    with pytest.raises(FlashTalkError, match="does not exist"):
        jobs_of(faces, voices, folder / "absent" / "talks")
    (voices / "ada-one.mp4").write_bytes(b"somebody's video")
    with pytest.raises(FlashTalkError, match="is an input"):
        jobs_of(faces, voices, voices)
