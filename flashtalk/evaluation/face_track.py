"""Lips, lids and head of one face over time, from its landmarks.

Letters: F frames, L landmarks in the order of ``LANDMARKS``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flashtalk.models.tiny.face_code import LANDMARKS

# Radians per unit of the nose's offset over the eyes' distance; fitted to the renderer's pose in
# held-in clips. The rest of pitch depends on the person, so pitch is relative.
YAW_SCALE, PITCH_SCALE = 1.55, 1.25

EYE_SIDES = ("left", "right")
MOUTH_NUMBERS = ("gap", "width", "height", "chin", "corner")


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """One face over time."""

    points: np.ndarray
    """[F, L, 2] x, y in -1..1."""

    def __post_init__(self) -> None:
        if self.points.ndim != 3 or self.points.shape[1:] != (len(LANDMARKS), 2):
            raise ValueError(
                f"points must be [F, {len(LANDMARKS)}, 2], got {list(self.points.shape)}"
            )

    def at(self, name: str) -> np.ndarray:
        """Landmark ``name``: [F, 2]."""
        return self.points[:, LANDMARKS.index(name)]

    def distance(self, a: str, b: str) -> np.ndarray:
        """Between two landmarks, over the eyes' distance: [F]."""
        return np.linalg.norm(self.at(a) - self.at(b), axis=1) / self.eyes_distance

    def eye(self, side: str) -> np.ndarray:
        """Middle of an eye: [F, 2]."""
        return (self.at(f"{side}_eye_outer") + self.at(f"{side}_eye_inner")) / 2

    @property
    def eyes_distance(self) -> np.ndarray:
        """[F], picture units; never 0, whatever is read from a picture without a face."""
        return np.linalg.norm(self.eye("left") - self.eye("right"), axis=1).clip(1e-3)

    @property
    def opening(self) -> np.ndarray:
        """Lip gap over the eyes' distance: [F]."""
        return self.distance("inner_upper_lip", "inner_lower_lip")

    @property
    def lids(self) -> np.ndarray:
        """Lid opening over the eyes' distance, mean of both eyes: [F]."""
        each = [self.distance(f"{side}_eye_upper", f"{side}_eye_lower") for side in EYE_SIDES]
        return np.mean(each, axis=0)

    @property
    def turns(self) -> np.ndarray:
        """Yaw, pitch, roll [F, 3] in radians with the renderer's signs; pitch has no fixed zero."""
        left, right = self.eye("left"), self.eye("right")
        across = (left - right) / np.linalg.norm(left - right, axis=1, keepdims=True).clip(1e-3)
        down = np.stack((-across[:, 1], across[:, 0]), axis=1)
        nose = (self.at("nose_tip") - (left + right) / 2) / self.eyes_distance[:, None]
        yaw, pitch = ((nose * axis).sum(axis=1) for axis in (across, down))
        roll = -np.arctan2(across[:, 1], across[:, 0])  # pictures count downwards
        return np.stack((yaw * YAW_SCALE, pitch * PITCH_SCALE, roll), axis=1)

    @property
    def mouth(self) -> np.ndarray:
        """The mouth's shape [F, 5], named by MOUTH_NUMBERS, over the eyes' distance."""
        corners = self.at("left_mouth_corner") + self.at("right_mouth_corner")
        lips = self.at("outer_upper_lip") + self.at("outer_lower_lip")
        return np.stack(
            (
                self.opening,
                self.distance("left_mouth_corner", "right_mouth_corner"),
                self.distance("outer_upper_lip", "outer_lower_lip"),
                self.distance("chin", "nose_tip"),
                (corners - lips)[:, 1] / 2 / self.eyes_distance,
            ),
            axis=1,
        )
