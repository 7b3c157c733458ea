"""The mouth, painted close up: the part of the decoder that lips and teeth are drawn by.

Used by :class:`flashtalk.models.autoencoder.Decoder`. The rest of the decoder works on cells of 8
pixels, in which two lips are one thing; it warps a closed mouth about but never opens it. Here a
window around the mouth is drawn at full resolution from what the latents say of it in numbers:

    latents  -> gap, height, width, corners, jaw --.
    portrait -> place, moved along the flow -------+--> lens of the opening --> finer flow,
    portrait, warped along the flow -------------------------------------> veil and color

    picture = (1 - veil) * portrait(finer flow) + veil * color

The *lens* is the shape between two lips of that gap and width. It is given to the network, which
then need not invent geometry. The numbers are averages over a dozen cells, so noise of single cells
hardly moves the lips; the place is the portrait's own, carried along by the same flow that carries
the lips' pixels, so the two cannot part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.models.face_code import MOUTH, MOUTH_SIGMA, UNITS, brush, index_of

FINE = 4  # pixels along a side that share one place of the network
FLOW_SCALE = 0.02  # picture units per unit of the predicted finer flow
EDGE = 0.03  # softness of the lens, picture units (the picture is 2 wide)


@dataclass(frozen=True)
class MouthPlace:
    """Where a mouth is and how wide and open, for M pictures; picture units (2 wide)."""

    center: Tensor
    """[M, 2] x, y in -1..1."""
    numbers: Tensor
    """[M, 5] gap, height, width, corner, jaw, in units of their spread."""

    @property
    def half_width(self) -> Tensor:
        """[M]"""
        rest, spread = UNITS["lip_width"]
        width = self.numbers[:, MOUTH.index("lip_width")] * spread + rest
        return (width / 2).clamp(min=0.03)

    @property
    def half_gap(self) -> Tensor:
        """[M]"""
        rest, spread = UNITS["lip_gap"]
        return ((self.numbers[:, MOUTH.index("lip_gap")] * spread + rest) / 2).clamp(min=0.0)


def read_center(code: Tensor, feature: str = "lip_width") -> Tensor:
    """Where the mouth (or another ``feature``) is painted in codes [M, features, h, w].

    [M, 2] in -1..1; of both eyes, the middle.
    """
    paint = code[:, index_of(feature)]
    height, width = paint.shape[-2:]
    # below a quarter of the peak there is more noise than paint
    paint = (paint - 0.25 * paint.amax(dim=(1, 2), keepdim=True)).clamp(min=0.0)
    total = paint.sum(dim=(1, 2)).clamp(min=1e-6)
    x = (paint.sum(dim=1) * middles(width, code)).sum(dim=1) / total
    y = (paint.sum(dim=2) * middles(height, code)).sum(dim=1) / total
    return torch.stack((x, y), dim=1)


def read_place(code: Tensor) -> MouthPlace:
    """The mouths painted in codes [M, features, h, w], their numbers by a matched filter."""
    height, width = code.shape[-2:]
    center = read_center(code)
    mask = brush(center, MOUTH_SIGMA, (height, width))[:, None]
    painted = code[:, [index_of(name) for name in MOUTH]]
    numbers = (painted * mask).sum(dim=(2, 3)) / mask.square().sum(dim=(2, 3)).clamp(min=1e-6)
    return MouthPlace(center, numbers)


def middles(count: int, like: Tensor) -> Tensor:
    """Middles of ``count`` cells along a side, -1..1."""
    return (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) * (2 / count) - 1


def follow(offset: Tensor, target: Tensor) -> Tensor:
    """The place p [M, 2] of a frame whose flow leads to ``target`` [M, 2]: p + offset(p) = target.

    ``offset`` is [M, 2, H, W]. The flow is smooth, so three steps of substitution settle it.
    """
    place = target
    for _ in range(3):
        moved = F.grid_sample(
            offset, place[:, None, None], padding_mode="border", align_corners=False
        )
        place = (target - moved[:, :, 0, 0]).clamp(-1.0, 1.0)
    return place


def lens(place: MouthPlace, x: Tensor, y: Tensor) -> Tensor:
    """How far inside the opening each point (x, y) [M, H, W] lies, -1..1; 0 on its edge."""
    across = (x - place.center[:, 0, None, None]) / place.half_width[:, None, None]
    # not down to 0, where the root is infinitely steep
    half = place.half_gap[:, None, None] * (1.0 - across.square()).clamp(min=1e-4).sqrt()
    beyond = EDGE * (across.abs() - 1.0).clamp(min=0.0)  # left and right of the corners
    inside = half - (y - place.center[:, 1, None, None]).abs() - beyond
    return (inside / EDGE).clamp(-1.0, 1.0)


@dataclass(frozen=True)
class PaintedMouth:
    """Windows around M mouths, and what they were mixed of; training looks at the parts."""

    picture: Tensor
    """[M, 3, h, w]"""
    veil: Tensor
    """[M, 1, h, w] share of ``color``, before the sigmoid: what lies between the lips."""
    color: Tensor
    """[M, 3, h, w]"""


class MouthPainter(nn.Module):
    """Draws a window around the mouth of each picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        numbers = len(MOUTH)
        self.shift = nn.Linear(numbers, 2)
        self.known = nn.Sequential(
            nn.Linear(numbers, width), nn.ReLU(), nn.Linear(width, 3 * width)
        )
        self.first = nn.Conv2d(FINE * FINE * 4 + 2, width, 3, padding=1)
        self.norm = nn.GroupNorm(math.gcd(8, width), width)
        self.wide = nn.Conv2d(width, width, 3, padding=2, dilation=2)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.last_norm = nn.GroupNorm(math.gcd(8, width), width)
        self.flow = nn.Conv2d(width, 2, 3, padding=1)
        self.paint = nn.Conv2d(width, FINE * FINE * 4, 3, padding=1)
        self.lens_gain = nn.Parameter(torch.tensor(3.0))
        for layer in (self.first, self.wide, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        for layer in (self.shift, self.flow, self.paint):
            nn.init.normal_(layer.weight, std=1e-3)
            nn.init.zeros_(layer.bias)

    @staticmethod
    def window_of(height_px: int, width_px: int) -> tuple[int, int]:
        """Rows and columns of the window in a picture: a quarter high, three eighths wide."""
        return height_px // 4, width_px * 3 // 8

    def forward(
        self,
        place: MouthPlace,
        positions: Tensor,
        portrait: Tensor,
        corners: Tensor,
        size: tuple[int, int],
    ) -> PaintedMouth:
        """The windows of M pictures.

        ``positions`` [M, h, w, 2] say where in the portraits [M, 3, ...] the coarse flow looks for
        each pixel; ``corners`` [M, 2] are the top left pixels of the windows in pictures of
        ``size`` = (H, W).
        """
        rows, columns = positions.shape[1:3]
        height, width = size
        # the opening is not quite where the lips are: how much lower follows from the numbers
        place = MouthPlace(place.center + 0.1 * self.shift(place.numbers), place.numbers)
        x = corners[:, 1, None] + torch.arange(columns, device=corners.device) + 0.5
        y = corners[:, 0, None] + torch.arange(rows, device=corners.device) + 0.5
        x, y = x.to(positions) * (2 / width) - 1, y.to(positions) * (2 / height) - 1
        x, y = x[:, None].expand(-1, rows, -1), y[:, :, None].expand(-1, -1, columns)
        opening = lens(place, x, y)[:, None]
        copied = F.grid_sample(portrait, positions, padding_mode="border", align_corners=False)
        from_middle = torch.stack((x, y), dim=1) - place.center[:, :, None, None]
        where = F.avg_pool2d(from_middle / place.half_width[:, None, None, None], FINE)
        seen = F.pixel_unshuffle(torch.cat((copied, opening), dim=1), FINE)

        hints = self.known(place.numbers)[:, :, None, None].chunk(3, dim=1)
        hidden = self.first(torch.cat((seen, where.clamp(-3.0, 3.0)), dim=1)) + hints[0]
        update = F.relu(self.norm(hidden) + hints[1])
        update = self.second(F.relu(self.wide(update)))
        hidden = F.relu(self.last_norm(hidden + update) + hints[2])

        finer = F.interpolate(
            self.flow(hidden), scale_factor=FINE, mode="bilinear", align_corners=False
        )
        moved = positions + FLOW_SCALE * finer.permute(0, 2, 3, 1)
        warped = F.grid_sample(portrait, moved, padding_mode="border", align_corners=False)
        painted = F.pixel_shuffle(self.paint(hidden), FINE)
        veil = painted[:, 3:] + self.lens_gain * opening - 1.0
        color = painted[:, :3]
        return PaintedMouth(warped + torch.sigmoid(veil) * (color - warped), veil, color)


def window_corners(center: Tensor, height_px: int, width_px: int) -> Tensor:
    """Top left pixels [M, 2] (row, column) of windows around ``center`` [M, 2], kept inside."""
    rows, columns = MouthPainter.window_of(height_px, width_px)
    left = ((center[:, 0] + 1) / 2 * width_px - columns / 2).round().clamp(0, width_px - columns)
    top = ((center[:, 1] + 1) / 2 * height_px - rows / 2).round().clamp(0, height_px - rows)
    return torch.stack((top, left), dim=1).long()


def soft_edges(rows: int, columns: int, like: Tensor) -> Tensor:
    """[1, 1, rows, columns] share of the window's picture: 1 inside, fading to 0 at its border."""

    def fade(count: int) -> Tensor:
        rim = max(1, count // 6)
        distance = torch.arange(count, device=like.device, dtype=like.dtype) + 0.5
        distance = torch.minimum(distance, count - distance)
        return (distance / rim).clamp(max=1.0)

    return (fade(rows)[:, None] * fade(columns)[None])[None, None]
