"""Random light and background of a clip.

One shadowed key light, one fill light from the other side, a four-term ambient; backgrounds are
gradients or blurred rooms. Nothing here knows the person.

Flow: **lighting** -> renderer -> factory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Light:
    """The light of one clip; directions are unit vectors to the light, colors linear RGB.

    key_direction, key_color: the light that casts shadows
    fill_direction, fill_color: from the other side, no shadow
    ambient: [4, 3] constant, x, y and z terms of the light from all around
    """

    key_direction: np.ndarray
    key_color: np.ndarray
    fill_direction: np.ndarray
    fill_color: np.ndarray
    ambient: np.ndarray

    def __post_init__(self) -> None:
        if self.ambient.shape != (4, 3):
            raise ValueError(f"ambient: got shape {self.ambient.shape}, expected (4, 3)")


def make_light(
    azimuth: float,
    elevation: float,
    key: float,
    fill: float,
    ambient: float,
    warmth: float,
    fill_turn: float = 1.8,
    sideways: float = 0.0,
) -> Light:
    """Light from angles (radians, 0 is the camera's side), strengths, and warmth in -1..1."""
    flat = np.cos(elevation)
    direction = np.array([np.sin(azimuth) * flat, np.sin(elevation), np.cos(azimuth) * flat])
    other = azimuth + np.sign(-azimuth + 1e-3) * fill_turn
    opposite = np.array([np.sin(other), 0.25, np.cos(other)])
    cold = np.array([1 - 0.06 * warmth, 1, 1 + 0.08 * warmth])
    return Light(
        key_direction=direction,
        key_color=key * np.array([1 + 0.10 * warmth, 1, 1 - 0.12 * warmth]),
        fill_direction=opposite / np.linalg.norm(opposite),
        fill_color=fill * np.array([1 - 0.08 * warmth, 1, 1 + 0.1 * warmth]),
        ambient=np.array(
            [ambient * cold, sideways * cold, (0.22 * ambient) * cold + 0.02, 0.12 * ambient * cold]
        ),
    )


def sample_light(rng: np.random.Generator) -> Light:
    """A random but presentable light: key within 57 degrees of the camera, 9 to 50 degrees up."""
    return make_light(
        azimuth=rng.uniform(-1.0, 1.0),
        elevation=rng.uniform(0.15, 0.9),
        key=rng.uniform(0.75, 1.25),
        fill=rng.uniform(0.15, 0.6),
        ambient=rng.uniform(0.4, 0.75),
        warmth=rng.uniform(-1, 1),
        fill_turn=rng.uniform(1.3, 2.4),
        sideways=rng.uniform(-0.12, 0.12),
    )


def sample_background(rng: np.random.Generator, size_px: int = 256) -> np.ndarray:
    """A random background [size, size, 3] in 0..1: plain, a blurred room, or a busy sharp one."""
    y, x = np.mgrid[0:size_px, 0:size_px] / size_px
    first = rng.uniform(0.1, 0.9) + rng.uniform(-0.08, 0.08, 3)
    second = first * rng.uniform(0.5, 1.1)
    ramp = x * rng.uniform(-1, 1) + y * rng.uniform(0, 1)
    ramp = ((ramp - ramp.min()) / (np.ptp(ramp) + 1e-6))[..., None]
    picture = first * (1 - ramp) + second * ramp
    kind = rng.choice(["plain", "room", "busy"], p=[0.25, 0.45, 0.3])
    if kind == "room":
        picture = _add_room(rng, picture, x, y)
    elif kind == "busy":
        picture = _add_clutter(rng, picture)
    return np.clip(picture + rng.normal(0, 0.006, picture.shape), 0, 1)


def _add_room(
    rng: np.random.Generator, picture: np.ndarray, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    size_px = len(picture)
    blots = _blots(rng, 6, size_px, 0.2)
    picture = picture * (0.75 + 0.5 * blots * rng.uniform(0.4, 1.1))
    for _ in range(rng.integers(2, 6)):  # soft boxes: windows, shelves, doors out of focus
        left, width = rng.uniform(0, 1), rng.uniform(0.04, 0.3)
        top, height = rng.uniform(-0.2, 0.6), rng.uniform(0.3, 1.0)
        soft = rng.uniform(0.015, 0.05)
        across = 1 / (1 + np.exp(-((width / 2 - abs(x - left)) / soft)))
        along = 1 / (1 + np.exp(-((height / 2 - abs(y - top)) / soft)))
        mask = (0.6 * across * along)[..., None]
        color = rng.uniform(0.1, 0.85) + rng.uniform(-0.12, 0.12, 3)
        picture = picture * (1 - mask) + mask * color
    return picture


def _add_clutter(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Shelves, foliage, writing: what stands in focus behind people in photographs."""
    size_px = len(picture)
    for cells in (12, 40, 110):  # leaves, from large to small
        blots = _blots(rng, cells, size_px, 0.3)
        picture = picture * (1 + rng.uniform(0, 0.8) * blots)
    for _ in range(rng.integers(5, 50)):
        left, top = rng.integers(-size_px // 8, size_px, 2)
        width, height = (size_px * rng.uniform(0.02, 0.25, 2)).astype(int)
        place = picture[max(top, 0) : top + height, max(left, 0) : left + width]
        color = rng.uniform(0.05, 0.95) + rng.uniform(-0.2, 0.2, 3)
        place += (color - place) * rng.uniform(0.3, 1.0)
    return picture


def _blots(rng: np.random.Generator, cells: int, size_px: int, colored: float) -> np.ndarray:
    """Smooth noise of ``cells`` along a side: [size, size, 3] in -0.5..0.5, mostly gray."""
    gray, color = rng.random((cells, cells, 1)), rng.random((cells, cells, 3))
    noise = Image.fromarray(((gray * (1 - colored) + color * colored) * 255).astype(np.uint8))
    return np.asarray(noise.resize((size_px, size_px), Image.Resampling.BICUBIC)) / 255 - 0.5
