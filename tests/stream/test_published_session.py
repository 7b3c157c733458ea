"""A whole session of a checkpoint in the published layout, against the system told once more.

Text, picture, autoencoder, speech, transformer, color and motion encoding over two chunks, with the
same noise (``published_reference``). The first chunk differs by rounding; the second adds what that
rounding becomes on its way through motion encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from published_checkpoint import TRANSFORMER
from published_reference import TIMES, PublishedSystem

from flashtalk.engine import Engine
from flashtalk.inputs.portrait import portrait_for
from flashtalk.stream.chunk import advance
from flashtalk.stream.session import Session
from flashtalk.stream.state import SessionState, noise_source

HEIGHT, WIDTH = 80, 64
SEED = 5
PROMPT = "A person\u2019s \u201ctalk\u201d,  and \uff21\uff22 &amp; more"


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Engine:
    return Engine.from_pretrained(checkpoint, device="cpu", size=(HEIGHT, WIDTH))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Colors as muted as those of a photograph: the darkest saturated ones magnify rounding."""
    rng = np.random.default_rng(2)
    light = rng.integers(60, 200, (6, 4, 1)) + rng.integers(-25, 25, (6, 4, 3))
    coarse = Image.fromarray(light.astype(np.uint8))
    return coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)


def speech(level: float) -> np.ndarray:
    """Two chunks of a gliding tone with pauses."""
    time_s = np.arange(2 * 28 * 640) / 16_000
    tone = np.sin(2 * np.pi * (160 + 70 * time_s) * time_s) * (np.sin(2.3 * time_s) > -0.5)
    hiss = np.random.default_rng(0).normal(0, 0.02, len(time_s))
    return (level * (tone + hiss)).astype(np.float32)


def noise(chunk: int) -> Iterator[torch.Tensor]:
    """The noise of the session's chunk, [16, 9, h, w] each."""
    shape = (1, 16, 9, HEIGHT // 8, WIDTH // 8)
    state = SessionState(torch.zeros(1, 16, 1, *shape[3:]), chunk, SEED)
    draw = noise_source(state, shape, draws=len(TIMES))
    return (draw()[0] for _ in TIMES)


@pytest.fixture(scope="module")
def system(checkpoint: Path) -> PublishedSystem:
    return PublishedSystem(checkpoint, TRANSFORMER["num_heads"], TRANSFORMER["text_len"])


def advanced(session: Session) -> tuple[torch.Tensor, SessionState]:
    """The frames of the next chunk, before they are pictures, and the state after it."""
    session._speech.take(session._scene.geometry.new_samples)
    with torch.inference_mode():
        heard = session._heard(session._speech.window)
        return advance(session._scene, session._state, heard)


@pytest.mark.parametrize(("level", "tolerances"), [(0.3, (1e-4, 1e-3)), (1e-5, (1e-4,))])
def test_chunks_agree_with_the_published_system(
    engine: Engine,
    system: PublishedSystem,
    picture: Image.Image,
    level: float,
    tolerances: tuple[float, ...],
) -> None:
    """Two chunks of speech, and one of a room in which nobody speaks."""
    noises = [noise(chunk) for chunk in range(len(tolerances))]
    expected = system.talk(np.asarray(picture), PROMPT, speech(level), noises)
    session = engine.open(picture, seed=SEED, prompt=PROMPT, without_face=True)
    session._speech.append(speech(level))
    for wanted, tolerance in zip(expected, tolerances, strict=True):
        got, session._state = advanced(session)
        assert got.shape == (1, *wanted.shape)
        error = (got[0] - wanted).abs().max() / wanted.std()
        assert error < tolerance


def test_a_page_that_sends_the_usual_prompt_finds_what_was_prepared(
    engine: Engine, picture: Image.Image
) -> None:
    portrait = portrait_for(picture, engine.preset, crop="cover")
    engine.prepare(portrait)
    without, usual, other = (
        engine.open(portrait, prompt=prompt)._scene.conditions
        for prompt in (None, engine.preset.prompt, PROMPT)
    )
    assert engine.preset.prompt and without is usual
    assert other is not usual
