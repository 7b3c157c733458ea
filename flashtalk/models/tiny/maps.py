"""Operations on feature maps and pictures that the embedded networks share.

Places are in grid_sample's coordinates: -1..1 from edge to edge, so a picture is 2 wide and 2 high
("picture units"). Letters: B portraits, M frames with M / B of each portrait in a row, D channels,
H x W and h x w cells.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPAINT_REACH = 1 / 8  # of a side: at this distance a color counts exp(-1/2) times as much


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection: [B, D, H, W] -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(math.gcd(8, width), width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.first(F.relu(self.norm(x))), inplace=True)
        return x + self.second(hidden)


def repeat_per_frame(feature: Tensor, count: int) -> Tensor:
    """One copy of each portrait's feature [B, ...] for each of its frames: [count, ...]."""
    if feature.shape[0] == 1:
        return feature.expand(count, *feature.shape[1:])
    return feature.repeat_interleave(count // feature.shape[0], dim=0)


def warp(maps: Tensor, grid: Tensor) -> Tensor:
    """Samples maps of the portraits [B, D, H, W] at ``grid`` [M, 2, h, w]: [M, D, h, w].

    Several portraits are sampled as one tall picture per portrait. A copy of each portrait for each
    of its frames would cost more than the sampling.
    """
    portraits, count = len(maps), len(grid)
    positions = grid.permute(0, 2, 3, 1)
    if portraits == 1:  # an expanded map is no copy, and the frames are spread over the cores
        maps = maps.expand(count, -1, -1, -1)
        return F.grid_sample(maps, positions, padding_mode="border", align_corners=False)
    tall = positions.unflatten(0, (portraits, -1)).flatten(1, 2)
    sampled = F.grid_sample(maps, tall, padding_mode="border", align_corners=False)
    sampled = sampled.unflatten(2, (count // portraits, -1)).transpose(1, 2)
    return sampled.flatten(0, 1)


def crop(maps: Tensor | list[Tensor], boxes: Tensor) -> Tensor:
    """Cuts ``boxes`` [N, 4] (top, left, height, width) out of N ``maps`` [D, H, W]."""
    return torch.stack(
        [
            each[:, top : top + height, left : left + width]
            for each, (top, left, height, width) in zip(maps, boxes.tolist(), strict=True)
        ]
    )


def identity_grid(like: Tensor) -> Tensor:
    """Grid [1, H, W, 2] that samples every place of ``like`` [B, D, H, W] from itself."""
    height, width = like.shape[-2:]
    rows, columns = cell_centers(height, like), cell_centers(width, like)
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]


def in_ellipse(center: Tensor, half_size: Tensor, like: Tensor) -> Tensor:
    """Which places of ``like`` [B, D, H, W] lie in ellipses: bool [B, H, W].

    Their ``center`` and ``half_size`` [B, 2] are in picture units, x before y.
    """
    height, width = like.shape[-2:]
    half_size = half_size.clamp(min=1e-3)

    def squared(count: int, axis: int) -> Tensor:
        places = cell_centers(count, like) - center[:, axis, None]
        return (places / half_size[:, axis, None]).square()

    return squared(width, 0)[:, None] + squared(height, 1)[:, :, None] < 1.0


def flow_to_grid(flow: Tensor) -> Tensor:
    """Backward flow [B, 2, H, W] in picture units -> sampling grid of the same shape, x before y.

    Place p of a frame shows what the portrait has at p + flow(p).
    """
    return identity_grid(flow).permute(0, 3, 1, 2) + flow


def cell_centers(count: int, like: Tensor) -> Tensor:
    """Centers [count] of the cells along a side, -1..1, with device and type of ``like``."""
    return (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) * (2 / count) - 1


def fading(way: Tensor) -> Tensor:
    """Smoothly from 1 at ``way`` 0 and below to 0 at 1 and above."""
    way = way.clamp(0.0, 1.0)
    return 1.0 - way * way * (3.0 - 2.0 * way)


def inpaint(pictures: Tensor, mask: Tensor) -> Tensor:
    """Replaces what ``mask`` [M, 1, h, w] covers (0..1) in ``pictures`` [M, 3, h, w].

    The nearer a visible color, the more it counts (normalized convolution: Knutsson and Westin
    1993).
    """
    visible = 1.0 - mask
    down, across = (_gaussian_matrix(side, pictures) for side in pictures.shape[-2:])
    around = down @ torch.cat((pictures * visible, visible), dim=1) @ across
    return pictures * visible + mask * around[:, :3] / around[:, 3:].clamp(min=1e-4)


def _gaussian_matrix(side: int, like: Tensor) -> Tensor:
    """Weights [side, side] between any two pixels of a line, 1 between a pixel and itself."""
    places = torch.arange(side, device=like.device, dtype=like.dtype)
    return torch.exp(-((places[:, None] - places) * (1 / (INPAINT_REACH * side))).square() / 2)
