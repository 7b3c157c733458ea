"""Is the border of what moves in a whole picture seen? Frames against the picture at rest.

Letters: F frames, H x W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flashtalk.inputs.still import Still

RIM = 1 / 16
"""Of the square's side: how far from its border what is seen belongs to the border."""


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
    height, width = still.pixels.shape[:2]
    square = still.square
    left, top, right, bottom = square.missing_px(width, height)
    rows = slice(square.top_px + top, square.bottom_px - bottom)
    columns = slice(square.left_px + left, square.right_px - right)
    outside = np.ones((height, width), bool)
    outside[rows, columns] = False
    away = np.abs(frames[:, outside].astype(np.int16) - still.pixels[outside]).max(initial=0)
    if not any(still.pinned):
        return Border(float("nan"), float("nan"), float(away))
    own = _steps(still.pixels[None], still)
    seen = _steps(frames, still)
    seam = (seen[0] / max(own[0], 1e-3)) / (seen[1] / max(own[1], 1e-3))
    near, inner = _areas(still)
    change = np.abs(np.diff(frames.astype(np.float32), axis=0)).mean(axis=(0, 3))
    return Border(seam, float(change[near].mean() / max(change[inner].mean(), 1e-6)), float(away))


def _steps(pictures: np.ndarray, still: Still) -> tuple[float, float]:
    """Mean difference of neighbors across the pinned sides of the square, and inside it."""
    pixels = pictures.astype(np.float32)
    height, width = pixels.shape[1:3]
    square = still.square
    rows = slice(max(0, square.top_px), min(height, square.bottom_px))
    columns = slice(max(0, square.left_px), min(width, square.right_px))
    left, top, right, bottom = still.pinned
    across = []
    for pinned, at in ((left, square.left_px), (right, square.right_px)):
        if pinned:
            across.append(np.abs(pixels[:, rows, at] - pixels[:, rows, at - 1]).ravel())
    for pinned, at in ((top, square.top_px), (bottom, square.bottom_px)):
        if pinned:
            across.append(np.abs(pixels[:, at, columns] - pixels[:, at - 1, columns]).ravel())
    inner = pixels[:, rows, columns]
    inside = np.abs(np.diff(inner, axis=1)).mean() + np.abs(np.diff(inner, axis=2)).mean()
    return float(np.concatenate(across).mean()), float(inside / 2)


def _areas(still: Still) -> tuple[np.ndarray, np.ndarray]:
    """[H, W] bool each: the rim of the square along its pinned sides, and the rest of it."""
    height, width = still.pixels.shape[:2]
    square = still.square
    rim = max(1, round(RIM * min(square.width_px, square.height_px)))
    left, top, right, bottom = (rim * pinned for pinned in still.pinned)
    inside, inner = np.zeros((2, height, width), bool)
    first_row, first_column = max(0, square.top_px), max(0, square.left_px)
    inside[first_row : square.bottom_px, first_column : square.right_px] = True
    inner[
        first_row + top : square.bottom_px - bottom, first_column + left : square.right_px - right
    ] = True
    return inside & ~inner, inner
