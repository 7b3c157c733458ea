"""The page's callbacks with the real engine at toy size, without a browser."""

from __future__ import annotations

import base64
import io
import json
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import gradio as gr
import numpy as np
import pytest
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.engine import Engine
from flashtalk.models.networks import Networks
from flashtalk.stream.piece import VideoPiece
from flashtalk.ui.events import NO_PORTRAIT, NO_VOICE, Limits, Talk
from flashtalk.ui.player import Progress
from flashtalk.ui.sentences import UNEXPECTED
from flashtalk.ui.stops import Stops

VISITOR = gr.Request(session_hash="visitor")


def unchanged(function: Callable[..., Iterator[VideoPiece]]) -> Callable[..., Iterator[VideoPiece]]:
    return function


@pytest.fixture(scope="module")
def engine(toy_networks: Networks) -> Engine:
    return Engine(toy_networks)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("portrait") / "portrait.png"
    Image.open(ASSETS / "portraits" / "ada.jpg").save(path)
    return str(path)


@pytest.fixture(scope="module")
def voice(speech: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three and a half seconds: three chunks and a short one."""
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((speech.clip(-1, 1) * 32_767).astype("<i2").tobytes())
    return str(path)


def run(talk: Talk, portrait: str | None, voice: str | None) -> Iterator[tuple[dict, str | None]]:
    for message, file, seed in talk.talk(portrait, voice, 5, False, 2, VISITOR):
        assert seed == 5
        yield json.loads(message), file


def frames_of(path: str) -> int:
    with av.open(path) as file:
        return len(list(file.decode(video=0)))


def test_messages_count_up_and_carry_the_whole_video(engine: Engine, portrait: str, voice: str):
    messages, live, finished = [], b"", 0
    for message, file in run(Talk(engine, Limits(), unchanged), portrait, voice):
        messages.append(message)
        live += base64.b64decode(message.get("data", ""))
        finished = frames_of(file) if file else 0
    assert [message["number"] for message in messages] == list(range(len(messages)))
    assert len({message["run"] for message in messages}) == 1
    kinds = [message["kind"] for message in messages]
    assert kinds[:2] == ["stage", "stage"]
    assert set(kinds[2:-1]) == {"fragment"}
    assert kinds[-1] == "end"
    assert messages[1]["poster"].startswith("data:image/jpeg;base64,")
    assert not messages[-1]["stopped"]

    fragments = messages[2:-1]
    made = [fragment["made_s"] for fragment in fragments]
    assert made == sorted(made)
    assert made[-1] == fragments[0]["total_s"] == 3.52
    assert fragments[0]["real_time"] is None, "a part of a chunk says nothing about the speed"
    assert fragments[1]["real_time"] > 0
    with av.open(io.BytesIO(live)) as container:
        assert len(list(container.decode(video=0))) == finished == 88


def test_stop_keeps_the_part_made_so_far(engine: Engine, portrait: str, voice: str):
    talk = Talk(engine, Limits(), unchanged)
    fragments = 0
    for message, file in run(talk, portrait, voice):
        if message["kind"] == "fragment":
            fragments += 1
            if fragments == 2:
                talk.stop(VISITOR)
        elif message["kind"] == "end":
            assert message["stopped"]
            assert message["made_s"] == 1.12
            assert file is not None
            assert frames_of(file) == 28
    assert fragments == 2


def test_stop_while_waiting_ends_the_video_before_it_begins(
    engine: Engine, portrait: str, voice: str
):
    talk = Talk(engine, Limits(), unchanged)
    talk.stop(VISITOR)
    *_, (last, file) = run(talk, portrait, voice)
    assert (last["kind"], last["stopped"], last["made_s"], file) == ("end", True, 0, None)
    *_, (last, file) = run(talk, portrait, voice)
    assert not last["stopped"], "the next video is not affected"


def test_a_stop_that_came_too_late_is_forgotten():
    stops = Stops()
    with stops.run("a") as flag:
        stops.stop("b")
        assert not flag.is_set(), "visitors do not stop each other"
    stops.stop("a")
    stops.forget("a")
    with stops.run("a") as flag:
        assert not flag.is_set()


@pytest.mark.parametrize(
    ("with_portrait", "with_voice", "sentence"),
    [(False, True, NO_PORTRAIT), (True, False, NO_VOICE)],
)
def test_a_problem_is_a_message_and_an_error(
    engine: Engine,
    portrait: str,
    voice: str,
    with_portrait: bool,
    with_voice: bool,
    sentence: str,
):
    talk = Talk(engine, Limits(), unchanged)
    messages = []
    with pytest.raises(gr.Error) as raised:
        for message, _ in run(
            talk, portrait if with_portrait else None, voice if with_voice else None
        ):
            messages.append(message)
    assert raised.value.message == sentence
    assert messages[-1]["kind"] == "error"
    assert messages[-1]["sentence"] == sentence


def test_a_prompt_that_is_cut_is_said(portrait: str, voice: str, checkpoint: Path):
    engine = Engine.from_pretrained(checkpoint, device="cpu", size=(32, 48))
    talk = Talk(engine, Limits(), unchanged)
    updates = talk.talk(portrait, voice, 5, False, 1, VISITOR, "word " * 60)
    messages = [json.loads(next(updates)[0]) for _ in range(3)]
    updates.close()
    assert any("first 24 are used" in notice for notice in messages[1]["notices"])
    with av.open(io.BytesIO(base64.b64decode(messages[2]["data"]))) as video:
        assert (video.streams.video[0].height, video.streams.video[0].width) == (32, 48)


def test_too_long_speech_is_said(engine: Engine, portrait: str, voice: str):
    with pytest.raises(gr.Error, match="limit of 2 seconds"):
        list(run(Talk(engine, Limits(speech_s=2), unchanged), portrait, voice))


def test_a_failure_keeps_what_was_made(
    engine: Engine, portrait: str, voice: str, caplog: pytest.LogCaptureFixture
):
    def failing(compute: Callable[..., Iterator[VideoPiece]]):
        def chunks(*arguments: object) -> Iterator[VideoPiece]:
            for chunk in compute(*arguments):
                yield chunk
                if chunk.index == 1:
                    raise RuntimeError("the device went away")

        return chunks

    last: tuple[dict, int] = ({}, 0)
    with pytest.raises(gr.Error):
        for message, file in run(Talk(engine, Limits(), failing), portrait, voice):
            last = (message, frames_of(file) if file else 0)
    assert last[0]["sentence"] == UNEXPECTED
    assert last[1] == 28
    assert "the device went away" in caplog.text, "the cause is in the server's log"


def test_wrong_limits_and_progress_are_named():
    with pytest.raises(ValueError, match="speech_s must be above 0, got 0"):
        Limits(speech_s=0)
    with pytest.raises(ValueError, match=r"0 \.\. 2.0, got 3.0"):
        Progress(made_s=3.0, total_s=2.0, work_s=None)
