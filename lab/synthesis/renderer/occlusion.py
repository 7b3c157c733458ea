"""Ambient occlusion per point, baked once per person from shadow maps of many directions.

Flow: person draws the shadow maps, **occlusion** reads them, the result shades every frame.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sparse

from lab.synthesis.heads.mesh import edges
from lab.synthesis.heads.rig import Pose, Rig, normalized

ShadowOf = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Direction [3] towards a light -> its depth map [S, S] and the projection [4, 4] that made it."""

POSE = Pose({"jawOpen": 0.05})
"""The pose in which the shadow maps are drawn."""
DIRECTIONS = 32
GOLDEN_ANGLE = 2.399963
BIAS = 0.006


def bake_occlusion(rig: Rig, shadow_of: ShadowOf) -> np.ndarray:
    """Share of the surrounding light that reaches every point of ``rig``: [P] in 0..1."""
    points, _ = rig.deform(POSE)
    normals = normalized(rig.rest_normals)
    reached, total = np.zeros(len(points)), np.zeros(len(points))
    for k in range(DIRECTIONS):
        height = 1 - 2 * (k + 0.5) / DIRECTIONS
        flat = np.sqrt(1 - height * height)
        turn = k * GOLDEN_ANGLE
        direction = np.array([flat * np.cos(turn), height, flat * np.sin(turn)])
        if height < -0.75:  # nothing shines from the floor
            continue
        depth, matrix = shadow_of(direction)
        size = len(depth)
        seen = (points @ matrix[:3, :3].T + matrix[:3, 3]) * 0.5 + 0.5
        cell = np.clip((seen[:, :2] * size).astype(int), 0, size - 1)
        visible = depth[cell[:, 1], cell[:, 0]] + BIAS > seen[:, 2]
        weight = np.clip(normals @ direction, 0, 1) * (0.6 + 0.4 * height)
        reached += weight * visible
        total += weight
    occlusion = np.where(total > 0, reached / np.maximum(total, 1e-6), 1)
    for piece in rig.pieces:
        own = occlusion[piece.points]
        if piece.kind == "skin":
            own = _smooth(own, piece.triangles)
        elif piece.kind in ("teeth", "tongue"):
            own = np.ones_like(own)  # the fragment program darkens them by depth
        elif piece.kind == "hair":
            own = 0.35 + 0.65 * own
        elif piece.kind == "eyes":
            own = 0.45 + 0.5 * own
        elif piece.kind in ("brow", "lash"):
            own = np.full_like(own, 0.8)
        occlusion[piece.points] = np.clip(own * 0.95 + 0.05, 0.03, 1)
    return occlusion


def _smooth(values: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Average over neighbors, twice."""
    neighbors = edges(triangles, len(values))
    neighbors = neighbors + neighbors.T + sparse.identity(len(values))
    neighbors = sparse.diags(1 / np.asarray(neighbors.sum(1)).ravel()) @ neighbors
    return neighbors @ (neighbors @ values)
