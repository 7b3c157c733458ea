"""``flashtalk verify`` says what a file carries, in words and as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from flashtalk.cli.main import main, parse
from flashtalk.cli.serve_options import ServeOptions
from flashtalk.inputs.speech import Speech
from flashtalk.outputs.film import Film
from flashtalk.provenance.credentials import Origin
from flashtalk.provenance.marking import Marking
from flashtalk.stream.piece import VideoPiece

PORTRAITS = Path(__file__).parents[2] / "assets" / "portraits"


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("talk") / "talk.mp4"
    picture = np.asarray(Image.open(PORTRAITS / "omar.jpg").convert("RGB").resize((256, 256)))
    speech = Speech(np.zeros(17_920, np.float32), np.zeros((1, 53_760), np.float32))
    piece = VideoPiece(0, np.repeat(picture[None], 28, 0), speech.samples, start_s=0.0)
    with Film((256, 256), 25, speech, path, origin=Origin("toy")) as film:
        list(film.fragments([piece]))
    return path


def verify(path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    code = main(["verify", str(path), *more])
    return code, "".join(capsys.readouterr())


def test_a_film_has_both(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verify(talk, capsys, "--out", str(tmp_path / "found.json"))
    assert code == 0
    assert "Watermark: found" in said and "Content credentials: valid" in said
    assert "toy made this video" in said and "a certificate for development" in said
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["watermark"]["found"] and found["credentials"]["state"] == "valid"


def test_what_another_program_made_of_it_keeps_the_watermark(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        av.open(str(talk)) as source,
        av.open(str(tmp_path / "again.mkv"), "w") as out,
    ):
        stream = out.add_stream("libx264", rate=25, options={"crf": "28"})
        stream.width, stream.height, stream.pix_fmt = 192, 192, "yuv420p"
        for frame in source.decode(video=0):
            out.mux(stream.encode(frame.reformat(192, 192)))
        out.mux(stream.encode(None))
    code, said = verify(tmp_path / "again.mkv", capsys)
    assert code == 0 and "Watermark: found" in said and "Content credentials: none" in said


def test_a_picture_of_it_has_the_watermark(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with av.open(str(talk)) as source:
        next(source.decode(video=0)).to_image().save(tmp_path / "shot.jpg", quality=80)
    assert verify(tmp_path / "shot.jpg", capsys)[0] == 0


def test_a_changed_film_says_so(
    talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(talk.read_bytes())
    data[-60] ^= 255
    (tmp_path / "changed.mp4").write_bytes(data)
    assert "Content credentials: invalid" in verify(tmp_path / "changed.mp4", capsys)[1]


def test_a_portrait_has_neither(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verify(PORTRAITS / "omar.jpg", capsys)
    assert code == 1 and "not found" in said and "credentials: none" in said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "No video or picture at"), (b"", "is empty"), (b"words", "not a picture")],
)
def test_what_cannot_be_read_is_refused(
    content: bytes | None, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "file.mp4"
    if content is not None:
        path.write_bytes(content)
    code, said = verify(path, capsys)
    assert code == 2 and sentence in said and "Traceback" not in said


def test_the_file_itself_is_not_overwritten_and_a_pipe_is_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    portrait = tmp_path / "ada.jpg"
    portrait.write_bytes(b"a picture")
    assert main(["verify", str(portrait), "--out", str(portrait)]) == 2
    assert "ada.jpg is an input" in capsys.readouterr().err
    assert portrait.read_bytes() == b"a picture"
    os.mkfifo(tmp_path / "pipe")
    assert main(["verify", str(tmp_path / "pipe")]) == 2
    assert "is a pipe, which is read once" in capsys.readouterr().err


# --- options of a deployment ----------------------------------------------------------------------
@pytest.mark.parametrize("command", ["generate", "serve"])
@pytest.mark.parametrize(
    ("options", "variables", "sentence"),
    [
        (["--certificate", "none.pem"], {}, "There is a certificate and no private key"),
        ([], {"FLASHTALK_PRIVATE_KEY": "none.pem"}, "There is a private key and no certificate"),
        (["--certificate", "a.pem", "--private-key", "b.pem"], {}, "a.pem cannot be read"),
        ([], {"FLASHTALK_VISIBLE_MARK": "maybe"}, "must be on or off, got 'maybe'"),
    ],
)
def test_marks_that_cannot_be_made_are_refused_before_any_work(
    command: str,
    options: list[str],
    variables: dict[str, str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLASHTALK_PRESET", "flashtalk-tiny")
    files = ["--portrait", "p.jpg", "--audio", "a.wav", "--out", str(tmp_path / "out.mp4")]
    code = main([command, *(files if command == "generate" else []), *options])
    assert code == 2 and sentence in capsys.readouterr().err


def test_the_visible_mark_is_left_out_by_configuration_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert parse(ServeOptions, [], prog="serve").marking() == Marking(visible=True)
    assert not parse(ServeOptions, ["--no-visible-mark"], prog="serve").marking().visible
    monkeypatch.setenv("FLASHTALK_VISIBLE_MARK", "off")
    assert not parse(ServeOptions, [], prog="serve").marking().visible


@pytest.mark.parametrize("name", ["voice.wav", "voice.flac", "voice.ogg", "voice.mp3"])
def test_a_sound_is_called_a_sound(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / name, 0.1 * np.sin(np.arange(16_000) / 5), 16_000)
    code, said = verify(tmp_path / name, capsys)
    assert code == 2 and f"{name} is a sound without pictures" in said and "The picture" not in said


def test_what_is_neither_a_video_nor_a_picture_is_not_called_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.mp4").write_text("nothing to see " * 99)
    code, said = verify(tmp_path / "notes.mp4", capsys)
    assert code == 2 and "notes.mp4 is not a picture or video" in said and "The picture" not in said
