"""Everything that all people share: base mesh, expressions, fitted pieces, landmark vertices.

Flow: assets, mesh -> **library** -> rig -> renderer -> factory. One library per process.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from lab.synthesis.assets import Assets
from lab.synthesis.heads.mesh import BaseMesh, Proxy, read_proxy, read_proxy_json
from lab.synthesis.heads.textures import Textures

# Landmarks as points on the unmodified base mesh (decimeters); the nearest body vertex is used.
# Left and right are the person's own; right is left mirrored.
_MIDDLE = {
    "inner_upper_lip": (0.0, 6.608, 1.553),
    "inner_lower_lip": (0.0, 6.601, 1.540),
    "outer_upper_lip": (0.0, 6.683, 1.602),
    "outer_lower_lip": (0.0, 6.488, 1.556),
    "nose_tip": (0.0, 6.909, 1.681),
    "chin": (0.0, 6.201, 1.434),
    "head_top": (0.0, 8.400, 0.500),
}
_PAIRED = {
    "mouth_corner": (0.252, 6.615, 1.374),
    "eye_outer": (0.474, 7.276, 1.325),
    "eye_inner": (0.185, 7.265, 1.345),
    "eye_upper": (0.310, 7.337, 1.413),
    "eye_lower": (0.311, 7.240, 1.405),
    "jaw": (0.474, 6.432, 0.938),
    "brow": (0.320, 7.470, 1.430),
}
LANDMARKS: tuple[str, ...] = tuple(_MIDDLE) + tuple(
    f"{side}_{name}" for name in _PAIRED for side in ("left", "right")
)
# The lips meet along this curve, from the middle to a corner: |x| -> z in decimeters.  Whatever of
# the mouth's skin lies behind it is the inside of the mouth.
_LIP_CURVE = ((0, 0.1, 0.14, 0.2, 0.25, 0.27), (1.512, 1.507, 1.475, 1.415, 1.36, 1.335))
_PALATE = (0.0, 6.957, 1.047)
# The face on the unmodified base mesh, in decimeters: in front of the ears, below the hairline and
# above the jaw, which rises backward from the chin.
_FACE_BACK, _HAIRLINE = 0.75, 8.05
_CHIN_HEIGHT, _CHIN_FRONT, _JAW_RISE = 6.19, 1.43, 0.48


class Library:
    """Shared geometry; read on first use, kept for all people of the process."""

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self.base = BaseMesh.read(assets.mpfb2)
        self.textures = Textures(assets)
        targets = assets.expression_targets()
        self.expressions: tuple[str, ...] = tuple(sorted(targets))
        self.expression_offsets = np.stack([targets[name] for name in self.expressions])  # [K,V,3]
        self._proxies: dict[tuple[str, str], Proxy] = {}

    def proxy(self, kind: str, name: str) -> Proxy:
        """A fitted piece, e.g. ``("hair", "short01")``; ``("eyes", ...)`` is the eye mesh."""
        key = (kind, name)
        if key not in self._proxies:
            if kind == "eyes":
                path = self.assets.makehuman / "proxies/eyes/HighPolyEyes/HighPolyEyes.json"
                self._proxies[key] = read_proxy_json(path)
            else:
                self._proxies[key] = read_proxy(self.assets.proxy_file(kind, name))
        return self._proxies[key]

    @cached_property
    def eye_vertices(self) -> dict[str, np.ndarray]:
        """Vertices of the eyeball helpers by side; their mean is the eye's center."""
        sides = {"left": "helper-l-eye", "right": "helper-r-eye"}
        return {side: self.base.helper(name) for side, name in sides.items()}

    @cached_property
    def landmark_vertices(self) -> np.ndarray:
        """Base mesh vertex of every name in LANDMARKS: [L]."""
        mirror = np.array([-1.0, 1.0, 1.0])
        points = [np.array(point) for point in _MIDDLE.values()]
        for point in _PAIRED.values():
            points += [np.array(point), np.array(point) * mirror]
        body = np.unique(self.base.body[:, :, 0])
        return body[cKDTree(self.base.vertices[body]).query(np.array(points))[1]]

    @cached_property
    def mouth_inside(self) -> np.ndarray:
        """[V] bool: body vertices of the mouth cavity, found by flooding from the palate."""
        vertices = self.base.vertices
        limit = np.interp(np.abs(vertices[:, 0]), *_LIP_CURVE)
        allowed = vertices[:, 2] < limit
        faces = self.base.body[:, :, 0]
        faces = faces[allowed[faces].all(1)]
        body = np.unique(self.base.body[:, :, 0])
        inside = np.zeros(len(vertices), bool)
        inside[body[cKDTree(vertices[body]).query(_PALATE)[1]]] = True
        count = 0
        while inside.sum() != count:
            count = inside.sum()
            inside[faces[inside[faces].any(1)]] = True
        return inside

    @cached_property
    def face(self) -> np.ndarray:
        """[V] bool: vertices of the face, from hairline to jaw, without ears and neck."""
        _, height, front = self.base.vertices.T
        jaw = _CHIN_HEIGHT + _JAW_RISE * (_CHIN_FRONT - front)
        outside = (front > _FACE_BACK) & (height < _HAIRLINE) & (height > jaw)
        return outside | self.mouth_inside

    def expression_rows(self, weights: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
        """Indices and values of the non-zero expression weights; unknown names are an error."""
        rows, values = [], []
        for name, value in weights.items():
            if name not in self.expressions:
                raise ValueError(f"expression {name!r} is unknown; known: {self.expressions}")
            if abs(value) > 1e-4:
                rows.append(self.expressions.index(name))
                values.append(value)
        return np.array(rows, np.int64), np.array(values, np.float32)
