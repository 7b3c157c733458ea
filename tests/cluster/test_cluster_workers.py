"""Two workers of a local cluster: talks at once, one killed, one added, drained and removed."""

from __future__ import annotations

import json
import os
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import IO

import av
import gradio as gr
import numpy as np
import pytest
import soundfile

from flashtalk.acceleration.settings import Acceleration
from flashtalk.assets import ASSETS
from flashtalk.cluster.scaling import Bounds, Scaling
from flashtalk.cluster.session import GONE
from flashtalk.cluster.start import joined
from flashtalk.cluster.workers import Workers
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import portrait_for
from flashtalk.inputs.speech import load_speech
from flashtalk.stream.admission import Admission
from flashtalk.stream.contracts import Engines
from flashtalk.ui.compare.comparisons import Comparisons
from flashtalk.ui.events import Limits, Talk

RECIPE = {
    "name_or_folder": "flashtalk-tiny",
    "device": None,
    "placement": None,
    "acceleration": Acceleration(),
    "size": (256, 256),
    "threads": 1,
    "turn_threads": 1,
}
PEOPLE = sorted((ASSETS / "portraits").iterdir())[:2]
VISITOR = gr.Request(session_hash="visitor")
WAIT_S = 120  # a slow machine is not a failure


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """Two that are warm, and room for a third."""
    bounds = Bounds(2, 3)
    scaling = Scaling(bounds, up_s=1.0, down_s=0.5)
    with joined(None, 3) as folder, Workers(RECIPE, bounds, scaling=scaling) as workers:
        assert folder is not None and os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        workers.start()
        yield workers
    assert not folder.exists(), "nothing of the cluster stays"


@pytest.fixture(scope="module")
def here() -> Engine:
    """The same in one process."""
    return Engine.from_pretrained(**RECIPE)


@pytest.fixture(scope="module")
def talk(workers: Workers) -> Talk:
    """A page around them; from now on they are looked after."""
    talk = Talk(workers, Limits(), lambda compute: compute)
    workers.follow(talk.admission)
    return talk


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return load_speech(ASSETS / "voices" / "emma.flac").samples[: 3 * 8_000]


@pytest.fixture(scope="module")
def voice(samples: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Six seconds, so that there is a middle."""
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    soundfile.write(path, np.tile(samples, 4), 16_000)
    return str(path)


def video(engines: Engines, name: str, person: Path, samples: np.ndarray, live: bool) -> bytes:
    """All frames of a talk; a live one hears its end faster than it can follow."""
    portrait = portrait_for(person, engines.preset)
    first = 4 if live else engines.preset.first_fragment_frames
    with engines.at(name).open(portrait, seed=3, live=live, first_fragment_frames=first) as session:
        parts = np.split(samples, range(1_600, 16_000, 1_600)) if live else [samples]
        rest = parts.pop() if live else samples[:0]
        pieces = [piece for part in parts for piece in session.push(part)]
        pieces += session.hold(rest)
        assert any(piece.held for piece in pieces) is live
        pieces += session.flush()
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    return b"".join(piece.frames.tobytes() for piece in pieces)


def within(condition: Callable[[], object]) -> None:
    """Waits until ``condition`` holds."""
    end_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.1)


@pytest.mark.parametrize("live", [False, True], ids=["recorded", "live"])
def test_two_at_once_get_the_frames_of_one_process(
    workers: Workers, here: Engine, samples: np.ndarray, live: bool
) -> None:
    expected = [video(here, "", person, samples, live) for person in PEOPLE]
    admission = Admission(lambda: workers.states)
    with ExitStack() as stack, ThreadPoolExecutor(2) as visitors:
        seats = [stack.enter_context(admission.seat(1.5)) for _ in PEOPLE]
        assert [seat.wait(0.0) for seat in seats] == [None, None]
        assert {seat.engine for seat in seats} == set(workers.states), "one on each"
        made = visitors.map(
            lambda seat, person: video(workers, seat.engine, person, samples, live), seats, PEOPLE
        )
        assert list(made) == expected


def test_a_comparison_on_workers_has_the_frames_of_one_process(
    workers: Workers, talk: Talk, here: Engine, samples: np.ndarray, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "voice.wav", samples[: 20 * 640], 16_000)  # two short chunks
    gr.set_static_paths([tmp_path, PEOPLE[0].parent])
    settings = [{"steps": 2}, {"size": "512x512", "color_match": 0, "chunk_frames": 17}]
    asked = {
        "portraits": [{"path": str(PEOPLE[0])}],
        "voices": [str(tmp_path / "voice.wav")],
        "settings": settings,
    }
    made = []
    for engines, page in ((workers, talk), (here, Talk(here, Limits(), lambda compute: compute))):
        comparison = Comparisons(page, engines, Limits()).open(asked)
        within(lambda comparison=comparison: comparison.told(0, "")["state"] == "done")
        packed = zipfile.ZipFile(comparison.file("everything.zip"))
        films = sorted(name for name in packed.namelist() if name.endswith(".mp4"))
        made.append({name: frames_of(packed.open(name)) for name in films})
    assert made[0] == made[1]
    assert sorted(len(film) // 3 for film in made[0].values()) == [20 * 256 * 256, 20 * 512 * 512]
    within(lambda: not any(talk.admission.talks.values()))


def frames_of(film: IO[bytes]) -> bytes:
    """All pictures of an mp4, in RGB."""
    with av.open(film) as container:
        frames = container.decode(video=0)
        return b"".join(frame.to_ndarray(format="rgb24").tobytes() for frame in frames)


def test_a_worker_is_measured_as_an_engine_is(workers: Workers, here: Engine) -> None:
    assert workers.preset == here.preset
    assert workers.device.type == "cpu"
    assert all(state.cost and state.cost > 0 for state in workers.states.values())
    assert workers.live_pace(enough=0.0) > 0


def test_what_a_worker_refuses_is_its_sentence(workers: Workers) -> None:
    name = next(iter(workers.states))
    portrait = portrait_for(PEOPLE[0], workers.preset)
    with pytest.raises(FlashTalkError, match="does not read a prompt") as refused:
        workers.at(name).open(portrait, prompt="A person in the rain.")
    assert "Traceback" not in str(refused.value)
    with workers.at(name).open(portrait) as session:
        pass
    with pytest.raises(FlashTalkError, match="talk is over"):
        list(session.push(np.zeros(1_600, np.float32)))


def test_a_worker_that_is_killed_ends_its_talk_and_is_replaced(
    workers: Workers, talk: Talk, voice: str
) -> None:
    before, killed = set(workers.states), []

    def kill() -> None:
        (name,) = (name for name, count in talk.admission.talks.items() if count)
        os.kill(workers.at(name).processes[0], signal.SIGKILL)
        killed.append(name)

    kind, sentence, shown, frames = visit(talk, voice, kill)
    assert (kind, sentence) == ("error", GONE)
    assert 0 < frames == shown < 150, "what was made stays"
    within(lambda: killed[0] not in workers.states)
    within(lambda: set(ready(workers)) - before and len(ready(workers)) == 2)
    with pytest.raises(FlashTalkError, match="does not answer"):
        workers.at(killed[0])
    assert visit(talk, voice, lambda: None) == ("end", None, 150, 150)


def visit(
    talk: Talk, voice: str, at_second_fragment: Callable[[], None]
) -> tuple[str, str | None, int, int]:
    """A talk's last message and its sentence, the frames that were shown, those of its film."""
    fragments = shown = frames = 0
    try:
        for text, file, _ in talk.talk(str(PEOPLE[0]), voice, 5, False, 1, VISITOR):
            message = json.loads(text)
            if message["kind"] == "fragment":
                fragments, shown = fragments + 1, round(25 * message["made_s"])
                if fragments == 2:
                    at_second_fragment()
            if file:
                with av.open(file) as film:
                    frames = len(list(film.decode(video=0)))
    except gr.Error as error:
        assert error.message == message["sentence"], "callers of the API read the same"
    return message["kind"], message.get("sentence"), shown, frames


def ready(workers: Workers) -> list[str]:
    return [name for name, state in workers.states.items() if state.stage == "ready"]


def test_one_is_added_for_who_waits_and_removed_once_nobody_needs_it(
    workers: Workers, talk: Talk, samples: np.ndarray
) -> None:
    before, over = set(ready(workers)), Event()

    def wait_for(name: str) -> bytes:
        """Talks on ``name`` once others have seen it drain."""
        over.wait(WAIT_S)
        return video(workers, name, PEOPLE[1], samples, live=False)

    with ExitStack() as stack, ThreadPoolExecutor(1) as visitor:
        seats = [stack.enter_context(talk.admission.seat(weight=9.0)) for _ in range(3)]
        assert [seat.wait(0.0) is None for seat in seats] == [True, True, False]
        within(lambda: seats[2].wait(0.1) is None)
        new = seats[2].engine
        assert new not in before and len(ready(workers)) == 3

        going_on = visitor.submit(wait_for, new)
        workers.drain(new)
        assert ready(workers) == sorted(before)
        over.set()
        expected = video(workers, min(before), PEOPLE[1], samples, live=False)
        assert going_on.result() == expected, "who talks on it goes on to the end"
        assert new in workers.states
    within(lambda: new not in workers.states)
    assert ready(workers) == sorted(before), "the fewest stay, with nothing to do"


def test_a_worker_that_hangs_is_taken_for_gone(
    workers: Workers, talk: Talk, samples: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flashtalk.cluster.session.ANSWER_S", 1.0)
    name = min(ready(workers))
    process = workers.at(name).processes[0]
    with pytest.raises(FlashTalkError, match="does not answer any more"):
        portrait = portrait_for(PEOPLE[0], workers.preset)
        with workers.at(name).open(portrait) as session:
            for piece in session.push(np.tile(samples, 5)):
                if not piece.index:
                    os.kill(process, signal.SIGSTOP)
    within(lambda: name not in workers.states)
    within(lambda: not Path(f"/proc/{process}").exists())
