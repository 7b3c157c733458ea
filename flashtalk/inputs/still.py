"""The whole picture of a person: all of it stands still but the square around the face.

The networks see that square. What they make of it is put back into the picture. Where the picture
goes on beyond the square, the square's edge is pinned: nothing moves there. Used by
:mod:`flashtalk.inputs.portrait`; :class:`flashtalk.stream.finisher.Finisher` puts squares back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flashtalk.inputs.faces import Face
from flashtalk.inputs.framing import Crop, Framing, part_of

FRAMING = Framing()
STEP_PX = 16
"""A square's side is a multiple of it, so that its pixels and those of frames meet often."""

Sides = tuple[bool, bool, bool, bool]
"""Left, top, right, bottom."""
NO_SIDES: Sides = (False, False, False, False)


@dataclass(frozen=True, eq=False)
class Still:
    """A picture, and the square of it that moves."""

    pixels: NDArray[np.uint8]
    """[H, W, 3] RGB."""
    square: Crop
    """Where the networks' frames lie; it may reach beyond the picture."""

    @property
    def pinned(self) -> Sides:
        """On which sides of the square the picture goes on."""
        height, width = self.pixels.shape[:2]
        square = self.square
        return (
            square.left_px > 0,
            square.top_px > 0,
            square.right_px < width,
            square.bottom_px < height,
        )

    def around(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Pictures of the square [F, h, w, 3] -> whole pictures [F, H, W, 3]."""
        height, width = self.pixels.shape[:2]
        left, top, right, bottom = self.square.missing_px(width, height)
        inner = squares[
            :, top : self.square.height_px - bottom, left : self.square.width_px - right
        ]
        pictures = np.empty((len(squares), *self.pixels.shape), np.uint8)
        pictures[:] = self.pixels
        row, column = self.square.top_px + top, self.square.left_px + left
        pictures[:, row : row + inner.shape[1], column : column + inner.shape[2]] = inner
        return pictures


@dataclass(frozen=True)
class Bounds:
    """How large a whole picture may be."""

    longest_px: int
    """Of its long side."""
    square_px: int
    """About, of the long side of the part that moves."""


def fitted(
    picture: Image.Image,
    speaker: Face | None,
    faces: Sequence[Face],
    width_px: int,
    height_px: int,
    bounds: Bounds,
) -> tuple[Image.Image, Face | None, list[Face]]:
    """``picture`` within ``bounds``, and the same faces in it; frames are width x height.

    No picture is made larger. Sides are even, as video wants them.
    """
    moving = part_of(picture.size, speaker, width_px, height_px, FRAMING)
    scale = min(
        1.0,
        bounds.longest_px / max(picture.size),
        bounds.square_px / max(moving.width_px, moving.height_px),
    )
    if scale == 1.0:
        width, height = (max(2, side // 2 * 2) for side in picture.size)
        return picture.crop((0, 0, width, height)), speaker, [*faces]
    width, height = (max(2, 2 * round(scale * side / 2)) for side in picture.size)
    small = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)

    def scaled(face: Face) -> Face:
        left, top, side = (scale * each for each in (face.left_px, face.top_px, face.side_px))
        return replace(face, left_px=left, top_px=top, side_px=side)

    seen = [scaled(face) for face in faces]
    return small, speaker and seen[[*faces].index(speaker)], seen


def square_of(size: tuple[int, int], face: Face | None, width_px: int, height_px: int) -> Crop:
    """The part of a picture of ``size`` that moves, for frames of width x height."""
    area = part_of(size, face, width_px, height_px, FRAMING)
    width, height = (-(-side // STEP_PX) * STEP_PX for side in (area.width_px, area.height_px))
    left = area.left_px - (width - area.width_px) // 2
    top = area.top_px - (height - area.height_px) // 2
    return Crop(left, top, width, height)
