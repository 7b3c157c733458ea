"""A worker of two processes over gloo, which share a toy 14B: one talk, and the loss of one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flashtalk.acceleration.settings import Acceleration
from flashtalk.assets import ASSETS
from flashtalk.cluster.remote import Needs
from flashtalk.cluster.scaling import Bounds
from flashtalk.cluster.start import joined
from flashtalk.cluster.workers import Workers
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import portrait_for
from flashtalk.stream.admission import Admission
from flashtalk.stream.contracts import Engines

WAIT_S = 240  # a slow machine is not a failure


@pytest.fixture(scope="module")
def recipe(checkpoint: Path) -> dict[str, object]:
    return {
        "name_or_folder": checkpoint,
        "device": "cpu",
        "placement": None,
        "acceleration": Acceleration(),
        "size": (64, 64),
        "threads": 1,
        "turn_threads": 1,
    }


@pytest.fixture(scope="module")
def workers(recipe: dict[str, object]) -> Iterator[Workers]:
    needs = Needs(ranks=2)
    with joined(None, 2), Workers(recipe, Bounds(1, 1), needs) as workers:
        workers.start()
        yield workers


def frames(engines: Engines, name: str, speech: np.ndarray) -> Iterator[np.ndarray]:
    picture = Image.open(ASSETS / "portraits" / "ada.jpg")
    with engines.at(name).open(portrait_for(picture, engines.preset), seed=1, steps=1) as session:
        for part in (session.push(speech), session.flush()):
            yield from (piece.frames for piece in part)


def test_two_ranks_make_the_talk_of_one_process_and_end_together(
    workers: Workers, recipe: dict[str, object], speech: np.ndarray
) -> None:
    (name,) = workers.states
    shared = np.concatenate(list(frames(workers, name, speech[:20_000])))
    alone = np.concatenate(list(frames(Engine.from_pretrained(**recipe), "", speech[:20_000])))
    away = np.abs(shared.astype(int) - alone)
    assert shared.shape == alone.shape and away.mean() < 0.05 and away.max() <= 3

    workers.follow(Admission(lambda: workers.states))
    other = workers.at(name).processes[1]
    with pytest.raises(FlashTalkError, match="does not answer any more"):
        for number, _ in enumerate(frames(workers, name, np.tile(speech, 4))):
            if number == 0:
                os.kill(other, signal.SIGKILL)
    end_s = time.monotonic() + WAIT_S
    while not any(s.stage == "ready" for n, s in workers.states.items() if n != name):
        assert time.monotonic() < end_s
        time.sleep(0.2)
    assert len(list(frames(workers, next(iter(workers.states)), speech[:5_000]))) > 0
