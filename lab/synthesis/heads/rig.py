"""One person's geometry on the CPU: pieces of mesh, expression offsets, normals, head turn.

What moves with the face (skin, brows, lashes, teeth, tongue, eyes) is recomputed for every frame
and uploaded; hair and clothes never change. Turning the head is left to the vertex shader. A vertex
carries a weight (0 shoulders .. 1 head), and `Rig.place` does the same for landmarks.

Flow: identity, library -> **rig** -> renderer -> factory. Lengths are decimeters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sparse

from lab.synthesis.heads.identity import Identity
from lab.synthesis.heads.library import LANDMARKS, Library
from lab.synthesis.heads.mouth import settle_teeth, settle_tongue, teeth_shown

NECK_BELOW_EYES, NECK_BEHIND_EYES = 1.25, 1.0  # where the head turns
NECK_BLEND_START, NECK_BLEND_LENGTH = 0.75, 1.0
BODY_SHIFT_SHARE = 0.5  # of the head's shift, the shoulders move this much
GARMENT_EASE = 0.05  # clothes are let out by this much
FACE_KINDS = ("eyes", "teeth", "tongue", "brow", "lash")  # pieces that are face as a whole
SIDE_LIMIT = 2.6  # nothing further out can be in the picture


@dataclass(frozen=True)
class Pose:
    """One moment of a person.

    weights: expression target name -> weight, 0..1 mostly
    yaw, pitch, roll: head turn in radians (positive: to the person's left, down, right ear down)
    gaze: eye turn relative to the head, radians to the person's left and up
    shift: head translation in decimeters
    """

    weights: dict[str, float] = field(default_factory=dict)
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def rotation(self) -> np.ndarray:
        return rotation(self.yaw, self.pitch, self.roll)


@dataclass
class Piece:
    """A part of the person drawn with one material.

    kind: skin, eyes, teeth, tongue, brow, lash, garment or hair
    points: slice of the rig's point array that is this piece
    triangles: [F, 3] indices into the piece's points
    split: [M] point of every vertex sent to the GPU (a point on a texture seam is sent twice)
    coordinates: [M, 2] texture coordinates
    corners: [F, 3] int32 indices into the split vertices
    moving: whether expressions move it
    """

    kind: str
    points: slice
    triangles: np.ndarray
    split: np.ndarray
    coordinates: np.ndarray
    corners: np.ndarray
    moving: bool = False


class Rig:
    """Geometry of one identity.

    bottom: how far below the eyes the picture ends, in decimeters; what is lower is left out
    """

    def __init__(self, library: Library, identity: Identity, bottom: float = 3.6) -> None:
        self.library = library
        self.identity = identity
        base = identity.vertices
        self.eye_centers = {
            side: base[vertices].mean(0) for side, vertices in library.eye_vertices.items()
        }
        self.eyes = (self.eye_centers["left"] + self.eye_centers["right"]) / 2
        self.pivot = self.eyes - np.array([0, NECK_BELOW_EYES, NECK_BEHIND_EYES])
        self.pieces: list[Piece] = []
        points: list[np.ndarray] = []
        moves: list[np.ndarray] = []
        inside: list[np.ndarray] = []
        face: list[np.ndarray] = []
        for kind, (positions, matrix, faces, coordinates) in self._sources().items():
            corner = positions[faces[:, :, 0]]
            kept = (corner[:, :, 1] > self.eyes[1] - bottom).all(1)
            kept &= (np.abs(corner[:, :, 0]) < SIDE_LIMIT).all(1)
            faces = faces[kept]
            used, local = np.unique(faces[:, :, 0], return_inverse=True)
            local = local.reshape(faces.shape[:2])
            pairs = np.stack([local.ravel(), faces[:, :, 1].ravel()], 1)
            pairs, corners = np.unique(pairs, axis=0, return_inverse=True)
            start = sum(len(part) for part in points)
            self.pieces.append(
                Piece(
                    kind,
                    slice(start, start + len(used)),
                    local,
                    pairs[:, 0],
                    coordinates[pairs[:, 1]].astype(np.float32),
                    corners.reshape(-1, 3).astype(np.int32),
                )
            )
            points.append(positions[used])
            moves.append(self._offsets(matrix, used))
            skin = kind == "skin"
            inside.append(library.mouth_inside[used] if skin else np.zeros(len(used), bool))
            face.append(library.face[used] if skin else np.full(len(used), kind in FACE_KINDS))
        self.rest = np.concatenate(points).astype(np.float32)  # [P, 3]
        self.inside = np.concatenate(inside)  # [P] bool: of the mouth's cavity
        self.face = np.concatenate(face)  # [P] bool: of the face, its eyes, teeth and brows too
        offsets = np.concatenate(moves, 1)  # [K, P, 3]
        for piece in self.pieces:
            piece.moving = bool(np.abs(offsets[:, piece.points]).max() > 2e-3)
            piece.moving &= piece.kind not in ("hair", "garment")
        self._prepare_motion(offsets)
        self.head_weight = self._head_weight(self.rest[:, 1])
        self._landmarks = base[library.landmark_vertices]
        self._landmark_offsets = library.expression_offsets[:, library.landmark_vertices]

    def _sources(self) -> dict[str, tuple[Any, ...]]:
        """kind -> (positions, fit matrix, triangles, texture coordinates)."""
        library, person, base = self.library, self.identity, self.identity.vertices
        names = {
            "eyes": ("eyes", "HighPolyEyes"),
            "teeth": ("teeth", person.teeth),
            "tongue": ("tongue", "tongue01"),
            "brow": ("eyebrows", person.brow),
            "lash": ("eyelashes", person.lash),
            "garment": ("clothes", person.garment),
            "hair": ("hair", person.hair),
        }
        proxies = {kind: library.proxy(*name) for kind, name in names.items() if name[1] != "none"}
        hidden = np.zeros(len(base), bool)
        hidden[proxies["garment"].hidden] = True
        body = library.base.body
        body = body[~hidden[body[:, :, 0]].any(1)]
        sources = {"skin": (base, None, body, library.base.mesh.coordinates)}
        upper_lip = base[library.landmark_vertices[LANDMARKS.index("inner_upper_lip")], 1]
        teeth_edge = upper_lip - teeth_shown(person)  # where both rows meet
        for kind, proxy in proxies.items():
            mesh = proxy.mesh
            fitted, faces = proxy.fit(base), mesh.triangles[:, :, 0]
            if kind == "garment":  # broad necks would poke through
                fitted += GARMENT_EASE * point_normals(fitted, faces)
            elif kind == "teeth":
                fitted = settle_teeth(fitted, faces, teeth_edge)
            elif kind == "tongue":
                fitted = settle_tongue(fitted, teeth_edge)
            sources[kind] = (fitted, proxy.weights, mesh.triangles, mesh.coordinates)
        return sources

    def _offsets(self, matrix: sparse.csr_matrix | None, used: np.ndarray) -> np.ndarray:
        """Expression offsets [K, N, 3] of the used points of one piece."""
        offsets = self.library.expression_offsets
        if matrix is None:
            return offsets[:, used]
        flat = offsets.transpose(1, 0, 2).reshape(offsets.shape[1], -1)
        moved = np.asarray(matrix[used] @ flat, np.float32)
        return moved.reshape(len(used), len(offsets), 3).transpose(1, 0, 2)

    def _prepare_motion(self, offsets: np.ndarray) -> None:
        moving = np.zeros(len(self.rest), bool)
        for piece in self.pieces:
            if piece.moving:
                moving[piece.points] = np.abs(offsets[:, piece.points]).max((0, 2)) > 1e-5
        self._moving = np.flatnonzero(moving)
        self._offsets_moving = np.ascontiguousarray(
            offsets[:, self._moving].reshape(len(offsets), -1)
        )
        self.rest_normals = np.zeros_like(self.rest)
        self._deforming = []
        for piece in self.pieces:
            faces = piece.triangles
            count = piece.points.stop - piece.points.start
            gather = sparse.csr_matrix(
                (
                    np.ones(faces.size, np.float32),
                    (faces.ravel(), np.repeat(np.arange(len(faces)), 3)),
                ),
                shape=(count, len(faces)),
            )
            positions = self.rest[piece.points]
            total = gather @ face_normals(positions, faces)
            self.rest_normals[piece.points] = normalized(total)
            if piece.kind in ("skin", "tongue"):  # only there does the shading follow expressions
                active = moving[piece.points][faces].any(1)
                touched = np.unique(faces[active])
                steady = (gather[touched][:, ~active]) @ face_normals(positions, faces[~active])
                self._deforming.append(
                    (piece, faces[active], touched, gather[touched][:, active].tocsr(), steady)
                )

    def _head_weight(self, height: np.ndarray) -> np.ndarray:
        t = (height - (self.pivot[1] - NECK_BLEND_START)) / NECK_BLEND_LENGTH
        t = np.clip(t, 0, 1)
        return (t * t * (3 - 2 * t)).astype(np.float32)

    def deform(self, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """Positions and normals [P, 3] with the expression and gaze of `pose`, head not turned."""
        rows, values = self.library.expression_rows(pose.weights)
        points, normals = self.rest.copy(), self.rest_normals.copy()
        if len(rows):
            points[self._moving] += (values @ self._offsets_moving[rows]).reshape(-1, 3)
        for piece, faces, touched, gather, steady in self._deforming:
            total = gather @ face_normals(points[piece.points], faces) + steady
            normals[piece.points][touched] = normalized(total)
        eyes = next(piece for piece in self.pieces if piece.kind == "eyes")
        turn = rotation(pose.gaze[0], -pose.gaze[1], 0).T.astype(np.float32)
        positions, directions = points[eyes.points], normals[eyes.points]
        for center in self.eye_centers.values():
            side = positions[:, 0] * center[0] > 0
            positions[side] = (positions[side] - center) @ turn + center
            directions[side] = directions[side] @ turn
        return points, normals

    def place(self, points: np.ndarray, weight: np.ndarray, pose: Pose) -> np.ndarray:
        """Turn the head: positions [N, 3] in the world; the vertex shader does the same."""
        turned = (points - self.pivot) @ pose.rotation().T + self.pivot
        weight = weight[:, None]
        share = BODY_SHIFT_SHARE + (1 - BODY_SHIFT_SHARE) * weight
        return points + weight * (turned - points) + share * np.asarray(pose.shift)

    def landmarks(self, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks [L, 3] before and after the head's turn."""
        rows, values = self.library.expression_rows(pose.weights)
        points = self._landmarks.copy()
        if len(rows):
            points += np.tensordot(values, self._landmark_offsets[rows], 1)
        return points, self.place(points, self._head_weight(self._landmarks[:, 1]), pose)


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation matrix [3, 3]: roll first, then pitch, then yaw."""
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def face_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Triangle normals [F, 3], as long as twice the triangle's area."""
    a = points[faces[:, 0]]
    u, v = points[faces[:, 1]] - a, points[faces[:, 2]] - a
    normals = np.empty_like(a)
    normals[:, 0] = u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1]
    normals[:, 1] = u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2]
    normals[:, 2] = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    return normals


def point_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Normals [N, 3] of length 1 of the points of a mesh."""
    normals = np.zeros_like(points)
    flat = face_normals(points, faces)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], flat)
    return normalized(normals)


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Vectors [N, 3] of length 1."""
    return vectors / (np.sqrt(np.einsum("ij,ij->i", vectors, vectors)) + 1e-9)[:, None]
