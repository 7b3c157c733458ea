"""The whole picture of a person: all of it stands still but the square around the face.

The networks see that square. What they make of it is put back into the picture. Where the picture
goes on beyond the square, the square's edge is pinned: nothing moves there. Used by
:mod:`flashtalk.inputs.portrait`; :mod:`flashtalk.stream.finisher` puts squares back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flashtalk.inputs.cutting import cut, turned_with_matrix
from flashtalk.inputs.faces import Face
from flashtalk.inputs.framing import Crop, part_of

BLOCKS = 16
"""Along a side of a frame. Those that lie beyond a picture are not made at its size."""
STEP_PX = BLOCKS
"""A square's side is a multiple of it, so that its pixels and those of frames meet often."""

Sides = tuple[bool, bool, bool, bool]
"""Left, top, right, bottom."""
NO_SIDES: Sides = (False, False, False, False)
Span = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True)
class Place:
    """How frames lie in a picture of what moves: they fill it, or lie in it turned."""

    pinned: Sides = NO_SIDES
    """On which sides of a frame nothing moves, since a still picture goes on there."""
    turn_deg: float = 0.0
    """Counterclockwise turn that makes the picture upright. A frame's corners then touch its sides.
    """
    beyond: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Blocks of a frame, of ``BLOCKS``, beyond the picture: left, top, right, bottom."""

    def shown(self, height: int, width: int) -> Span:
        """The other rows and columns of a map of a frame."""
        left, top, right, bottom = self.beyond
        row, column = height // BLOCKS, width // BLOCKS
        return slice(top * row, height - bottom * row), slice(left * column, width - right * column)

    @property
    def rotation(self) -> NDArray[np.float64]:
        """[2, 2] from a way in frames to one in the picture, both in shares of their sides."""
        cosine, sine = _cosine_sine(self.turn_deg)
        return np.array([[cosine, -sine], [sine, cosine]]) / (abs(cosine) + abs(sine))

    def matrix(self, frame: tuple[int, int], picture: tuple[int, int]) -> NDArray[np.float64]:
        """[2, 3] from pixels of a frame to those of the picture, both (width, height)."""
        here, there = (np.array(size, np.float64) for size in (frame, picture))
        linear = self.rotation * there[:, None] / here
        return np.column_stack((linear, (there - 1) / 2 - linear @ ((here - 1) / 2)))


FILLING = Place()


@dataclass(frozen=True, eq=False)
class Still:
    """A picture, and the square of it that moves."""

    pixels: NDArray[np.uint8]
    """[H, W, 3] RGB."""
    square: Crop
    """Where the networks' frames lie; it may reach beyond the picture."""
    turn_deg: float = 0.0
    """How they are turned in it."""

    @property
    def place(self) -> Place:
        """How frames lie in the square, which is pinned where the picture goes on."""
        if self.turn_deg:
            return Place((True,) * 4, self.turn_deg)
        height, width = self.pixels.shape[:2]
        square = self.square
        sides = square.left_px, square.top_px, width - square.right_px, height - square.bottom_px
        left, top, right, bottom = (room > 0 for room in sides)
        column, row = square.width_px // BLOCKS, square.height_px // BLOCKS
        lost = square.missing_px(width, height)
        beyond = lost[0] // column, lost[1] // row, lost[2] // column, lost[3] // row
        return Place((left, top, right, bottom), beyond=beyond)

    def around(self, squares: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What the place shows of the square [F, h, w, 3] -> whole pictures [F, H, W, 3]."""
        height, width = self.pixels.shape[:2]
        rows, columns = self.place.shown(self.square.height_px, self.square.width_px)
        top, left = self.square.top_px + rows.start, self.square.left_px + columns.start
        bottom, right = top + squares.shape[1], left + squares.shape[2]
        pictures = np.empty((len(squares), *self.pixels.shape), np.uint8)
        pictures[:] = self.pixels
        inside = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
        pictures[:, *inside] = squares[
            :,
            inside[0].start - top : inside[0].stop - top,
            inside[1].start - left : inside[1].stop - left,
        ]
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
    moving = part_of(picture.size, speaker, width_px, height_px)
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
    area = part_of(size, face, width_px, height_px)
    width, height = _in_steps(area.width_px), _in_steps(area.height_px)
    left = area.left_px - (width - area.width_px) // 2
    top = area.top_px - (height - area.height_px) // 2
    return Crop(left, top, width, height)


def cut_view(
    picture: Image.Image, view: Crop, part: Crop, size: tuple[int, int]
) -> tuple[Image.Image, Crop, Image.Image]:
    """The ``view`` of ``picture`` at ``size``, where the ``part`` lies that moves, and its pixels.

    Both are cut from one enlargement. So they agree to the pixel, and what lies beside the view
    moves into it.
    """
    across, down = size[0] / view.width_px, size[1] / view.height_px
    width, height = _in_steps(across * part.width_px), _in_steps(down * part.height_px)
    middle_x = across * (part.left_px - view.left_px + part.width_px / 2)
    middle_y = down * (part.top_px - view.top_px + part.height_px / 2)
    square = Crop(round(middle_x - width / 2), round(middle_y - height / 2), width, height)
    left, top = min(0, square.left_px), min(0, square.top_px)
    right, bottom = max(size[0], square.right_px), max(size[1], square.bottom_px)
    around = Crop(
        round(view.left_px + left / across),
        round(view.top_px + top / down),
        round((right - left) / across),
        round((bottom - top) / down),
    )
    both = cut(picture, around, (right - left, bottom - top))
    image = both.crop((-left, -top, size[0] - left, size[1] - top))
    x, y = square.left_px - left, square.top_px - top
    return image, square, both.crop((x, y, x + width, y + height))


def square_around(picture: Image.Image, face: Face, width_px: int, height_px: int) -> Crop:
    """The same for a tilted ``face``: the square whose sides an upright frame's corners touch."""
    turned, upright, matrix = turned_with_matrix(picture, face)
    area = part_of(turned.size, upright, width_px, height_px)
    middle = (area.left_px + area.right_px) / 2, (area.top_px + area.bottom_px) / 2
    x, y = np.linalg.solve(matrix[:, :2], middle - matrix[:, 2])
    cosine, sine = _cosine_sine(face.roll_deg)
    larger = (abs(cosine) + abs(sine)) / math.hypot(matrix[0, 0], matrix[0, 1])
    side = _in_steps(area.width_px * larger)
    return Crop(round(x - side / 2), round(y - side / 2), side, side)


def cut_turned(
    picture: Image.Image, square: Crop, turn_deg: float, size: tuple[int, int]
) -> Image.Image:
    """The upright frame of ``size`` (width, height) in ``square``."""
    place = Place(turn_deg=turn_deg)
    wide, high = (math.ceil(side / np.abs(place.rotation[0]).max()) for side in size)
    pixels = np.asarray(cut(picture, square, (wide, high)))
    way = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    matrix = place.matrix(size, (wide, high))
    turned = cv2.warpAffine(pixels, matrix, size, flags=way, borderMode=cv2.BORDER_REPLICATE)
    return Image.fromarray(turned)


def _in_steps(side: float) -> int:
    return STEP_PX * math.ceil(side / STEP_PX)


def _cosine_sine(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
