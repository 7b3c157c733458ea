"""Which rectangle of a picture becomes the portrait: pure arithmetic, no pixels.

The embedded model was trained on head and shoulders. The head covers 0.57 to 0.85 of the height,
and the eyes are at 0.34 to 0.45 of it. Real hair needs more room than rendered hair, so the target
is toward the wide end::

    +-----------+
    |           |   0.085  top of the skull
    |   .---.   |
    |  ( o o )  |   0.41   eyes
    |   ( _ )   |
    |   '---'   |   0.735  chin
    |  /     \\  |
    +-----------+

A head elsewhere in the picture costs likeness. So :func:`frame_face` cuts this framing out and
bends it a little where the picture ends. Used by :mod:`flashtalk.inputs.portrait`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flashtalk.inputs.faces import EYES_IN_FACE, Face

# Where the detector's square sits on a head: means over rendered heads of known geometry, which
# spread by 0.01 (eyes) and 0.1 (size). The eyes are halfway between the skull's top and the chin.
HEAD_PER_FACE = 1.32  # top of the skull to chin, in sides of the square
SIZE_MARGIN = 0.05  # of the picture
HARDLY = 0.02  # of a side: so little beyond a picture's edge may be seen continued


@dataclass(frozen=True)
class Framing:
    """A head-and-shoulders framing, as fractions of a square picture's side."""

    head: float = 0.65
    """Top of the skull to chin."""
    eyes: float = 0.41
    """Height of the eyes, from the top."""
    shrink: float = 0.15
    """How much tighter the crop may get to stay inside the picture."""
    shift: float = 0.08
    """How far the crop may move to stay inside the picture."""
    head_kept: tuple[float, float] = (0.56, 0.86)
    """A picture whose head size lies in here, and its eyes too, is not cropped at all."""
    eyes_kept: tuple[float, float] = (0.33, 0.46)
    center_kept: float = 0.10
    """How far the face may be beside the middle for that."""


FRAMING = Framing()


@dataclass(frozen=True)
class Crop:
    """A rectangle in picture coordinates; it may reach beyond the picture."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int

    @property
    def right_px(self) -> int:
        return self.left_px + self.width_px

    @property
    def bottom_px(self) -> int:
        return self.top_px + self.height_px

    def missing_px(self, width_px: int, height_px: int) -> tuple[int, int, int, int]:
        """Pixels outside a picture of that size: left, top, right, bottom."""
        return (
            max(0, -self.left_px),
            max(0, -self.top_px),
            max(0, self.right_px - width_px),
            max(0, self.bottom_px - height_px),
        )


def view_of(part: Crop, width_px: int, height_px: int) -> Crop:
    """What is shown of a picture of that size where ``part`` of it speaks: never beyond its edge.

    ``part`` itself, where hardly any of it is missing. Otherwise the largest rectangle of its
    aspect that is no larger, moved into the picture as little as may be.
    """
    missing = max(part.missing_px(width_px, height_px))
    if missing <= HARDLY * min(part.width_px, part.height_px):
        return part
    scale = min(1.0, width_px / part.width_px, height_px / part.height_px)
    width, height = (max(1, round(scale * side)) for side in (part.width_px, part.height_px))
    left = part.left_px + (part.width_px - width) // 2
    top = part.top_px + round(FRAMING.eyes * (part.height_px - height))
    return Crop(
        min(max(left, 0), max(0, width_px - width)),
        min(max(top, 0), max(0, height_px - height)),
        width,
        height,
    )


def closest_size(
    width_px: int, height_px: int, sizes: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    """The (height, width) of ``sizes`` for a picture: the largest of those that suit its aspect.

    A size suits if a cover crop to it keeps almost as much of the picture as the best one. Without
    that margin a hair's breadth of aspect would choose between sharp and soft pictures.
    """

    def kept(size: tuple[int, int]) -> float:
        ratio = (size[1] / size[0]) * (height_px / width_px)
        return min(ratio, 1.0 / ratio)

    enough = max(map(kept, sizes)) - SIZE_MARGIN
    return max((size for size in sizes if kept(size) >= enough), key=math.prod)


def part_of(size: tuple[int, int], face: Face | None, width_px: int, height_px: int) -> Crop:
    """The part of a picture of ``size`` that has the aspect of a frame: its middle, or a face."""
    aspect = width_px / height_px
    return cover(*size, aspect) if face is None else frame_face(*size, face, aspect)


def cover(width_px: int, height_px: int, aspect: float) -> Crop:
    """The largest centered rectangle of ``aspect`` = width / height; portraits lean upward."""
    if width_px > height_px * aspect:
        width = max(1, round(height_px * aspect))
        return Crop((width_px - width) // 2, 0, width, height_px)
    height = max(1, min(height_px, round(width_px / aspect)))
    # Heads are in the upper part of a tall picture.
    return Crop(0, (height_px - height) // 3, width_px, height)


def frame_face(width_px: int, height_px: int, face: Face, aspect: float) -> Crop:
    """The crop of ``aspect`` = width / height that gives ``face`` the wanted framing.

    The whole picture (cover crop) if it already has that framing. Otherwise the ideal crop; where
    it leaves the picture it is first shrunk, then moved, both within the framing's limits. What
    is still missing after that is filled for the networks, and not shown (:func:`view_of`).
    """
    head_px = HEAD_PER_FACE * face.side_px
    eyes_px = face.top_px + EYES_IN_FACE * face.side_px
    whole = cover(width_px, height_px, aspect)
    if _is_framed(whole, face.center_x_px, eyes_px, head_px):
        return whole

    side = head_px / FRAMING.head
    width, height = side * max(1.0, aspect), side / min(1.0, aspect)
    fit = min(1.0, max(1.0 - FRAMING.shrink, min(width_px / width, height_px / height)))
    width, height = width * fit, height * fit
    left = _inside(face.center_x_px - width / 2, width, width_px)
    top = _inside(eyes_px - FRAMING.eyes * height, height, height_px)
    return _rounded(left, top, width, height, width_px, height_px)


def _is_framed(crop: Crop, center_px: float, eyes_px: float, head_px: float) -> bool:
    short = min(crop.width_px, crop.height_px)
    center = (center_px - crop.left_px) / crop.width_px
    eyes = (eyes_px - crop.top_px) / crop.height_px
    return (
        FRAMING.head_kept[0] <= head_px / short <= FRAMING.head_kept[1]
        and FRAMING.eyes_kept[0] <= eyes <= FRAMING.eyes_kept[1]
        and abs(center - 0.5) <= FRAMING.center_kept
    )


def _inside(start: float, length: float, limit: float) -> float:
    """Moves [start, start + length] toward [0, limit], as far as the framing may be shifted."""
    low, high = sorted((0.0, limit - length))
    wanted = min(max(start, low), high)
    most = FRAMING.shift * length
    return start + min(max(wanted - start, -most), most)


def _rounded(
    left: float, top: float, width: float, height: float, width_px: int, height_px: int
) -> Crop:
    """Whole pixels; rounding alone never pushes a crop out of the picture."""
    columns, rows = max(1, round(width)), max(1, round(height))
    column, row = round(left), round(top)
    column = min(column, max(width_px - columns, column - 1))
    row = min(row, max(height_px - rows, row - 1))
    return Crop(column, row, columns, rows)
