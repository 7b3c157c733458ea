"""Is the border of what moves in a whole picture seen? Frames against the picture at rest.

Letters: F frames, H x W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from flashtalk.inputs.still import Still

RIM = 1 / 16
"""Of the square's side: how far from its border what is seen belongs to the border."""
_FRAME_PX = (256, 256)


@dataclass(frozen=True)
class Border:
    """The border of a moving square over its inside; 1 and less is not seen. NaN without one."""

    seam: float
    """Difference of neighbors across the border over that inside, each over the picture's own."""
    motion: float
    """Difference of frames that follow each other, near the border over farther inside."""
    still: float
    """Largest difference to the picture outside the square, of 255."""


def border_of(frames: np.ndarray, still: Still) -> Border:
    """The :class:`Border` of ``frames`` [F, H, W, 3] uint8 of ``still``, whose square moves."""
    moving = moving_in(still)
    outside = ~moving
    away = np.abs(frames[:, outside].astype(np.int16) - still.pixels[outside]).max(initial=0)
    rim = max(1, round(RIM * min(still.square.width_px, still.square.height_px)))
    # what is beyond the picture counts as moving: there is no border
    cross = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * rim + 1, 2 * rim + 1))
    inner = cv2.erode(moving.astype(np.uint8), cross, borderValue=1).astype(bool)
    near = moving & ~inner
    if not near.any():
        return Border(float("nan"), float("nan"), float(away))
    own, seen = (_steps(pictures, moving) for pictures in (still.pixels[None], frames))
    seam = (seen[0] / max(own[0], 1e-3)) / (seen[1] / max(own[1], 1e-3))
    change = np.abs(np.diff(frames.astype(np.float32), axis=0)).mean(axis=(0, 3))
    return Border(seam, float(change[near].mean() / max(change[inner].mean(), 1e-6)), float(away))


def moving_in(still: Still) -> np.ndarray:
    """[H, W] bool: the frame's part of ``still``, which may lie in its square turned."""
    height, width = still.pixels.shape[:2]
    square = still.square
    matrix = still.place.matrix(_FRAME_PX, (square.width_px, square.height_px))
    matrix[:, 2] += square.left_px, square.top_px
    # from the picture's pixels to the frame's, whose own begin and end half a pixel beside them
    back = cv2.invertAffineTransform(matrix)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    places = back @ np.stack((columns.ravel(), rows.ravel(), np.ones(height * width)))
    inside = (places > -0.5) & (places < np.array(_FRAME_PX)[:, None] - 0.5)
    return inside.all(axis=0).reshape(height, width)


def _steps(pictures: np.ndarray, moving: np.ndarray) -> tuple[float, float]:
    """Mean difference of neighbors across the border of what is ``moving``, and inside it."""
    sums, counts = np.zeros(2), np.zeros(2)
    for axis in (0, 1):
        first, second = np.delete(moving, -1, axis), np.delete(moving, 0, axis)
        step = np.abs(np.diff(pictures.astype(np.float32), axis=1 + axis)).mean(axis=(0, 3))
        for index, pairs in enumerate((first != second, first & second)):
            sums[index] += step[pairs].sum()
            counts[index] += pairs.sum()
    across, inside = sums / np.maximum(counts, 1)
    return float(across), float(inside)
