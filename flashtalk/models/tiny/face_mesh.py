"""Landmarks of one face in one picture, by MediaPipe's face mesh, run by OpenCV.

The network ships in the assets (NOTICE names its source). It has learned from photographs, which
the project's own landmark network has never seen. Used by
:mod:`flashtalk.models.tiny.landmark_choice`. It looks at a square around a face, and the square
around what it finds is a better one. Letters: L landmarks, H x W pixels.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from flashtalk.assets import ASSETS, checked_bytes
from flashtalk.inputs.faces import Face
from flashtalk.models.tiny.face_code import LANDMARKS

FACE_MESH = ASSETS / "face_mesh" / "face_landmark.tflite"
_SHA256 = "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"
_POINTS, _PRESENCE = "conv2d_21", "conv2d_31"  # outputs: 468 x 3 places, and a logit
_SIDE_PX = 192

_MESH = {
    "left_mouth_corner": (291, 0.016, 0.004),
    "right_mouth_corner": (61, 0.010, -0.010),
    "outer_upper_lip": (0, -0.001, 0.010),
    "outer_lower_lip": (17, -0.003, 0.023),
    "inner_upper_lip": (13, 0.000, 0.009),
    "inner_lower_lip": (14, 0.000, 0.009),
    "nose_tip": (1, 0.001, -0.022),
    "chin": (152, 0.001, -0.018),
    "left_eye_outer": (263, 0.033, 0.019),
    "left_eye_inner": (362, 0.031, 0.004),
    "left_eye_upper": (386, -0.022, 0.010),
    "left_eye_lower": (374, 0.001, 0.007),
    "left_brow": (334, -0.064, 0.000),
    "right_eye_outer": (33, -0.032, 0.010),
    "right_eye_inner": (133, -0.031, 0.000),
    "right_eye_upper": (159, 0.018, 0.004),
    "right_eye_lower": (145, -0.003, -0.002),
    "right_brow": (105, 0.067, 0.010),
}
"""Which of the 468 points a landmark is, and how far right of it and below it the renderer has it.

Medians over renders, in distances of the outer corners of the eyes. Inner lips share theirs: lips
that touch stay together.
"""
_INDICES = [_MESH[name][0] for name in LANDMARKS]
_OFFSETS = np.array([_MESH[name][1:] for name in LANDMARKS])
_EYES = [33, 263]  # outer corners, from left to right in the picture

PRESENT = 0.5  # how sure the mesh has to be that there is a face
# Of the mesh's square over the detector's. The first of each is the usual one; in the others a
# turned, shouting or tilted face may be found that it loses.
_SIDES_PER_FACE, _ROLLS_DEG = (1.5, 1.2, 1.9), (0.0, -20.0, 20.0)
_SETTLING_RUNS = 3  # each begins with the square around what the last one found
# The network expects one and a half times the upright square around all 468 points. By the 18
# landmarks, over 81 photographs:
_SIDE_PER_EXTENT = 1.83
_RAISED = 0.055  # of the side, above the middle of their extent

_THREAD = threading.local()


@dataclass(frozen=True)
class Square:
    """A square of a picture, level with the eyes of the face in it."""

    center_px: np.ndarray
    """[2] x, y; the picture's left upper corner is 0, 0."""
    side_px: float
    roll_rad: float
    """Clockwise turn of the head in the picture."""

    def __post_init__(self) -> None:
        if not self.side_px > 0.0:
            raise ValueError(f"side_px must be above 0, got {self.side_px}")

    @classmethod
    def around(cls, points_px: np.ndarray) -> Square | None:
        """The square that belongs to a face with landmarks ``points_px`` [L, 2]; None of a dot."""
        left, right = (
            points_px[LANDMARKS.index(f"{side}_eye_outer")] for side in ("left", "right")
        )
        roll_rad = float(np.arctan2(*(left - right)[::-1]))  # the person's left is on the right
        level = points_px @ _axes(roll_rad).T
        low, high = level.min(axis=0), level.max(axis=0)
        side_px = _SIDE_PER_EXTENT * float((high - low).max())
        if side_px < 1.0:
            return None
        middle = (low + high) / 2 - np.array([0.0, _RAISED * side_px])
        return cls(middle @ _axes(roll_rad), side_px, roll_rad)

    def to_picture(self) -> np.ndarray:
        """The affine map [2, 3] from the network's input, whose corner is 0, 0, to the picture."""
        turn = _axes(self.roll_rad).T * (self.side_px / _SIDE_PX)
        return np.column_stack((turn, self.center_px - turn @ np.full(2, _SIDE_PX / 2)))


@dataclass(frozen=True)
class SeenFace:
    """What the mesh finds in a square."""

    points_px: np.ndarray
    """[L, 2] x, y, in the order of ``LANDMARKS``."""
    presence: float
    """How sure the mesh is that there is a face, 0..1."""


def read_mesh(picture: np.ndarray, square: Square) -> SeenFace:
    """Reads the face in ``square`` of ``picture`` [H, W, 3] float32 RGB, 0..1."""
    to_picture = square.to_picture()
    between_centers = to_picture.copy()
    between_centers[:, 2] += to_picture[:, :2] @ np.full(2, 0.5) - 0.5
    view = cv2.warpAffine(
        picture,
        between_centers,
        (_SIDE_PX, _SIDE_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    network = _face_mesh()
    network.setInput(np.ascontiguousarray(view.transpose(2, 0, 1)[None]))
    points, presence = network.forward([_POINTS, _PRESENCE])
    mesh = points.reshape(-1, 3)[:, :2].astype(np.float64) @ to_picture[:, :2].T + to_picture[:, 2]
    right = mesh[_EYES[1]] - mesh[_EYES[0]]
    down = np.array([-right[1], right[0]])
    found = mesh[_INDICES] + _OFFSETS @ np.stack((right, down))
    return SeenFace(found, float(1.0 / (1.0 + np.exp(-float(presence.item())))))


def settle_mesh(picture: np.ndarray, face: Face) -> np.ndarray | None:
    """Landmarks [L, 2] in pixels of a ``face`` that may be there; None without one.

    ``picture`` [H, W, 3] is float32 RGB, 0..1.
    """
    seen, steady = _settled(picture, next(_squares_of(face)))
    return seen.points_px if seen is not None and steady else None


def search_mesh(picture: np.ndarray, face: Face) -> np.ndarray | None:
    """The same for a ``face`` that the detector has found.

    The mesh may lose it on the way to a better square. Then it begins with other squares, and
    what it is most sure of is taken.
    """
    usual, *others = _squares_of(face)
    tried = [_settled(picture, usual)]
    if not tried[0][1]:
        tried += [_settled(picture, square) for square in others]
    found = [(steady, seen.presence, seen.points_px) for seen, steady in tried if seen is not None]
    return max(found, key=lambda each: each[:2])[2] if found else None


def _settled(picture: np.ndarray, square: Square) -> tuple[SeenFace | None, bool]:
    """What the mesh last found of a face, and whether it found it each time."""
    last = None
    for _ in range(_SETTLING_RUNS):
        seen = read_mesh(picture, square)
        around = Square.around(seen.points_px)
        if seen.presence < PRESENT or around is None:
            return last, False
        last, square = seen, around
    return last, True


def _squares_of(face: Face) -> Iterator[Square]:
    """The squares in which ``face`` is looked for, the usual one first."""
    center = np.array([face.center_x_px, face.center_y_px])
    for side, roll_deg in product(_SIDES_PER_FACE, _ROLLS_DEG):
        yield Square(center, side * face.side_px, math.radians(face.roll_deg + roll_deg))


def _axes(roll_rad: float) -> np.ndarray:
    """Unit vectors to the right of an upright face and down it, in the picture: [2, 2], rows."""
    cosine, sine = np.cos(roll_rad), np.sin(roll_rad)
    return np.array([[cosine, sine], [-sine, cosine]])


def _face_mesh() -> cv2.dnn.Net:
    # One for each thread: it keeps what it computes, and sessions run in several threads.
    if not hasattr(_THREAD, "network"):
        _THREAD.network = cv2.dnn.readNetFromTFLite(_content())
    return _THREAD.network


@cache
def _content(path: Path = FACE_MESH) -> np.ndarray:
    return checked_bytes(path, _SHA256, "face mesh")
