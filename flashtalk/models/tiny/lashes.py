"""The line of lashes on lids that shut, as dark as the portrait's own.

Lids are painted over eyes together with the lashes around them, from the skin beside. Renders have
thin lashes, so painters put hardly any back, and shut eyes of photographs look swollen. Where a lid
comes to rest is known: on the lower lid of the portrait. Letters: B portraits, M frames, L
landmarks, h x w pixels of a crop.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from flashtalk.models.tiny.crops import BlendedCrops
from flashtalk.models.tiny.face_code import LANDMARKS, eye_middle, eye_width
from flashtalk.models.tiny.maps import identity_grid, repeat_per_frame
from flashtalk.models.tiny.opening import MIN_HALF_WIDTH
from flashtalk.models.tiny.origin import SHARE
from flashtalk.models.tiny.tone import luma_of, masked_quantile, medians

PIXEL = 2 / 256  # picture units
DARKEST = 0.2  # quantile of the luma near the upper lid up to which pixels are lashes
NEAR_LID = 2.5 * PIXEL  # lashes lie no farther from the upper lid
THICKNESS = 0.1  # deviation of the line, in half widths of an eye
LEAST_THICKNESS = PIXEL
STRENGTH = 0.85  # of the line: skin shows between lashes
REST = (0.5, 0.85)  # lost shares of an eye's gap: the line begins, is complete


@dataclass(frozen=True)
class Lashes:
    """Both eyes of B portraits, left before right, in picture units."""

    middle: Tensor
    """[B, 2, 2] between the corners."""
    along: Tensor
    """[B, 2, 2] unit vector from corner to corner, to the right."""
    half_width: Tensor
    """[B, 2]"""
    upper: Tensor
    """[B, 2] how far the upper lid lies below the middle: negative in open eyes."""
    lower: Tensor
    """[B, 2] how far below it shut lids come to rest."""
    color: Tensor
    """[B, 2, 3] of the lashes, in [-1, 1]."""

    @classmethod
    def of(cls, portrait: Tensor, points: Tensor) -> Lashes:
        """``portrait`` [B, 3, H, W] in [-1, 1] with landmarks ``points`` [B, L, 2]."""
        eyes = [_eye_of(portrait, points, side) for side in ("left", "right")]
        parts = ([getattr(eye, each.name) for eye in eyes] for each in fields(cls))
        return cls(*(torch.stack(both, dim=1) for both in parts))

    def of_frames(self, count: int) -> Lashes:
        """Of each eye of ``count`` frames, the M / B of a portrait in a row: [2 M, ...]."""
        every = (repeat_per_frame(getattr(self, each.name), count) for each in fields(self))
        return Lashes(*(each.flatten(0, 1) for each in every))

    def across(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """``places`` [M, 2, h, w] as way along the eye in half widths, and below its middle."""
        x, y = (places - self.middle[..., None, None]).unbind(dim=1)
        right, down = (each[..., None, None] for each in self.along.unbind(dim=-1))
        way = (x * right + y * down) / self.half_width[..., None, None]
        return way, y * right - x * down

    def line(self, places: Tensor) -> Tensor:
        """How dark shut lids are at ``places`` [M, 2, h, w] of the portrait, 0..1: [M, 1, h, w]."""
        way, below = self.across(places)
        away = below - self.lower[:, None, None] * _arch(way)
        thickness = (THICKNESS * self.half_width).clamp(min=LEAST_THICKNESS)[:, None, None]
        ends = (1.0 - way.pow(6)).clamp(min=0.0)
        return (STRENGTH * ends * torch.exp(-(away / thickness).square() / 2))[:, None]


def draw_lashes(crops: BlendedCrops, lashes: Lashes, places: Tensor, rest: Tensor) -> BlendedCrops:
    """``crops`` of M eyes that are shut as far as ``rest`` [M] says, 0..1, with their line.

    ``places`` [M, 2, h, w] say where their pixels are in the portrait.
    """
    share = rest[:, None, None, None] * lashes.line(places)
    picture = torch.lerp(crops.picture, lashes.color[..., None, None], share)
    origin = crops.origin.clone()
    origin[:, SHARE] *= 1.0 - share
    return replace(crops, picture=picture, origin=origin)


def _eye_of(portrait: Tensor, points: Tensor, side: str) -> Lashes:
    """One eye of each portrait: [B, ...]."""
    at = {
        each: points[:, LANDMARKS.index(f"{side}_eye_{each}")]
        for each in ("outer", "inner", "upper", "lower")
    }
    middle, half_width = eye_middle(points, side), eye_width(points, side) / 2
    half_width = half_width.clamp(min=MIN_HALF_WIDTH)
    along = at["outer"] - at["inner"]
    along = torch.where(along[:, :1] < 0.0, -along, along)
    along = along / along.norm(dim=-1, keepdim=True).clamp(min=MIN_HALF_WIDTH)
    right, down = along.unbind(dim=-1)

    def below(lid: Tensor) -> Tensor:
        return (lid - middle)[:, 1] * right - (lid - middle)[:, 0] * down

    upper, lower = below(at["upper"]), below(at["lower"])
    lower = torch.maximum(lower, (lower - upper) / 2)  # at least half of the way that lids have
    eye = Lashes(middle, along, half_width, upper, lower, points.new_zeros(len(points), 3))
    way, height = eye.across(identity_grid(portrait).permute(0, 3, 1, 2))
    near = (height - upper[:, None, None] * _arch(way)).abs() < NEAR_LID
    near &= way.abs() < 1.0
    colors = (portrait + 1.0) / 2.0
    luma = luma_of(colors)[:, 0]
    near &= luma <= masked_quantile(luma, near, DARKEST)[:, None, None]
    return replace(eye, color=2.0 * medians(colors, near) - 1.0)


def _arch(way: Tensor) -> Tensor:
    """The height of a lid along an eye, in that of its middle."""
    return (1.0 - way.square()).clamp(min=0.0).sqrt()
