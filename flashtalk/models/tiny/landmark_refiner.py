"""Lips and lids, looked at again from near: what the face reader finds there, several times finer.

Used by :class:`flashtalk.models.tiny.landmarks.FaceReader`, whose heat maps have cells of 8 pixels
of 256: it says where a mouth is, but not well how far it is open, and the gap of a portrait's lips
decides which of its pixels are teeth. Here a part of the picture around each feature, upright and
of the same size in every face, is read by heat maps with cells of about two pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.models.tiny.face_code import LANDMARKS, NEAREST_EYES, eye_middle, mouth_middle
from flashtalk.models.tiny.maps import ResidualBlock, identity_grid

STRIDE = 8  # pixels of a view that share one place of the network's coarsest map


@dataclass(frozen=True)
class View:
    """What a second look is taken of, in distances of the eyes."""

    names: tuple[str, ...]
    """Landmarks that are read in it; those of an eye without their side."""
    half_size: tuple[float, float]
    """Half height and half width."""
    pixels: tuple[int, int]
    """Rows and columns."""

    def __post_init__(self) -> None:
        if any(count % STRIDE for count in self.pixels):
            raise ValueError(f"a view must have multiples of {STRIDE} pixels, got {self.pixels}")


MOUTH_VIEW = View(
    tuple(name for name in LANDMARKS if "lip" in name or "mouth" in name),
    half_size=(0.6, 0.8),
    pixels=(72, 96),
)
EYE_VIEW = View(("outer", "inner", "upper", "lower"), half_size=(0.3, 0.4), pixels=(40, 56))


def eye_names(side: str) -> tuple[str, ...]:
    """The landmarks of the ``left`` or ``right`` eye that are read, in the order of its view."""
    return tuple(f"{side}_eye_{name}" for name in EYE_VIEW.names)


LOOKED_AT = MOUTH_VIEW.names + eye_names("left") + eye_names("right")
"""Landmarks that are read again."""


@dataclass(frozen=True)
class Stand:
    """Where N views lie in their pictures; picture units (a picture is 2 wide)."""

    center: Tensor
    """[N, 2]."""
    across: Tensor
    """[N, 2]: from the middle of the view to its right edge."""
    down: Tensor
    """[N, 2]: to its lower edge."""

    def placed(self, inside: Tensor) -> Tensor:
        """Places ``inside`` the views [N, ..., 2], -1..1 from edge to edge, as picture units."""
        between = (len(self.center), *([1] * (inside.dim() - 2)), 2)
        center, across, down = (
            each.view(between) for each in (self.center, self.across, self.down)
        )
        return center + inside[..., :1] * across + inside[..., 1:] * down


def stands(points: Tensor, view: View, center: Tensor, mirrored: bool = False) -> Stand:
    """Views around ``center`` [N, 2] of faces with ``points`` [N, L, 2], level with their eyes.

    ``mirrored``, right is left: one network reads both eyes.
    """
    between = eye_middle(points, "left") - eye_middle(points, "right")  # left is on the right
    distance = between.norm(dim=-1, keepdim=True)
    # the nearer they are, the less they say what is level, until in one place they say nothing
    missing = (NEAREST_EYES - distance).clamp(min=0.0)
    across = between + missing * between.new_tensor([1.0, 0.0])
    across = across / across.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    down = torch.stack((-across[:, 1], across[:, 0]), dim=1)
    size = distance.clamp(min=NEAREST_EYES)
    half_height, half_width = view.half_size
    sign = -1.0 if mirrored else 1.0
    return Stand(center, sign * half_width * size * across, half_height * size * down)


class CloseReader(nn.Module):
    """Views -> the points that are to be found in them, by heat maps of half their size."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        thin, middle, wide = width * 3 // 8, width * 3 // 4, width * 3 // 2
        self.stem = nn.Conv2d(3, thin, 5, stride=2, padding=2)
        self.middle = nn.Conv2d(thin, middle, 3, stride=2, padding=1)
        self.middle_block = ResidualBlock(middle)
        self.coarse = nn.Conv2d(middle, wide, 3, stride=2, padding=1)
        self.coarse_blocks = nn.Sequential(ResidualBlock(wide), ResidualBlock(wide))
        self.to_middle = nn.Conv2d(wide + middle, middle, 1)
        self.up_middle = ResidualBlock(middle)
        self.to_fine = nn.Conv2d(middle + thin, thin, 1)
        self.up_fine = ResidualBlock(thin)
        self.heat = nn.Conv2d(thin, count, 1)

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, rows, columns] in [-1, 1] -> points [N, P, 2] in -1..1 and spread [N, P]."""
        fine = self.stem(views)
        middle = self.middle_block(self.middle(F.relu(fine)))
        coarse = self.coarse_blocks(self.coarse(F.relu(middle)))
        x = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        x = self.up_middle(self.to_middle(F.relu(torch.cat((x, middle), dim=1))))
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.up_fine(self.to_fine(F.relu(torch.cat((x, fine), dim=1))))
        return center_of(shares(self.heat(F.relu(x))), x)


class SecondLook(nn.Module):
    """Points of a face -> the same, those of mouth and eyes read again."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mouth = CloseReader(width, len(MOUTH_VIEW.names))
        self.eye = CloseReader(width, len(EYE_VIEW.names))

    def forward(self, pictures: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """``pictures`` [N, 3, H, W] in [-1, 1] and roughly known ``points`` [N, L, 2].

        -> points [N, L, 2], and the spread of those ``LOOKED_AT``. No gradient reaches the places
        of the views.
        """
        rough = points.detach()
        parts = [(self.mouth, MOUTH_VIEW, MOUTH_VIEW.names, mouth_middle(rough), False)]
        for side in ("left", "right"):
            middle = eye_middle(rough, side)
            parts.append((self.eye, EYE_VIEW, eye_names(side), middle, side == "right"))
        found = list(points.unbind(dim=1))
        spreads = []
        for network, view, names, center, mirrored in parts:
            stand = stands(rough, view, center, mirrored)
            inside, spread = network(seen(pictures, stand, view))
            for name, place in zip(names, stand.placed(inside).unbind(dim=1), strict=True):
                found[LANDMARKS.index(name)] = place
            spreads.append(spread)
        return torch.stack(found, dim=1), torch.cat(spreads, dim=1)


def seen(pictures: Tensor, stand: Stand, view: View) -> Tensor:
    """What ``pictures`` [N, 3, H, W] show at ``stand``: [N, 3, rows, columns]."""
    grid = identity_grid(pictures.new_empty(1, 1, *view.pixels)).expand(len(pictures), -1, -1, -1)
    return F.grid_sample(pictures, stand.placed(grid), padding_mode="border", align_corners=False)


def shares(heat: Tensor) -> Tensor:
    """Maps [N, P, h, w] of log-odds -> how much of each point lies in each cell, [N, P, h * w]."""
    return heat.flatten(2).softmax(dim=2)


def center_of(share: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`shares` on the grid of ``cells`` [N, D, h, w] -> centers [N, P, 2], variances [N, P].

    In -1..1 from edge to edge.
    """
    places = identity_grid(cells).flatten(0, 2)
    points = share @ places
    return points, share @ places.square().sum(dim=1) - points.square().sum(dim=2)
