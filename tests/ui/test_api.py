"""The page's API, as gradio_client sees it: live messages, then the finished file."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from pathlib import Path

import av
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

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
    with av.open(finished) as container:
        assert len(list(container.decode(video=0))) == shown


def test_the_command_makes_the_same_file(
    address: str, portrait: Path, short_speech: Path, tmp_path: Path
) -> None:
    given = ["--portrait", str(portrait), "--audio", str(short_speech), "--seed", "7"]
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
        assert Path(page).read_bytes() == out.read_bytes()


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
