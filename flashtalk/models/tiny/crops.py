"""Crops of frames: painters draw them, and they fade into the frames around them.

Used by :mod:`flashtalk.models.tiny.decoder`. Letters: M frames, k features in each (one mouth, two
eyes), the k of a frame in a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flashtalk.models.tiny.feature_state import FeatureState
from flashtalk.models.tiny.maps import crop
from flashtalk.models.tiny.origin import ORIGIN_CHANNELS
from flashtalk.models.tiny.painter import FeaturePainter, PaintedCrops


@dataclass(frozen=True)
class BlendedCrops:
    """Crops around k features in each of M frames, and where they belong."""

    picture: Tensor
    """[k M, 3, rows, columns]"""
    origin: Tensor
    """[k M, 6, rows, columns] what of it is the portrait's."""
    boxes: Tensor
    """[k M, 4] top, left, rows, columns."""


FADE_SHARE = 6  # a crop fades over the sixth part of its side


def paint_crops(
    painter: FeaturePainter,
    state: FeatureState,
    grid: Tensor,
    source: Tensor,
    identity_code: Tensor | None = None,
    tone: Tensor | None = None,
) -> tuple[PaintedCrops, Tensor]:
    """Paints k M features of M frames with sampling ``grid`` [M, 2, H, W], and says where.

    ``source`` [B, 3, 2H, 2W] is what the grid samples; ``identity_code`` and ``tone`` as for
    :meth:`FeaturePainter.forward`. -> crops, and their boxes [k M, 4].
    """
    size = (grid.shape[-2], grid.shape[-1])
    boxes = painter.boxes(state.frame.center, *size)
    grids = crop_grid(grid, boxes)
    return painter(state, grids, source, boxes, size, identity_code, tone), boxes


def crop_grid(grid: Tensor, boxes: Tensor) -> Tensor:
    """``grid`` [M, 2, H, W] inside ``boxes`` [k M, 4]: [k M, 2, rows, columns]."""
    each = len(boxes) // len(grid)
    return crop([grid[index // each] for index in range(len(boxes))], boxes)


def blend_painters(
    state: FeatureState,
    painters: tuple[FeaturePainter, FeaturePainter],
    share: Tensor,
    shown: Tensor,
    grid: Tensor,
    source: Tensor,
    tone: Tensor | None = None,
) -> BlendedCrops:
    """Two painters draw k M features, the second with a ``share`` [k M] in 0..1.

    A painter draws only the frames that it has a share in. Frames that are not ``shown`` [k M] are
    black. ``tone`` is [k M, 5].
    """
    size = (grid.shape[-2], grid.shape[-1])
    boxes = painters[0].boxes(state.frame.center, *size)
    each = len(boxes) // len(grid)
    pictures = grid.new_zeros(len(boxes), 3, *painters[0].crop_px(*size))
    origins = grid.new_zeros(len(boxes), ORIGIN_CHANNELS, *painters[0].crop_px(*size))
    for painter, part in zip(painters, (1.0 - share, share), strict=True):
        frames = (part * shown).unflatten(0, (-1, each)).amax(dim=1).nonzero()[:, 0]
        if len(frames) == 0:
            continue
        if len(source) > 1:  # all portraits keep as many frames each
            frames = torch.arange(len(grid), device=grid.device)
        # usually these are all frames, and nothing is copied
        grids = grid if len(frames) == len(grid) else grid[frames]
        features = (frames[:, None] * each + torch.arange(each, device=frames.device)).flatten()
        chosen = None if tone is None else tone[features]
        painted, _ = paint_crops(painter, state.select(features), grids, source, tone=chosen)
        weight = part[features, None, None, None]
        pictures = pictures.index_add(0, features, weight * painted.picture)
        origins = origins.index_add(0, features, weight * painted.origin)
    return BlendedCrops(pictures, origins, boxes)


def paste_crops(frames: Tensor, crops: Tensor, boxes: Tensor, shown: Tensor) -> None:
    """Puts ``crops`` [k M, D, h, w] into M ``frames`` at ``boxes`` [k M, 4], in place.

    ``shown`` [k M] is the share of each crop, 0..1.
    """
    each = len(crops) // len(frames)
    rows, columns = crops.shape[-2:]
    share = crop_fade(rows, columns, crops)[0]
    for index, (top, left, _, _) in enumerate(boxes.tolist()):
        frame = frames[index // each]
        place = frame[:, top : top + rows, left : left + columns]
        place.lerp_(crops[index], share * shown[index])


def crop_fade(rows: int, columns: int, like: Tensor) -> Tensor:
    """Weight [1, 1, rows, columns] of a crop in its frame: 1 inside, falling to 0 at its border."""

    def fade(count: int) -> Tensor:
        rim = max(1, count // FADE_SHARE)
        distance = torch.arange(count, device=like.device, dtype=like.dtype) + 0.5
        distance = torch.minimum(distance, count - distance)
        return (distance / rim).clamp(max=1.0)

    return (fade(rows)[:, None] * fade(columns)[None])[None, None]
