"""Small operations on feature maps and pictures that the embedded networks share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection: [B, D, H, W] -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(math.gcd(8, width), width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.first(F.relu(self.norm(x))), inplace=True)
        return x + self.second(hidden)


def spread(feature: Tensor, count: int) -> Tensor:
    """One copy of each portrait's feature [B, ...] per group or frame: [count, ...]."""
    if feature.shape[0] == 1:
        return feature.expand(count, *feature.shape[1:])
    return feature.repeat_interleave(count // feature.shape[0], dim=0)


def look_up(maps: Tensor, places: Tensor) -> Tensor:
    """Maps of the portraits [B, D, H, W] at ``places`` [M, 2, h, w] in -1..1: [M, D, h, w].

    The M / B frames of a portrait follow each other. They are looked up as one tall picture,
    because a copy of each portrait for each of its frames would cost more than the look-up.
    """
    portraits, count = len(maps), len(places)
    positions = places.permute(0, 2, 3, 1)
    if portraits == 1:  # an expanded map is no copy, and the frames are spread over the cores
        maps = maps.expand(count, -1, -1, -1)
        return F.grid_sample(maps, positions, padding_mode="border", align_corners=False)
    tall = positions.unflatten(0, (portraits, -1)).flatten(1, 2)
    found = F.grid_sample(maps, tall, padding_mode="border", align_corners=False)
    found = found.unflatten(2, (count // portraits, -1)).transpose(1, 2)
    return found.flatten(0, 1)


def cut(maps: Tensor | list[Tensor], windows: Tensor) -> Tensor:
    """Parts of ``maps`` (N of [D, H, W]) at ``windows`` [N, 4] (top, left, height, width)."""
    return torch.stack(
        [
            each[:, top : top + height, left : left + width]
            for each, (top, left, height, width) in zip(maps, windows.tolist(), strict=True)
        ]
    )


def identity_grid(like: Tensor) -> Tensor:
    """Grid [1, H, W, 2] that samples every place of ``like`` [B, D, H, W] from itself."""
    height, width = like.shape[-2:]
    rows, columns = middles(height, like), middles(width, like)
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]


def places_of(offset: Tensor) -> Tensor:
    """Where each place looks with a flow ``offset`` [B, 2, H, W], -1..1: the same shape."""
    return identity_grid(offset).permute(0, 3, 1, 2) + offset


def middles(count: int, like: Tensor) -> Tensor:
    """Middles of ``count`` cells along a side, -1..1; device and type are those of ``like``."""
    return (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) * (2 / count) - 1
