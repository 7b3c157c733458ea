"""The page's API, as gradio_client sees it: live messages, then the finished file."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from unsigned import unsigned

from flashtalk.inputs.portrait import WITHOUT_FACE
from flashtalk.ui.events import NO_PORTRAIT, NO_VOICE
from flashtalk.ui.sent import NOT_TAKEN

ROOT = Path(__file__).parents[2]


def test_talk_streams_fragments_and_returns_the_file(
    address: str, portrait: Path, short_speech: Path
) -> None:
    client = Client(address, verbose=False)
    job = client.submit(
        portrait=handle_file(portrait),
        voice=handle_file(short_speech),
        seed=7,
        random_seed=False,
        api_name="/talk",
    )
    updates = list(job)
    messages = [json.loads(live) for live, _, _ in updates]
    assert [message["number"] for message in messages] == list(range(len(messages)))
    assert [message["kind"] for message in messages[:2]] == ["stage", "stage"]
    assert messages[-1]["kind"] == "end"
    assert {seed for _, _, seed in updates} == {7}

    live = b"".join(base64.b64decode(message.get("data", "")) for message in messages)
    with av.open(io.BytesIO(live)) as container:
        shown = len(list(container.decode(video=0)))
    assert shown == 75, "three seconds at 25 frames per second"
    finished = updates[-1][1]
    finished = finished["video"] if isinstance(finished, dict) else finished
    assert Path(finished).name == "flashtalk-ada-short-7.mp4"
    with av.open(finished) as container:
        assert "portrait: ada; voice: short; seed: 7;" in container.metadata["description"]
        assert len(list(container.decode(video=0))) == shown


def test_the_command_makes_the_same_file(
    address: str, portrait: Path, short_speech: Path, tmp_path: Path
) -> None:
    given = ["--portrait", str(portrait), "--audio", str(short_speech), "--seed", "7"]
    given += ["--size", "256x256"]  # as the app is served
    out = tmp_path / "command.mp4"
    command = [sys.executable, "-m", "flashtalk", "generate", *given, "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    client = Client(address, verbose=False)
    for _ in range(2):  # each in a thread of the server's own
        _, page, _ = client.predict(
            handle_file(portrait), handle_file(short_speech), 7, False, api_name="/talk"
        )
        page = page["video"] if isinstance(page, dict) else page
        assert unsigned(Path(page)) == unsigned(out)


def test_a_problem_is_an_error_with_its_sentence(
    address: str, short_speech: Path, tmp_path: Path
) -> None:
    words = tmp_path / "words.png"
    words.write_text("this is not a picture")
    client = Client(address, verbose=False)
    with pytest.raises(AppError, match=r"words\.png"):
        client.predict(
            portrait=handle_file(words), voice=handle_file(short_speech), api_name="/talk"
        )


def test_a_preview_of_the_page_is_its_own(address: str) -> None:
    page = httpx.get(address).text
    assert '<meta property="og:title" content="FlashTalk">' in page
    assert "gradio-app" not in page.split("</head>")[0].split("<script>")[0]
    (picture,) = re.findall('property="og:image" content="([^"]+)"', page)
    assert httpx.get(picture).headers["content-type"] == "image/jpeg"


WHICH_FACE = "Which face is a whole number, 1 for the leftmost, or nothing for the largest"
FILE = {"meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def uploads(address: str, portrait: Path, short_speech: Path) -> list[dict]:
    """Portrait and voice, uploaded as any client does."""
    files = [("files", path.open("rb")) for path in (portrait, short_speech)]
    paths = httpx.post(f"{address}/gradio_api/upload", files=files).json()
    return [FILE | {"path": path} for path in paths]


def refusal(address: str, values: list) -> str:
    """What a client of plain HTTP reads when the call of /talk with ``values`` fails."""
    call = f"{address}/gradio_api/call/talk"
    event = httpx.post(call, json={"data": values}).json()["event_id"]
    with httpx.stream("GET", f"{call}/{event}", timeout=120) as reply:
        lines = list(reply.iter_lines())
    assert "event: error" in lines, lines
    error = json.loads(lines[lines.index("event: error") + 1].removeprefix("data: "))
    assert isinstance(error["error"], str), error
    return error["error"]


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (2, 2.7, "The seed must be a whole number between 0 and 2147483647, got 2.7."),
        (2, "7", "The seed must be a whole number between 0 and 2147483647, got '7'."),
        (2, -1, "The seed must be a whole number between 0 and 2147483647, got -1."),
        (2, None, "The seed must be a whole number between 0 and 2147483647, got nothing."),
        (2, True, "The seed must be a whole number between 0 and 2147483647, got True."),
        (3, "false", "A random seed is true or false, got 'false'."),
        (4, 2.5, "Steps must be a whole number, got 2.5."),
        (4, None, "Steps must be a whole number, got nothing."),
        (4, 0, "Steps must be between 1 and 50, got 0."),
        (4, [4], "Steps must be a whole number, got [4]."),
        (5, 1.5, f"{WHICH_FACE}, got 1.5."),
        (5, "2", f"{WHICH_FACE}, got '2'."),
        (5, 2, "There is no face number 2. Faces found: 1; the leftmost is number 1."),
        (6, "yes", "Without a face is true or false, got 'yes'."),
        (6, None, "Without a face is true or false, got nothing."),
        (0, None, NO_PORTRAIT),
        (1, None, NO_VOICE),
        (0, FILE | {"path": "/etc/hostname"}, NOT_TAKEN),
        (1, FILE | {"path": "/etc/hostname"}, NOT_TAKEN),
        (0, {"path": "/etc/hostname"}, NOT_TAKEN),
        (0, "/etc/hostname", NOT_TAKEN),
        (0, 7, NOT_TAKEN),
    ],
)
def test_a_value_that_cannot_be_used_is_a_sentence(
    address: str, uploads: list[dict], place: int, value: object, sentence: str
) -> None:
    values = [*uploads, 7, False, 4, None, False]
    values[place] = value
    assert refusal(address, values) == sentence


def test_a_picture_without_a_face_is_refused_in_the_words_of_the_api(
    address: str, short_speech: Path, tmp_path: Path
) -> None:
    meadow = np.random.default_rng(1).integers(90, 150, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(meadow).save(tmp_path / "meadow.png")
    files = [("files", path.open("rb")) for path in (tmp_path / "meadow.png", short_speech)]
    paths = httpx.post(f"{address}/gradio_api/upload", files=files).json()
    values = [*(FILE | {"path": path} for path in paths), 7, False, 4]  # the rest may be left out
    sentence = refusal(address, values)
    assert "No face was found" in sentence and "without_face=true" in sentence
    assert "--" not in sentence and "without_face=True" not in sentence

    client = Client(address, verbose=False)
    updates = client.submit(
        portrait=handle_file(tmp_path / "meadow.png"),
        voice=handle_file(short_speech),
        without_face=True,
        api_name="/talk",
    )
    messages = [json.loads(live) for live, _, _ in updates]
    assert messages[-1]["kind"] == "end"
    assert WITHOUT_FACE in messages[1]["notices"]


def test_what_is_refused_is_so_after_a_talk_too(
    address: str, portrait: Path, short_speech: Path
) -> None:
    client = Client(address, verbose=False)

    def talk(seed: object) -> object:
        files = (handle_file(portrait), handle_file(short_speech))
        return client.predict(*files, seed, False, api_name="/talk")

    assert talk(3)[2] == 3
    for seed, shown in ((3.5, "3.5"), ("abc", "'abc'"), (2**31, "2147483648")):
        with pytest.raises(AppError) as refused:
            talk(seed)
        assert str(refused.value) == (
            f"The seed must be a whole number between 0 and 2147483647, got {shown}."
        )


def test_too_few_values_are_a_sentence(address: str, uploads: list[dict]) -> None:
    assert refusal(address, uploads[:1]) == NOT_TAKEN


def test_too_many_values_are_not_dropped(address: str, uploads: list[dict]) -> None:
    assert refusal(address, [*uploads, 7, False, 4, None, False, "face", "", 1]) == NOT_TAKEN


@pytest.mark.parametrize(("place", "kind"), [(0, "picture"), (1, "sound")])
def test_a_file_that_was_deleted_after_its_time_is_a_sentence(
    address: str, portrait: Path, short_speech: Path, uploads: list[dict], place: int, kind: str
) -> None:
    lone = (portrait, short_speech)[place]
    files = [("files", (f"another{lone.suffix}", lone.read_bytes()))]
    (path,) = httpx.post(f"{address}/gradio_api/upload", files=files).json()
    Path(path).unlink()
    values = [*uploads, 7, False, 4]
    values[place] = FILE | {"path": path}
    assert refusal(address, values) == (
        f"Your {kind} is no longer here: files are kept for an hour. Add it again."
    )


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("content", [b"", b"this is neither", b"\x89PNG\r\n\x1a\n" + bytes(99)])
def test_no_sentence_names_a_folder_of_the_server(
    address: str, uploads: list[dict], place: int, content: bytes
) -> None:
    files = [("files", ("mine.png", content))]
    (path,) = httpx.post(f"{address}/gradio_api/upload", files=files).json()
    values = [*uploads, 7, False, 4]
    values[place] = FILE | {"path": path}
    sentence = refusal(address, values)
    assert "mine.png" in sentence
    assert "/" not in sentence.replace("and/or", "")


def test_the_program_of_the_documentation_speaks_live(address: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "live-speech.md").read_text(encoding="utf-8")
    program = text.split("```python\n")[1].split("```")[0]
    program = program.replace("http://127.0.0.1:7860", address)
    program = program.replace("assets/", f"{ROOT}/assets/").replace(
        "ada.mp4", f"{tmp_path}/ada.mp4"
    )
    program = program.replace(".samples *", ".samples[:32_000] *")  # two seconds do
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "ada.mp4")) as file:
        assert len(list(file.decode(video=0))) == 50
