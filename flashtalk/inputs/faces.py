"""Where the faces are in a picture, and which way up: YuNet, run by OpenCV.

The network ships in the assets (NOTICE names its source). It sees faces from about ten pixels on
and heads tilted by up to some 45 degrees. So a picture is searched at two scales, and enlarged or
brightened where nobody is found. Where nobody clearly stands upright, it is searched on its sides
and upside down. Used by :mod:`flashtalk.inputs.portrait`.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from flashtalk.assets import ASSETS, checked_bytes

DETECTOR = ASSETS / "yunet" / "yunet_n_640_640.onnx"
_SHA256 = "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31"

_SIDES_PX = (640, 320)  # of the searched copies: small and usual faces, and those that fill it
_FINE_SIDE_PX = 1_280  # searched where nobody is found
_TURNED_SIDE_PX = 512
_LEAST_SCORE = 0.5  # moons, dragonflies and cats get up to 0.7, faces of 4 % of the side as little
_CONFIRMED = 0.8  # in a second look from close by, where those get nothing and faces 0.83 or more
_MOST = 12  # faces that are looked at a second time
_VIEW_PX, _VIEW_FACE_PX = 240, 110  # of the second look, and of the face in it
_SURE = 0.85  # of a further face; ears and folds get up to 0.82 beside a real one
_CLEAR = 0.88  # where somebody is seen as clearly, nobody else is searched
_CLEAR_SHARE = 0.15  # of the picture's shorter side; a smaller face may be a passer-by
_CERTAIN = 0.92  # needs no second look; upside down, clear faces get up to 0.90
_UPRIGHT_BONUS = 0.01
_TILT_COST = 400.0  # degrees for which a view of a second look loses a whole score
_SAME = 0.3  # intersection over union of detections of one face
_FURTHER_SHARE = 0.3  # of the largest face's side; smaller ones are background
_DARK = 60  # lightest values of 255 below which a copy is brightened for the search
_PADDING = 0.25  # of the side, around a copy in which a face at the edge may be found
_TILTS = (-60, -45, -30, -15, 0, 15, 30, 45, 60)  # degrees, tried on a face that is not upright

# The square of a face as the framing knows it, by YuNet's box: equal on average, over portraits
# and 152 photographs, to the square of the cascades that the framing was measured with.
_SIDE_PER_BOX = 1.06  # of the root of the box's area
EYES_IN_FACE = 0.413  # of the square's side, from its top


_THREAD = threading.local()


@dataclass(frozen=True)
class Face:
    """A square about from mid-forehead to just above the chin."""

    left_px: float
    top_px: float
    side_px: float
    score: float = 1.0
    """How sure the detector is, 0..1."""
    roll_deg: float = 0.0
    """Clockwise turn of the head in the picture; 0 is upright, -180..180."""
    turn: float = 0.0
    """Of the head to a side: how far the nose is from the eyes' middle, over the eyes' distance."""

    @property
    def center_x_px(self) -> float:
        return self.left_px + self.side_px / 2

    @property
    def center_y_px(self) -> float:
        return self.top_px + self.side_px / 2

    def overlap(self, other: Face) -> float:
        """Intersection over union, 0..1."""
        width = min(self.left_px + self.side_px, other.left_px + other.side_px) - max(
            self.left_px, other.left_px
        )
        height = min(self.top_px + self.side_px, other.top_px + other.side_px) - max(
            self.top_px, other.top_px
        )
        shared = max(width, 0.0) * max(height, 0.0)
        return shared / (self.side_px**2 + other.side_px**2 - shared)


def find_faces(picture: np.ndarray) -> list[Face]:
    """Faces in ``picture`` [H, W, 3] uint8 RGB, largest first; empty if there are none.

    Faces that are much smaller than the largest are left out: they are background.
    """
    bgr = _brightened(cv2.cvtColor(_at_most(picture, _FINE_SIDE_PX), cv2.COLOR_RGB2BGR))
    scale = max(picture.shape[:2]) / max(bgr.shape[:2])
    found = _found(bgr)
    if not found:
        return []
    largest = max(face.side_px for face in found)
    kept = [face for face in found if face.side_px >= _FURTHER_SHARE * largest]
    return [_scaled(face, scale) for face in sorted(kept, key=lambda face: -face.side_px)]


def measured_roll(picture: np.ndarray, face: Face) -> float:
    """The roll of ``face`` in ``picture`` [H, W, 3] RGB, more exactly than the search knows it.

    Landmarks of a tilted face are drawn toward the upright. So the face is turned by several
    angles, and read where it is seen best.
    """
    smaller = _at_most(picture, round(2.0 * _VIEW_FACE_PX / face.side_px * max(picture.shape[:2])))
    face = _scaled(face, max(smaller.shape[:2]) / max(picture.shape[:2]))
    bgr, seen = _brightened(cv2.cvtColor(smaller, cv2.COLOR_RGB2BGR)), []
    for tilt in _TILTS:
        found = _second_look(bgr, face, face.roll_deg + tilt)
        if found is not None:  # the less it is tilted, the better its landmarks
            merit = found.score - abs(found.roll_deg) / _TILT_COST
            seen.append((merit, face.roll_deg + tilt + found.roll_deg))
    best = max(seen, default=(0.0, face.roll_deg))[1]
    return (best + 180.0) % 360.0 - 180.0


# --- the search -----------------------------------------------------------------------------------
def _found(bgr: np.ndarray) -> list[Face]:
    """All faces, in pixels of ``bgr``."""
    upright = _at_scales(bgr, _SIDES_PX)
    if not upright:
        upright = _at_scales(bgr, (_FINE_SIDE_PX,)) + _padded(bgr)
    found = _distinct(bgr, upright)
    clear = [face.side_px for face in found if face.score >= _CLEAR]
    if max(clear, default=0.0) >= _CLEAR_SHARE * min(bgr.shape[:2]):
        return found
    # Nobody clearly stands upright: perhaps somebody lies.
    for quarters in (1, 2, 3):
        turned = np.ascontiguousarray(np.rot90(bgr, quarters))
        for face in _at_scales(turned, (_TURNED_SIDE_PX,)):
            found.append(_turned_back(face, quarters, bgr.shape[1], bgr.shape[0]))
    return _distinct(bgr, found)


def _distinct(bgr: np.ndarray, faces: list[Face]) -> list[Face]:
    """Each face once, where it is seen best, if a second look confirms it."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score)[: 2 * _MOST]:
        if any(face.overlap(other) > _SAME or _within(face, other) for other in kept):
            continue
        settled = face if face.score >= _CERTAIN else _settled(bgr, face)
        if settled.score >= (_SURE if kept else _CONFIRMED):
            kept.append(settled)
    return kept[:_MOST]


def _settled(bgr: np.ndarray, face: Face) -> Face:
    """``face`` with the score and roll of the quarter turn in which it is seen best."""
    best, merit = replace(face, score=0.0), 0.0
    for degrees in (0.0, 90.0, 180.0, -90.0):
        look = _second_look(bgr, face, degrees)
        if look is None:
            continue
        worth = look.score - abs(look.roll_deg) / _TILT_COST + _UPRIGHT_BONUS * (degrees == 0.0)
        if worth > merit:
            roll = (degrees + look.roll_deg + 180.0) % 360.0 - 180.0
            best = replace(face, score=look.score, roll_deg=roll, turn=look.turn)
            merit = worth
    return best


def _second_look(pixels: np.ndarray, face: Face, roll_deg: float) -> Face | None:
    """What the detector sees of ``face`` from close by, turned counterclockwise by ``roll_deg``."""
    scale = _VIEW_FACE_PX / face.side_px
    if scale < 0.5:  # a warp does not average
        pixels, face = (
            _at_most(pixels, max(1, round(2 * scale * max(pixels.shape[:2])))),
            _scaled(face, 2 * scale),
        )
        scale = 0.5
    middle = _VIEW_PX / 2
    turn = cv2.getRotationMatrix2D((face.center_x_px, face.center_y_px), roll_deg, scale)
    turn[0, 2] += middle - face.center_x_px
    turn[1, 2] += middle - face.center_y_px
    view = cv2.warpAffine(pixels, turn, (_VIEW_PX, _VIEW_PX), borderMode=cv2.BORDER_REPLICATE)
    near = [
        found
        for found in _detect(view)
        if abs(found.center_x_px - middle) < middle / 2.4
        and abs(found.center_y_px - middle) < middle / 2.4
        and 0.5 < found.side_px / _VIEW_FACE_PX < 2.0
    ]
    return max(near, key=lambda found: found.score, default=None)


def _within(face: Face, other: Face) -> bool:
    """The center of the smaller lies in the larger: parts of a face are no faces."""
    small, large = sorted((face, other), key=lambda each: each.side_px)
    across = small.center_x_px - large.left_px
    down = small.center_y_px - large.top_px
    return 0.0 <= across <= large.side_px and 0.0 <= down <= large.side_px


def _at_scales(bgr: np.ndarray, sides_px: tuple[int, ...]) -> list[Face]:
    found, longest_px = [], max(bgr.shape[:2])
    for side in dict.fromkeys(min(side, longest_px) for side in sides_px):
        smaller = _at_most(bgr, side)
        scale = max(bgr.shape[:2]) / max(smaller.shape[:2])
        found += [_scaled(face, scale) for face in _detect(smaller)]
    return found


def _padded(bgr: np.ndarray) -> list[Face]:
    """Faces that the picture's edge cuts."""
    small = _at_most(bgr, _SIDES_PX[-1])
    scale = max(bgr.shape[:2]) / max(small.shape[:2])
    margin = round(_PADDING * max(small.shape[:2]))
    padded = cv2.copyMakeBorder(small, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    moved = [
        replace(face, left_px=face.left_px - margin, top_px=face.top_px - margin)
        for face in _detect(padded)
    ]
    return [_scaled(face, scale) for face in moved]


def _detect(bgr: np.ndarray) -> list[Face]:
    detector = _detector()
    detector.setInputSize((bgr.shape[1], bgr.shape[0]))
    rows = detector.detect(bgr)[1]
    return [] if rows is None else [_face(row) for row in rows]


def _face(row: np.ndarray) -> Face:
    """YuNet's x, y, width, height, five points (eyes, nose, corners of the mouth), score."""
    width, height = float(row[2]), float(row[3])
    eyes, mouth = (row[4:6] + row[6:8]) / 2, (row[10:12] + row[12:14]) / 2
    down = mouth - eyes
    length = float(np.hypot(*down)) or 1.0
    side = _SIDE_PER_BOX * math.sqrt(max(width * height, 1.0))
    # The square's middle is below the eyes, on the line through the face's own.
    middle = (eyes + mouth) / 2
    along = 0.5 - EYES_IN_FACE - length / 2 / side
    center_x, center_y = middle + down / length * along * side
    across = row[6:8] - row[4:6]
    nose = float((row[8:10] - eyes) @ across) / max(float(across @ across), 1e-6)
    return Face(
        float(center_x) - side / 2,
        float(center_y) - side / 2,
        side,
        float(row[14]),
        math.degrees(math.atan2(-float(down[0]), float(down[1]))),
        abs(nose),
    )


def _turned_back(face: Face, quarters: int, width_px: int, height_px: int) -> Face:
    """``face`` of a picture that was turned counterclockwise, in the picture of that size."""
    x, y = face.center_x_px, face.center_y_px
    x, y = {
        1: (width_px - y, x),
        2: (width_px - x, height_px - y),
        3: (y, height_px - x),
    }[quarters]
    roll = (face.roll_deg + 90.0 * quarters + 180.0) % 360.0 - 180.0
    half = face.side_px / 2
    return replace(face, left_px=x - half, top_px=y - half, roll_deg=roll)


def _scaled(face: Face, scale: float) -> Face:
    return replace(
        face,
        left_px=face.left_px * scale,
        top_px=face.top_px * scale,
        side_px=face.side_px * scale,
    )


def _at_most(pixels: np.ndarray, side_px: int) -> np.ndarray:
    scale = side_px / max(pixels.shape[:2])
    if scale >= 1.0:
        return np.ascontiguousarray(pixels)
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _brightened(bgr: np.ndarray) -> np.ndarray:
    lightest = float(np.quantile(bgr[::4, ::4], 0.99))
    if not 0.0 < lightest < _DARK:
        return bgr
    return cv2.convertScaleAbs(bgr, alpha=200.0 / lightest)


def _detector() -> cv2.FaceDetectorYN:
    # One for each thread: it keeps scratch state, and pictures are loaded from several threads.
    if not hasattr(_THREAD, "detector"):
        none, any_size, overlap, most = np.zeros(0, np.uint8), (320, 320), 0.3, 50
        _THREAD.detector = cv2.FaceDetectorYN.create(
            "onnx", _network(), none, any_size, _LEAST_SCORE, overlap, most
        )
    return _THREAD.detector


@cache
def _network(path: Path = DETECTOR) -> np.ndarray:
    return checked_bytes(path, _SHA256, "face detector")
