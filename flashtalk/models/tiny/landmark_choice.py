"""Which network reads a person: the project's own, or the face mesh where that one misreads.

The own network has learned from rendered faces. On those it is off by 1.0 pixel of 256 and the face
mesh by 2.5, which hardly sees lids there. On photographs the own network may be off by half a face.
So both read the portrait. The own network reads a person whom both see alike, the mesh all others.
That holds for a portrait and for clips that are encoded with it: a talk has one convention.

Letters: B portraits, N pictures, F frames of each portrait, L landmarks, H x W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from flashtalk.inputs.faces import Face, find_faces
from flashtalk.models.tiny.face_code import LANDMARKS, NEAREST_EYES
from flashtalk.models.tiny.face_mesh import PRESENT, Square, read_mesh, search_mesh, settle_mesh
from flashtalk.models.tiny.landmark_refiner import REFINED
from flashtalk.models.tiny.landmarks import FaceMarks, FaceReader

ALIKE = 0.035  # mean distance of lips and lids, over that of the eyes; renders have up to 0.03
_LEAST_SIDE_PX = 256  # of the pictures that are read; larger ones are averaged down toward it
# Where a face is that the detector misses: left, top and side, of the shorter side of the picture.
_FRAMED = (0.175, 0.145, 0.65)
_ROLLS_DEG = (0.0, -35.0, 35.0)
_COMPARED = [LANDMARKS.index(name) for name in REFINED]
_OUTER = [LANDMARKS.index(f"{side}_eye_outer") for side in ("left", "right")]


def choose_marks(reader: FaceReader, portraits: Tensor) -> FaceMarks:
    """What the chosen network reads in ``portraits`` [B, 3, H, W] in [-1, 1].

    Where the mesh sees no face, the own one, ``reader``, reads, and its heat maps say how little is
    there. Visitors hear of such a picture where it is loaded.
    """
    own = reader(portraits)
    points, gaze = own.points.clone(), own.gaze.clone()
    meshed, confirmed, turn = own.meshed.clone(), own.confirmed.clone(), own.turn.clone()
    for index, picture in enumerate(_as_arrays(portraits)):
        face = _face_of(picture)
        found = _read_portrait(picture, face)
        if face is not None:
            turn[index] = face.turn
        if found is None:
            continue
        confirmed[index] = True
        if _apart(_as_units(found, picture), own.points[index]) <= ALIKE:
            continue
        points[index] = _as_units(found, picture).to(points)
        gaze[index] = 0.0  # the own network has read it beside the eyes
        meshed[index] = True
    chosen = replace(own, points=points, gaze=gaze, meshed=meshed, confirmed=confirmed, turn=turn)
    if not meshed.any():
        return chosen
    return replace(chosen, refined_variance=reader.refiner(portraits, points)[1])


def read_frames(
    reader: FaceReader, frames: Tensor, points: Tensor, meshed: Tensor
) -> tuple[Tensor, Tensor]:
    """Reads ``frames`` [B, F, 3, H, W] in [-1, 1] by the networks that read their portraits.

    The mesh looks around the portrait's ``points`` [B, L, 2] where a portrait is ``meshed`` [B].
    -> points [B * F, L, 2] and gaze [B * F, 2].
    """
    if not meshed.any():
        marks = reader(frames.flatten(0, 1))
        return marks.points, marks.gaze
    found, gaze = [], []
    for pictures, near, by_mesh in zip(frames, points, meshed, strict=True):
        if by_mesh:
            found.append(_read_near(pictures, near))
            gaze.append(near.new_zeros(len(pictures), 2))
        else:
            marks = reader(pictures)
            found.append(marks.points)
            gaze.append(marks.gaze)
    return torch.cat(found), torch.cat(gaze)


def _read_near(pictures: Tensor, near: Tensor) -> Tensor:
    """Points [F, L, 2] of ``pictures`` [F, 3, H, W], whose faces are about at ``near`` [L, 2].

    Where the mesh loses the face, it is taken to be there.
    """
    found = []
    for picture in _as_arrays(pictures):
        square = Square.around(_as_pixels(near, picture))
        seen = None if square is None else read_mesh(picture, square)
        if seen is None or seen.presence < PRESENT:
            found.append(near)
        else:
            found.append(_as_units(seen.points_px, picture).to(near))
    return torch.stack(found)


def _face_of(picture: np.ndarray) -> Face | None:
    """The large face in the middle of ``picture`` [H, W, 3], 0..1; None where none is detected."""
    faces = find_faces((picture * 255.0).round().astype(np.uint8))
    return max(faces, key=lambda face: face.side_px - _from_middle_px(face, picture), default=None)


def _read_portrait(picture: np.ndarray, face: Face | None) -> np.ndarray | None:
    """Landmarks [L, 2] in pixels of ``picture`` [H, W, 3], 0..1; None without a face."""
    if face is not None:
        return search_mesh(picture, face)
    left, top, side = (share * min(picture.shape[:2]) for share in _FRAMED)
    framed = (Face(left, top, side, roll_deg=roll) for roll in _ROLLS_DEG)
    tried = (settle_mesh(picture, face) for face in framed)
    return next((points for points in tried if points is not None), None)


def _from_middle_px(face: Face, picture: np.ndarray) -> float:
    height, width = picture.shape[:2]
    return math.hypot(face.center_x_px - width / 2, face.center_y_px - height / 2)


def _apart(one: Tensor, other: Tensor) -> float:
    """Mean distance of lips and lids of points [L, 2], in distances of ``one``'s eyes."""
    left, right = one[_OUTER].to(other)
    away = (one.to(other) - other)[_COMPARED].norm(dim=-1).mean()
    return float(away / (left - right).norm().clamp(min=NEAREST_EYES))


# --- pictures and places --------------------------------------------------------------------------
def _as_arrays(pictures: Tensor) -> Iterator[np.ndarray]:
    """Each of ``pictures`` [N, 3, H, W] in [-1, 1] as float32 [H, W, 3], 0..1."""
    factor = max(1, min(pictures.shape[-2:]) // _LEAST_SIDE_PX)
    small = F.avg_pool2d(pictures.detach().float(), factor)
    yield from ((small + 1.0) / 2.0).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _as_units(points_px: np.ndarray, picture: np.ndarray) -> Tensor:
    height, width = picture.shape[:2]
    return torch.from_numpy(points_px * np.array([2 / width, 2 / height]) - 1.0)


def _as_pixels(points: Tensor, picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return (points.double().cpu().numpy() + 1.0) * np.array([width / 2, height / 2])
