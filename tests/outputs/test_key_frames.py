"""Key frames are not seen: what stands still stays as it was, what moves is new."""

import io

import av
import numpy as np
import pytest

from flashtalk.outputs.fragments import FragmentEncoder

SIDE = 128
CORNER = 32
COUNT = 28 * 11


@pytest.fixture(scope="module")
def film() -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Given pictures, decoded pictures [F, H, W, 3] and the key frames among them.

    The background drifts by less than a level in five seconds, as one that a model draws does; the
    middle moves.
    """
    rng = np.random.default_rng(0)
    waves = np.sin(np.linspace(0, 9, SIDE))[:, None] * np.cos(np.linspace(0, 5, SIDE))[None]
    still = 120 + 50 * waves + rng.normal(0, 2, (SIDE, SIDE))
    drift = 0.006 * np.arange(COUNT)[:, None, None]
    gray = (still + drift + rng.normal(0, 0.2, (COUNT, 1, 1))).round()
    mouth = slice(48, 80)
    for number in range(COUNT):
        gray[number, mouth, mouth] = 120 + 90 * np.sin(0.5 * number + np.linspace(0, 3, 32))
    given = np.repeat(gray.clip(0, 255).astype(np.uint8)[..., None], 3, axis=-1)
    encoder = FragmentEncoder(SIDE, SIDE, visible_mark=False)
    sound = np.zeros((1, 28 * 1920), np.float32)
    data = b"".join(encoder.encode(given[n : n + 28], sound) for n in range(0, COUNT, 28))
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(video=0))
    shown = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
    return given, shown, [number for number, frame in enumerate(frames) if frame.key_frame][1:]


def test_the_background_does_not_pulse(film: tuple[np.ndarray, np.ndarray, list[int]]):
    _, shown, keys = film
    corner = shown[:, :CORNER, :CORNER].astype(int)
    moved = np.abs(np.diff(corner, axis=0)).mean(axis=(1, 2, 3))
    at_keys = moved[[key - 1 for key in keys]]
    assert keys == [140, 280]
    assert at_keys.max() < moved.mean() + 0.3


def test_what_moves_is_as_sharp_as_ever(film: tuple[np.ndarray, np.ndarray, list[int]]):
    given, shown, keys = film
    away = np.abs(shown.astype(int) - given)[:, 52:76, 52:76].mean(axis=(1, 2, 3))
    assert away[keys].max() < away.mean() + 1
