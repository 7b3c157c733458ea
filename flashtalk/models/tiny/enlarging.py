"""Pictures of another size than the networks': their warp, applied to a larger portrait.

Super-resolution with a reference. Motion and paint are made at the size of the networks. The
portrait's own detail is fetched from where a frame fetched its pixels::

    detail  = large portrait(enlarged places) - enlarged(fetched)
    picture = enlarged(frame) + share * detail

Paint and color match are in the frame. Where paint covers the portrait, the share of its
detail is 0: no open eye shines through shut lids. OpenCV samples pictures in a twentieth of
PyTorch's time. What of a frame lies beyond the picture is not enlarged. Letters: F frames, h x w
pixels of what is shown of a frame, H x W of a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flashtalk.inputs.still import Span
from flashtalk.models.tiny.large_portrait import LargePortrait
from flashtalk.models.tiny.maps import identity_grid
from flashtalk.models.tiny.origin import FETCHED, PLACE, SHARE

HALF = 127.5  # of 255: half the range of a picture
CHANGED = (12.0, 50.0)  # of a pixel, of 255: its detail begins to go, is gone
CHANGE_REACH = 5  # pixels of a frame, the side of the square over which a change is averaged
CUBIC_REACH = 2  # pixels around one that a cubic enlargement looks at


def enlarge(video: Tensor, origins: Tensor, large: LargePortrait) -> NDArray[np.uint8]:
    """Video [1, 3, F, height, width] in [-1, 1] -> pictures [F, H, W, 3] of what is shown, 0..255.

    ``origins`` [F, 6, height, width] is what of the frames was the portrait's when they were
    decoded (:mod:`~.origin`).
    """
    height, width = origins.shape[2:]
    rows, columns = large.place.shown(height, width)
    home = np.ascontiguousarray(identity_grid(origins)[0, rows, columns].cpu().numpy())
    video, origins = video[..., rows, columns], origins[..., rows, columns]
    small, part = _painted((origins[:, SHARE] < 1.0).any(dim=0)[0].cpu().numpy(), large)
    frames = video[0].transpose(0, 1).cpu().numpy()
    pictures = np.empty((len(frames), *large.home.shape[:2], 3), np.uint8)
    free = large.freedom(width, height)
    # picture by picture: all of one stays in the processor's cache
    for picture, frame, origin in zip(pictures, frames, origins.cpu().numpy(), strict=True):
        frame, fetched, places = map(_merged, (frame, origin[FETCHED], origin[PLACE]))
        offset = places - home
        warped = large.warped(offset if free is None else offset * free)
        # without paint a picture is the warped portrait, and what the match has added
        added = cv2.addWeighted(frame, HALF, fetched, -HALF, 0.0, dtype=cv2.CV_16S)
        if free is not None:
            added = np.rint(added * free).astype(np.int16)
        cv2.add(warped, large.spread(added), picture, dtype=cv2.CV_8U)
        if frame[small].size:
            frame, fetched = (HALF * (each[small] + 1.0) for each in (frame, fetched))
            spread = partial(large.spread_part, small=small, part=part, frame=home.shape[1::-1])
            painted = with_detail(frame, fetched, origin[SHARE][0][small], warped[part], spread)
            if free is not None:  # less paint where less moves
                share = spread(free[small], border=cv2.BORDER_CONSTANT)[..., None]
                painted = np.rint(picture[part] + share * (painted - picture[part]))
            picture[part] = painted
        large.pin(picture)
    return pictures


def with_detail(
    frame: np.ndarray,
    fetched: np.ndarray,
    share: np.ndarray,
    warped: np.ndarray,
    spread: Callable[[np.ndarray], np.ndarray],
) -> NDArray[np.float32]:
    """Colors [H, W, 3] of a frame, and the detail of ``warped`` [H, W, 3] where nothing covers it.

    ``frame`` and what it has ``fetched`` are [h, w, 3], the ``share`` of that is [h, w]. ``spread``
    makes H x W pixels of h x w.
    """
    red, green, blue = cv2.split(cv2.absdiff(frame, fetched))
    change = cv2.blur(cv2.max(cv2.max(red, green), blue), (CHANGE_REACH, CHANGE_REACH))
    start, end = CHANGED
    share = share * (1.0 - ((change - start) / (end - start)).clip(0.0, 1.0))
    frame, fetched, share = map(spread, (frame, fetched, share))
    return np.rint(frame + share[..., None] * (warped - fetched)).clip(0.0, 255.0)


def _painted(painted: np.ndarray, large: LargePortrait) -> tuple[Span, Span]:
    """Where ``painted`` [h, w] bool is true, and the part of pictures around it."""
    if not large.place.turn_deg:
        return painted_box(painted, large.size)
    frame = painted.shape[1], painted.shape[0]
    small, _ = painted_box(painted, frame)
    return small, large.part_of(small, frame)


def painted_box(painted: np.ndarray, size: tuple[int, int]) -> tuple[Span, Span]:
    """Where ``painted`` [h, w] bool is true, and the same place in a picture of ``size`` (W, H)."""
    left, top, width, height = cv2.boundingRect(painted.astype(np.uint8))
    rows, large_rows = _span(top, height, painted.shape[0], size[1])
    columns, large_columns = _span(left, width, painted.shape[1], size[0])
    return (rows, columns), (large_rows, large_columns)


def _span(start: int, length: int, count: int, large_count: int) -> Span:
    """``length`` of ``count`` pixels from ``start`` on, and the same of ``large_count`` pixels.

    A few more where an enlargement looks at them, or where a large pixel would be cut.
    """
    if not length:
        return slice(0, 0), slice(0, 0)
    step = count // math.gcd(count, large_count)
    stop = min(count, -(-(start + length + CUBIC_REACH) // step) * step)
    start = max(0, (start - CUBIC_REACH) // step * step)
    return slice(start, stop), slice(start * large_count // count, stop * large_count // count)


def _merged(planes: np.ndarray) -> np.ndarray:
    """[D, h, w] -> [h, w, D]."""
    return cv2.merge(list(planes))
