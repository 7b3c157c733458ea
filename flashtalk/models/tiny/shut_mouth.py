"""Shuts a mouth that is wide open in the portrait, by a warp: a session begins with lips at rest.

Painters cover the teeth of a smile with lips. A wide open mouth is more than they can cover. Its
lower lip hangs where a shut mouth has a chin. So the picture itself raises the jaw. What lies
between the lips vanishes, lower lip and chin move up, and neck and upper lip lengthen to follow.

Places are face coordinates (u, v) to the right and down from the middle between the inner lips.
They are in distances of the eyes and level with them. Letters: B portraits, L landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flashtalk.models.tiny.face_code import LANDMARKS, NEAREST_EYES, eye_middle
from flashtalk.models.tiny.maps import fading, flow_to_grid, identity_grid, warp
from flashtalk.models.tiny.warpable import warpable

WIDE_GAP = 0.2  # between inner lips, from which on a mouth is shut
# Of photographs with lips apart by more than 0.3, 95 in 100 have a lower lip below 0.21: a reading
# of a thicker one takes the edge of the tongue for its inner edge.
THICK_LIP = 0.21
THIN_LIP = 0.07
UPPER_SHARE = 0.25  # of the gap that the upper lip closes; the jaw closes the rest
UPPER_REACH = 0.4  # over which the face above the lips follows
JAW_HALF_WIDTH = 1.0  # over which cheeks follow the jaw
NECK_REACH = 2.0  # over which the neck follows the chin, in the chin's own way
MIN_HALF_WIDTH = 0.1  # of a mouth


def shut_mouths(portrait: Tensor, points: Tensor, sure: Tensor) -> Tensor:
    """Portraits [B, 3, H, W] with landmarks ``points`` [B, L, 2] -> the same, wide mouths shut.

    Portraits come back as they are if their lips are less than ``WIDE_GAP`` apart. The same holds
    where ``sure`` [B] bool is false: nobody knows where these lips are.
    """
    wide = sure & wide_open(points)
    if not wide.any():
        return portrait
    flow = OpenMouth.of(points).raised_jaw(portrait)
    moved = (flow != 0.0).any(dim=1, keepdim=True) & wide[:, None, None, None]
    return torch.where(moved, warp(warpable(portrait), flow_to_grid(flow)), portrait)


def wide_open(points: Tensor) -> Tensor:
    """Whether the lips of faces with landmarks ``points`` [B, L, 2] are far apart: [B] bool."""
    return 2.0 * OpenMouth.of(points).half_gap > WIDE_GAP


@dataclass(frozen=True)
class OpenMouth:
    """The opening between the lips of B portraits, in face coordinates."""

    origin: Tensor
    """[B, 2] in the picture, picture units."""
    right: Tensor
    """[B, 2] picture units per unit of u."""
    down: Tensor
    """[B, 2] picture units per unit of v."""
    half_gap: Tensor
    """[B]"""
    half_width: Tensor
    """[B]"""
    corners: Tensor
    """[B] v of the corners."""
    chin: Tensor
    """[B] v of the chin."""

    @classmethod
    def of(cls, points: Tensor) -> OpenMouth:
        """The mouths of faces with landmarks ``points`` [B, L, 2]."""
        eyes = eye_middle(points, "left") - eye_middle(points, "right")  # left is on the right
        size = eyes.norm(dim=-1, keepdim=True)
        level = torch.where(size < NEAREST_EYES, eyes.new_tensor([NEAREST_EYES, 0.0]), eyes)
        down = torch.stack((-level[:, 1], level[:, 0]), dim=1)

        def along(axis: Tensor, way: Tensor) -> Tensor:
            return (way * axis).sum(dim=-1) / axis.square().sum(dim=-1)

        def landmark(name: str) -> Tensor:
            return points[:, LANDMARKS.index(name)]

        upper, inner, outer = map(
            landmark, ("inner_upper_lip", "inner_lower_lip", "outer_lower_lip")
        )
        wide = along(down, inner - upper) > WIDE_GAP
        thick = wide & (along(down, outer - inner) > THICK_LIP)
        inner = torch.where(thick[:, None], outer - THIN_LIP * down, inner)
        origin = (upper + inner) / 2
        corners = landmark("left_mouth_corner"), landmark("right_mouth_corner")
        return cls(
            origin=origin,
            right=level,
            down=down,
            half_gap=along(down, inner - upper).clamp(min=0.0) / 2,
            half_width=along(level, corners[0] - corners[1]).clamp(min=2 * MIN_HALF_WIDTH) / 2,
            corners=along(down, (corners[0] + corners[1]) / 2 - origin),
            chin=along(down, landmark("chin") - origin),
        )

    def raised_jaw(self, portrait: Tensor) -> Tensor:
        """Backward flow [B, 2, H, W] that shuts the mouths of ``portrait`` [B, 3, H, W]."""
        away = identity_grid(portrait) - self.origin[:, None, None]
        u, v = (
            (away * axis[:, None, None]).sum(dim=-1) / axis.square().sum(dim=-1)[:, None, None]
            for axis in (self.right, self.down)
        )
        half_gap, half_width, corners, chin = (
            each[:, None, None]
            for each in (self.half_gap, self.half_width, self.corners, self.chin)
        )
        # wide mouths are rounder than ellipses
        profile = (1.0 - (u / half_width).clamp(-1.0, 1.0) ** 4).sqrt()
        gap = 2.0 * half_gap * profile
        seam = corners * (1.0 - profile) - (0.5 - UPPER_SHARE) * gap  # where the shut lips meet
        upper = -UPPER_SHARE * gap * fading((seam - v) / UPPER_REACH)
        raised = 2.0 * (1.0 - UPPER_SHARE) * half_gap  # way of the chin
        chin = torch.maximum(chin - raised, seam + 0.1)
        jaw = raised * fading(u.abs() / JAW_HALF_WIDTH)
        lip = (1.0 - UPPER_SHARE) * gap
        lower = jaw + (lip - jaw) * fading((v - seam) / (chin - seam))
        lower = lower * fading((v - chin) / (NECK_REACH * raised).clamp(min=1e-3))
        shift = torch.where(v < seam, upper, lower)
        return self.down[:, :, None, None] * shift[:, None]
