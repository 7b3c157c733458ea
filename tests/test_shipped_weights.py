"""The weights in assets/: what only a trained model can do, on people never trained on."""

from pathlib import Path

import numpy as np
import pytest

from flashtalk.engine import ASSETS, Engine
from flashtalk.inputs.portrait import load_portrait
from flashtalk.inputs.speech import load_speech

SECONDS = 4.48  # four chunks
SAMPLES = int(SECONDS * 16_000)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.from_pretrained("flashtalk-tiny")


def _frames(engine: Engine, samples: np.ndarray) -> np.ndarray:
    """Frames [F, H, W, 3] as floats in 0..1."""
    session = engine.open(ASSETS / "portraits" / "emil.jpg", seed=3)
    chunks = [*session.push(samples), *session.flush()]
    return np.concatenate([chunk.frames for chunk in chunks]).astype(np.float32) / 255


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_speech(ASSETS / "voices" / "george.flac").samples[:SAMPLES]


@pytest.fixture(scope="module")
def talking(engine: Engine, speech: np.ndarray) -> np.ndarray:
    return _frames(engine, speech)


@pytest.fixture(scope="module")
def silent(engine: Engine) -> np.ndarray:
    return _frames(engine, np.zeros(SAMPLES, np.float32))


def _mouth_opening(frames: np.ndarray) -> np.ndarray:
    """How much of the mouth region differs from its usual look, per frame: [F]."""
    size = frames.shape[1]
    mouth = frames[:, int(0.54 * size) : int(0.72 * size), int(0.38 * size) : int(0.62 * size)]
    return np.abs(mouth - np.median(mouth, axis=0)).mean(axis=(1, 2, 3))


def test_the_mouth_moves_with_speech_and_rests_in_silence(
    talking: np.ndarray, silent: np.ndarray
) -> None:
    # high-pass over 5 frames: head motion is slow, lips are not
    def quick(frames: np.ndarray) -> float:
        curve = _mouth_opening(frames)
        smooth = np.convolve(curve, np.ones(5) / 5, mode="valid")
        return float(np.abs(curve[2:-2] - smooth).mean())

    assert quick(talking) > 1.5 * quick(silent)


def test_a_silent_person_is_alive(silent: np.ndarray) -> None:
    change = np.abs(np.diff(silent, axis=0)).mean(axis=(1, 2, 3))
    assert change.mean() > 3e-4, "frozen"
    assert np.abs(silent[-1] - silent[0]).mean() > 3e-3, "the head never moves"


def test_the_person_stays_who_they_are(engine: Engine, talking: np.ndarray) -> None:
    portrait = load_portrait(ASSETS / "portraits" / "emil.jpg", engine.preset.geometry)
    still = portrait.tensor[0].permute(1, 2, 0).numpy() / 2 + 0.5
    colors = talking.mean(axis=(1, 2)) - still.mean(axis=(0, 1))
    assert np.abs(colors).max() < 0.02, "color drifts"
    # sharpness: mean gradient of the last second against the portrait's
    edges = [np.abs(np.diff(p, axis=1)).mean() for p in (talking[-25:].reshape(-1, 256, 3), still)]
    assert edges[0] > 0.7 * edges[1], "blurred"


def test_borders_between_chunks_are_not_seen(talking: np.ndarray) -> None:
    change = np.abs(np.diff(talking, axis=0)).mean(axis=(1, 2, 3))
    borders = np.arange(27, len(change), 28)
    inside = np.delete(change, borders)
    assert change[borders].max() < 4.0 * inside.mean()


def test_the_files_are_small_enough_for_a_space() -> None:
    for path in Path(ASSETS).rglob("*"):
        assert not path.is_file() or path.stat().st_size < 9_500_000, path
