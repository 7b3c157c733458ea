"""Follows the face of a talk from frame to frame, by MediaPipe's face mesh.

The mesh is a judge that no weights of this project were trained with. It also reads photographs for
the embedded model, so of these it is no independent one. Letters: F frames, L landmarks, H x W
pixels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flashtalk.inputs.faces import find_faces
from flashtalk.models.tiny.face_code import LANDMARKS
from flashtalk.models.tiny.face_mesh import PRESENT, Square, read_mesh, settle_mesh


class FaceFollower:
    """Reads one frame after another; where the face was says where to look next."""

    def __init__(self) -> None:
        self._square: Square | None = None

    def read(self, frames: Iterable[np.ndarray]) -> np.ndarray:
        """Frames [H, W, 3] uint8 -> landmarks [F, L, 2] in -1..1, NaN where no face is seen."""
        found = [self._read(frame) for frame in frames]
        return np.stack(found) if found else np.empty((0, len(LANDMARKS), 2))

    def _read(self, frame: np.ndarray) -> np.ndarray:
        height, width = frame.shape[:2]
        picture = frame.astype(np.float32) / 255.0
        points_px = self._near(picture) if self._square is not None else None
        if points_px is None:
            points_px = self._anywhere(frame, picture)
        if points_px is None:
            return np.full((len(LANDMARKS), 2), np.nan)
        return points_px * np.array([2 / width, 2 / height]) - 1.0

    def _near(self, picture: np.ndarray) -> np.ndarray | None:
        """What the mesh finds in the last square, which it moves; None without a face."""
        assert self._square is not None
        seen = read_mesh(picture, self._square)
        around = Square.around(seen.points_px)
        self._square = around if seen.presence >= PRESENT else None
        return seen.points_px if self._square is not None else None

    def _anywhere(self, frame: np.ndarray, picture: np.ndarray) -> np.ndarray | None:
        """The largest face that the detector finds."""
        faces = find_faces(frame)
        if not faces:
            return None
        points_px = settle_mesh(picture, max(faces, key=lambda face: face.side_px))
        self._square = None if points_px is None else Square.around(points_px)
        return points_px
