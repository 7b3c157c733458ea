"""Rotary position embedding over time, height and width.

The pairs of neighboring channels of a head are shared out among the three axes (Wan 2.1). Height
and width get a third of the pairs each, rounded down, time the rest. Angles are computed in float64
and stored as float32 cosines and sines (one complex number), once per grid.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor

BASE = 10_000.0
CACHED_GRIDS = 8

Grid = tuple[int, int, int]


def axis_angles(length: int, pairs: int) -> Tensor:
    """Angles [length, pairs] in float64 of positions 0 .. length - 1 along one axis."""
    exponents = torch.arange(pairs, dtype=torch.float64) / max(pairs, 1)
    return torch.outer(torch.arange(length, dtype=torch.float64), BASE**-exponents)


def grid_angles(grid: Grid, head_dim: int) -> Tensor:
    """Angles [L, head_dim / 2] in float64 of the tokens of ``grid`` (T, H, W), width fastest."""
    pairs = head_dim // 2
    spatial = pairs // 3
    frames, rows, columns = grid
    time = axis_angles(frames, pairs - 2 * spatial)[:, None, None]
    height = axis_angles(rows, spatial)[None, :, None]
    width = axis_angles(columns, spatial)[None, None, :]
    parts = [angles.expand(*grid, angles.shape[-1]) for angles in (time, height, width)]
    return torch.cat(parts, dim=-1).flatten(0, 2)


class RotaryTables:
    """The rotations of the last few grids, per device. No parameters: not part of a checkpoint."""

    def __init__(self, head_dim: int) -> None:
        self.head_dim = head_dim
        self._tables: OrderedDict[tuple[Grid, torch.device], Tensor] = OrderedDict()

    def of(self, grid: Grid, device: torch.device) -> Tensor:
        """Unit complex numbers [L, 1, D / 2] on ``device``, from the cache if seen before."""
        key = (grid, device)
        rotation = self._tables.get(key)
        if rotation is None:
            # A table first made under inference mode could not be used by a later backward pass.
            with torch.inference_mode(False), torch.no_grad():
                angles = grid_angles(grid, self.head_dim)
                rotation = torch.polar(torch.ones_like(angles), angles)[:, None]
                rotation = rotation.to(device, torch.complex64)
            self._tables[key] = rotation
            while len(self._tables) > CACHED_GRIDS:
                self._tables.popitem(last=False)
        return rotation


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turns the channel pairs (2i, 2i+1) of ``x`` [B, L, N, D] by the angles of their token."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotation).flatten(-2).to(x.dtype)
