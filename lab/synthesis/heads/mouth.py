"""Teeth and tongue, put where speaking people have them.

The assets' upper teeth end above the upper lip, and their lower teeth stand well above the lower
one. Their tongue reaches the roots of the upper teeth. An open mouth would show a bright tongue
over a row of lower teeth. People at rest show the edge of their upper teeth, women 3.4 mm and men
1.9 mm, less with age (Vig and Brundo 1978, "The kinetics of anterior tooth display"). Their lower
teeth end where the upper ones do, and their tongue lies behind these.

Flow: identity, mesh -> **mouth** -> rig. Lengths are decimeters; y points up, z to the front.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from lab.synthesis.heads.identity import Identity
from lab.synthesis.heads.mesh import edges

SHOWN = {"female": 0.034, "male": 0.019}
SHOWN_SPREAD = 0.008
LOST_WITH_AGE = {"young": 0.0, "middle": 0.006, "old": 0.014}
LEAST_SHOWN = 0.004
MIDDLE = 0.06  # |x| of the two middle teeth of a row
TONGUE_BELOW, TONGUE_BEHIND = 0.012, 0.04  # below the lower teeth's edge; further back than it was


def teeth_shown(identity: Identity) -> float:
    """How far the upper teeth of a person end below the resting upper lip."""
    spread = np.random.default_rng([identity.seed, 5]).normal(0, SHOWN_SPREAD)
    shown = SHOWN[identity.gender] - LOST_WITH_AGE[identity.age] + spread
    return max(float(shown), LEAST_SHOWN)


def settle_teeth(points: np.ndarray, triangles: np.ndarray, edge: float) -> np.ndarray:
    """Make both rows of teeth meet at the height `edge`: points [N, 3], triangles [F, 3].

    Their gums lengthen with them, or they would leave the chin.
    """
    upper, tooth = _rows(points, triangles)
    moved = points.copy()
    for row, up in ((upper, 1), (~upper, -1)):
        away = up * points[:, 1]  # from where the rows meet
        ends = away[row & tooth & (np.abs(points[:, 0]) < MIDDLE)]
        last = away[row].max()
        with_teeth = np.where(tooth, 1, np.clip((last - away) / (last - ends.max()), 0, 1))
        shift = with_teeth * (edge - up * ends.min())
        moved[row, 1] += shift[row]
        moved[row & ~tooth, 2] -= np.abs(shift)[row & ~tooth]  # the skin before it comes nearer
    return moved


def settle_tongue(points: np.ndarray, edge: float) -> np.ndarray:
    """Flatten the tongue [N, 3] so that it lies behind lower teeth that end at height `edge`."""
    low, high = points[:, 1].min(), points[:, 1].max()
    moved = points.copy()
    moved[:, 1] = low + (points[:, 1] - low) * (edge - TONGUE_BELOW - low) / (high - low)
    moved[:, 2] -= TONGUE_BEHIND
    return moved


def _rows(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[N] bool: what belongs to the upper row (teeth and the gum near them); what is no gum."""
    _, part = connected_components(edges(triangles, len(points)), directed=False)
    tooth = part != np.bincount(part).argmax()  # the gum is the largest piece
    parts, own = np.unique(part[tooth], return_inverse=True)
    height = np.bincount(own, points[tooth, 1]) / np.bincount(own)
    depth = np.bincount(own, points[tooth, 2]) / np.bincount(own)
    # rows rise to the back alike, so a tooth is told by those beside it
    upper = np.zeros(len(parts), bool)
    for k in range(len(parts)):
        upper[k] = height[k] > height[np.abs(depth - depth[k]) < 0.08].mean()
    return upper[own][cKDTree(points[tooth]).query(points)[1]], tooth
