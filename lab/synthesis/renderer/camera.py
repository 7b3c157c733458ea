"""Cameras and matrices: perspective for the picture, parallel for the shadow map.

Matrices are float64 [4, 4] for column vectors; lengths are decimeters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DISTANCE = 11.0  # from the face; a portrait lens
HALF_HEIGHT = 1.52  # of the picture at the face at zoom 1: head and shoulders
AIM_BELOW_EYES, AIM_BEHIND_EYES = 0.38, 0.3
ZOOM_RANGE = (0.5, 3.0)


@dataclass(frozen=True)
class Camera:
    """A camera in front of a person.

    zoom: 1 shows head and shoulders, more is closer
    offset: shift of the picture, as a share of the frame's width and height (right, up)
    turn: where the camera stands, radians to the person's left and up
    """

    zoom: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)
    turn: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        low, high = ZOOM_RANGE
        if not low <= self.zoom <= high:
            raise ValueError(f"zoom: got {self.zoom}, expected {low} to {high}")

    def position(self, eyes: np.ndarray) -> np.ndarray:
        """Where the camera stands [3], `eyes` being the middle between the eyes."""
        side, up = self.turn
        aim = eyes - np.array([0, AIM_BELOW_EYES, AIM_BEHIND_EYES])
        return aim + DISTANCE * np.array([np.sin(side), np.sin(up), np.cos(side)])

    def matrix(self, eyes: np.ndarray) -> np.ndarray:
        """World to clip space [4, 4]."""
        aim = eyes - np.array([0, AIM_BELOW_EYES, AIM_BEHIND_EYES])
        move = np.eye(4)
        move[:2, 3] = 2 * np.asarray(self.offset)
        view = look_at(self.position(eyes), aim, np.array([0.0, 1, 0]))
        return move @ perspective(HALF_HEIGHT / self.zoom / DISTANCE, 1, 30) @ view

    def bottom(self) -> float:
        """How far below the eyes the picture can reach, margin for motion included."""
        return AIM_BELOW_EYES + HALF_HEIGHT / self.zoom * (1 + 2 * abs(self.offset[1])) * 1.1 + 0.4


def look_at(eye: np.ndarray, aim: np.ndarray, up: np.ndarray) -> np.ndarray:
    """World to camera [4, 4]: the camera at `eye` looks at `aim`."""
    forward = (aim - eye) / np.linalg.norm(aim - eye)
    side = np.cross(forward, up)
    side /= np.linalg.norm(side)
    matrix = np.eye(4)
    matrix[0, :3], matrix[1, :3], matrix[2, :3] = side, np.cross(side, forward), -forward
    matrix[:3, 3] = -matrix[:3, :3] @ eye
    return matrix


def perspective(half_height: float, near: float, far: float) -> np.ndarray:
    """Square perspective; `half_height` is the tangent of half the field of view."""
    matrix = np.zeros((4, 4))
    matrix[0, 0] = matrix[1, 1] = 1 / half_height
    matrix[2, 2], matrix[2, 3] = (far + near) / (near - far), 2 * far * near / (near - far)
    matrix[3, 2] = -1
    return matrix


def parallel(radius: float, near: float, far: float) -> np.ndarray:
    """Parallel projection [4, 4] of a square with half side `radius`."""
    matrix = np.eye(4)
    matrix[0, 0] = matrix[1, 1] = 1 / radius
    matrix[2, 2], matrix[2, 3] = -2 / (far - near), -(far + near) / (far - near)
    return matrix


def project(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [N, 3] to clip space x, y, w: [N, 3] (depth along the view is w)."""
    return points @ matrix[[0, 1, 3], :3].T + matrix[[0, 1, 3], 3]
