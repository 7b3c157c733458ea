"""Where the faces are in a picture: two of OpenCV's frontal-face cascades vote.

The trained cascades ship inside the opencv-python-headless 4.x wheel (``cv2.data``; the 5.x wheels
dropped it), so nothing is downloaded. Used by :mod:`flashtalk.inputs.portrait` for framing only:
a face that is not found costs a centered crop, never an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import cv2.data
import numpy as np

from flashtalk.errors import FlashTalkError

_SEARCH_SIDE_PX = 400  # pictures are searched at most this large
_SMALLEST_FACE = 0.08  # of the picture's shorter side
_CASCADES = ("haarcascade_frontalface_alt2.xml", "haarcascade_frontalface_default.xml")
# A cascade fires many times around a face and now and then on wallpaper. Measured: clear faces get
# 30 to 160 votes from both together, folds and foliage up to 12, a face half behind hair 4 to 10.
_CLEAR_VOTES = 16
_SHARE_OF_BEST = 0.25  # votes of further faces, relative to the clearest one
_LARGE_FACE = 0.25  # of the shorter side; without a clear face, one this large is believed
_TILTS = (-20.0, 20.0)  # degrees, tried when nobody stands upright


@dataclass(frozen=True)
class Face:
    """The square a frontal-face cascade draws: about from mid-forehead to just above the chin."""

    left_px: float
    top_px: float
    side_px: float
    votes: int = 0
    """Overlapping detections that were merged into this one."""

    @property
    def center_x_px(self) -> float:
        return self.left_px + self.side_px / 2

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
    """Frontal faces in ``picture`` [H, W, 3] uint8 RGB, largest first; empty if there are none."""
    height, width = picture.shape[:2]
    scale = min(1.0, _SEARCH_SIDE_PX / max(height, width))
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if scale < 1.0:
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = _vote(gray) or _tilted(gray)
    scaled = [
        Face(face.left_px / scale, face.top_px / scale, face.side_px / scale, face.votes)
        for face in found
    ]
    return sorted(scaled, key=lambda face: -face.side_px)


def _vote(gray: np.ndarray) -> list[Face]:
    first, second = (_search(gray, name) for name in _CASCADES)
    candidates = [_seconded(face, second) for face in first]
    best = max((face.votes for face in candidates), default=0)
    if best >= _CLEAR_VOTES:
        return [face for face in candidates if face.votes >= _SHARE_OF_BEST * best]
    smallest = _LARGE_FACE * min(gray.shape)
    large = [face for face in candidates if face.side_px >= smallest]
    return sorted(large, key=lambda face: -face.votes)[:1]


def _tilted(gray: np.ndarray) -> list[Face]:
    """The clearest face of a head held to one side; the cascades see about 15 degrees of tilt."""
    height, width = gray.shape
    clear = []
    for degrees in _TILTS:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        turned = cv2.warpAffine(gray, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        back = cv2.invertAffineTransform(turn)
        for face in _vote(turned):
            half = face.side_px / 2
            x, y = back @ (face.left_px + half, face.top_px + half, 1.0)
            if face.votes >= _CLEAR_VOTES:
                clear.append(replace(face, left_px=float(x - half), top_px=float(y - half)))
    return sorted(clear, key=lambda face: -face.votes)[:1]


def _search(gray: np.ndarray, name: str) -> list[Face]:
    smallest = max(24, round(_SMALLEST_FACE * min(gray.shape)))
    boxes, votes = _cascade(name).detectMultiScale2(
        gray, scaleFactor=1.08, minNeighbors=3, minSize=(smallest, smallest)
    )
    return [
        Face(float(left), float(top), float(side), int(count))
        for (left, top, side, _), count in zip(boxes, votes, strict=True)
    ]


def _seconded(face: Face, others: list[Face]) -> Face:
    """``face`` with the votes of its match among ``others`` added."""
    matches = [other.votes for other in others if face.overlap(other) > 0.4]
    return replace(face, votes=face.votes + max(matches, default=0))


def _cascade(name: str) -> cv2.CascadeClassifier:
    # A fresh one per search (about 20 ms): a classifier keeps scratch state, and pictures are
    # loaded from several threads.
    if not hasattr(cv2, "CascadeClassifier"):
        raise FlashTalkError(
            f"Finding the face needs opencv-python-headless 4.x, but {cv2.__version__} is "
            "installed. Run: pip install -r requirements.txt"
        )
    return cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / name))
