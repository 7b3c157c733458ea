"""The opening between two lips or two lids, as a signed distance field.

The field tells the painter (:mod:`flashtalk.models.tiny.painter`) where the edges of a mouth or an
eye are. So no network has to invent geometry. All lengths are picture units: a picture is 2 wide.
Letters: M features, h x w pixels of a crop.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

SDF_UNIT = 0.03  # picture units per unit of the field
MIN_HALF_WIDTH = 0.03  # of a feature, picture units: no length below divides another
MAX_SKEW = 0.6  # a mouth with more is seen in profile
TURNED = (0.1, 0.25)  # skew that painters know from renders, and skew that counts in full
MAX_SLOPE = 0.7  # of the line between the corners: a head lies on its shoulder


@dataclass(frozen=True)
class Aperture:
    """The opening between two lips or two lids of M features, in picture units."""

    center: Tensor
    """[M, 2] x, y in -1..1."""
    half_width: Tensor
    """[M]"""
    half_gap: Tensor
    """[M] between the edges, in the middle."""
    slope: Tensor
    """[M] of the line between the corners: 0 is level, positive is lower on the right."""
    bend: Tensor
    """[M] how far the corners are below the center: negative in a smile."""
    skew: Tensor
    """[M] how much farther the right corner is than ``half_width``, and the left one nearer; a
    share of it. The far half of a mouth is short where a head is turned."""

    def across(self, x: Tensor) -> Tensor:
        """Places ``x`` [M, h, w] between the corners: -1 at the left one, 0 at the center, 1."""
        aside = x - self.center[:, 0, None, None]
        skew = self.skew.clamp(-MAX_SKEW, MAX_SKEW)[:, None, None]
        reach = 1.0 + torch.where(aside > 0, skew, -skew)
        return aside / (self.half_width[:, None, None] * reach)

    def shifted(self, shift: Tensor) -> Aperture:
        """The whole aperture moves by ``shift`` [M, 2]."""
        return replace(self, center=self.center + shift)

    def center_shifted(self, shift: Tensor) -> Aperture:
        """The center moves by ``shift`` [M, 2]; the corners keep their height."""
        return replace(self.shifted(shift), bend=self.bend - shift[:, 1])

    def select(self, index: Tensor) -> Aperture:
        """The apertures at ``index`` [K]."""
        return Aperture(*(getattr(self, field.name)[index] for field in fields(Aperture)))


def slope_of(direction: Tensor) -> Tensor:
    """Slope [M] of ``direction`` [M, 2], positive downward to the right; near 0 for a short one."""
    return direction[:, 0] * direction[:, 1] / (direction[:, 0].square() + MIN_HALF_WIDTH**2)


def skew_of(center: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Skew [M] of an opening whose corners are ``left`` and ``right`` [M, 2] of ``center`` [M, 2].

    Corners in the other order have the same. It is 0 where a head is hardly turned.
    """
    half_width = (right[:, 0] - left[:, 0]).abs().clamp(min=2 * MIN_HALF_WIDTH) / 2
    skew = ((left + right)[:, 0] / 2 - center[:, 0]) / half_width
    known, full = TURNED
    return skew * ((skew.abs() - known) / (full - known)).clamp(0.0, 1.0)


def edge_distances(aperture: Aperture, x: Tensor, y: Tensor) -> Tensor:
    """Signed distances of points to both edges, in units of ``SDF_UNIT``: [M, 2, h, w].

    The first channel is how far a point lies below the upper edge, the second how far above the
    lower. Both are negative outside. Beyond the corners both edges are one line. ``x`` and ``y``
    broadcast to [M, h, w].
    """
    aside = x - aperture.center[:, 0, None, None]
    across = aperture.across(x)
    # the clamp keeps off 0, where the root is infinitely steep
    half = aperture.half_gap[:, None, None] * (1.0 - across.square()).clamp(min=1e-4).sqrt()
    half = half - SDF_UNIT * (across.abs() - 1.0).clamp(min=0.0)
    # steeper corners are misread ones
    bend = aperture.bend.clamp(-aperture.half_width, aperture.half_width)
    bent = bend[:, None, None] * across.square().clamp(max=1.0)
    tilted = aperture.slope.clamp(-MAX_SLOPE, MAX_SLOPE)[:, None, None] * aside
    down = y - aperture.center[:, 1, None, None] - tilted - bent
    return torch.stack(((half + down) / SDF_UNIT, (half - down) / SDF_UNIT), dim=1)


def opening_sdf(edges: Tensor) -> Tensor:
    """:func:`edge_distances` [M, 2, h, w] -> field [M, 1, h, w] in -1..1, positive inside."""
    return torch.minimum(edges[:, :1], edges[:, 1:]).clamp(-1.0, 1.0)


def hidden_opening(portrait_sdf: Tensor, frame_sdf: Tensor, margin: float = 0.0) -> Tensor:
    """How far inside the portrait's opening and outside the frame's a point lies, from 0 up.

    Both fields are of :func:`opening_sdf`; ``margin`` widens both openings, in its units.
    """
    portrait, frame = ((sdf + margin).clamp(min=0.0) for sdf in (portrait_sdf, frame_sdf))
    return (portrait - frame).clamp(min=0.0)
