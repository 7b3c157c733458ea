"""Pixels of a rectangle of a picture, of a turned picture, and of what lies beyond its edge.

Used by :mod:`flashtalk.inputs.portrait`; which rectangle is the work of
:mod:`flashtalk.inputs.framing`.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flashtalk.inputs.faces import Face, find_faces
from flashtalk.inputs.framing import Crop

_EXACT_DEG = 12.0  # a roll this close to a quarter turn is one
_AROUND = 5.0  # sides of the face that are kept around it; a framing has about two
_TURNED_SIDE_PX = 1_400
_BLUR_SIDE_PX = 256
_QUARTERS = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}


def cut(picture: Image.Image, area: Crop, size: tuple[int, int]) -> Image.Image:
    """The pixels of ``area`` at ``size`` = (width, height).

    Beyond the picture, its edge is continued and blurred. The blur runs at ``size``. One that grows
    with the picture takes work with the fourth power of its side.
    """
    left, top, right, bottom = area.missing_px(*picture.size)
    inside = picture.crop(
        (area.left_px + left, area.top_px + top, area.right_px - right, area.bottom_px - bottom)
    )
    if not (left or top or right or bottom):
        return inside.resize(size, Image.Resampling.LANCZOS)
    across, down = size[0] / area.width_px, size[1] / area.height_px
    box = [
        min(round(left * across), size[0] - 1),
        min(round(top * down), size[1] - 1),
        size[0] - round(right * across),
        size[1] - round(bottom * down),
    ]
    box[2:] = max(box[2], box[0] + 1), max(box[3], box[1] + 1)
    known = np.asarray(inside.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.LANCZOS))
    margins = (box[1], size[1] - box[3], box[0], size[0] - box[2])
    filled = cv2.copyMakeBorder(known, *margins, cv2.BORDER_REPLICATE)
    outside = np.ones(filled.shape[:2], np.uint8)
    outside[box[1] : box[3], box[0] : box[2]] = 0
    return Image.fromarray(soften(filled, outside))


def soften(filled: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """``filled`` [H, W, 3] uint8, blurred where ``outside`` [H, W] is 1.

    Continued edges are streaks. Blurring grows with the distance from the picture, and the picture
    itself stays untouched.
    """
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 3)
    sigma = 0.03 * min(outside.shape)
    weight = np.clip(distance / (2 * sigma), 0, 1)[..., None]
    blurred = _blurred(filled, sigma)
    return np.round(filled + weight * (blurred - filled)).astype(np.uint8)


def _blurred(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """[H, W, 3] float32; in a large picture the blur is computed in a small one."""
    scale = min(1.0, _BLUR_SIDE_PX / min(pixels.shape[:2]))
    small = pixels.astype(np.float32) if scale == 1.0 else _resized(pixels, scale)
    blurred = cv2.GaussianBlur(small, (0, 0), sigma * scale)
    return cv2.resize(blurred, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _resized(pixels: np.ndarray, scale: float) -> np.ndarray:
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32)


def turn_upright(picture: Image.Image, face: Face) -> tuple[Image.Image, Face]:
    """``picture`` turned until ``face`` is upright, and where that face is then.

    Near quarter turns turn the whole picture. Others keep what is around the face, and continue
    the picture's edge into the corners.
    """
    turned, upright, _ = turned_with_matrix(picture, face)
    return turned, upright


def turned_with_matrix(
    picture: Image.Image, face: Face
) -> tuple[Image.Image, Face, NDArray[np.float64]]:
    """As :func:`turn_upright`, with the matrix [2, 3] from old to new places."""
    if near_quarter(face.roll_deg):
        turned, matrix = _by_quarters(picture, round(face.roll_deg / 90.0) % 4)
    else:
        turned, matrix = _by_angle(picture, face)
    x, y = matrix @ (face.center_x_px, face.center_y_px, 1.0)
    side = face.side_px * math.hypot(matrix[0, 0], matrix[0, 1])
    expected = Face(float(x) - side / 2, float(y) - side / 2, side, face.score)
    seen = find_faces(np.asarray(turned))
    return turned, max(seen, key=expected.overlap, default=expected), matrix


def near_quarter(degrees: float) -> bool:
    """Whether a turn by so much is made by quarters: no pixel is computed anew."""
    return abs(degrees - 90.0 * round(degrees / 90.0)) <= _EXACT_DEG


def _by_quarters(picture: Image.Image, quarters: int) -> tuple[Image.Image, np.ndarray]:
    """Turned counterclockwise, and the matrix [2, 3] from old to new places."""
    if quarters == 0:
        return picture, np.eye(2, 3)
    turned = picture.transpose(_QUARTERS[quarters])
    return turned, _turn(picture.size, turned.size, 90.0 * quarters)


def _by_angle(picture: Image.Image, face: Face) -> tuple[Image.Image, np.ndarray]:
    half = _AROUND / 2 * face.side_px
    box = (
        max(0, round(face.center_x_px - half)),
        max(0, round(face.center_y_px - half)),
        min(picture.width, round(face.center_x_px + half)),
        min(picture.height, round(face.center_y_px + half)),
    )
    part = picture.crop(box)
    scale = min(1.0, _TURNED_SIDE_PX / max(part.size))
    part = part.resize([max(1, round(side * scale)) for side in part.size], Image.Resampling.BOX)
    angle = math.radians(face.roll_deg)
    sine, cosine = abs(math.sin(angle)), abs(math.cos(angle))
    size = (
        math.ceil(part.width * cosine + part.height * sine),
        math.ceil(part.width * sine + part.height * cosine),
    )
    matrix = _turn(part.size, size, face.roll_deg)
    filled = cv2.warpAffine(
        np.asarray(part), matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    inside = cv2.warpAffine(np.full(part.size[::-1], 255, np.uint8), matrix, size)
    turned = Image.fromarray(soften(filled, (inside < 128).astype(np.uint8)))
    into_part = np.array([[scale, 0, -box[0] * scale], [0, scale, -box[1] * scale], [0, 0, 1]])
    return turned, matrix @ into_part


def _turn(old: tuple[int, int], new: tuple[int, int], degrees: float) -> np.ndarray:
    """[2, 3]: a counterclockwise turn of a picture of size ``old`` about its middle."""
    matrix = cv2.getRotationMatrix2D((old[0] / 2, old[1] / 2), degrees, 1.0)
    matrix[0, 2] += (new[0] - old[0]) / 2
    matrix[1, 2] += (new[1] - old[1]) / 2
    return matrix
