"""Refines the landmarks of lips and lids on crops around them.

The heat maps of :class:`flashtalk.models.tiny.landmarks.FaceReader` have cells of 8 pixels of 256.
They say where a mouth is, but are too coarse for the gap of its lips. That gap decides which pixels
of a portrait are teeth. Here crops around each feature are upright and of the same size in every
face. They are read by heat maps with cells of about two pixels.

Letters: N pictures, L landmarks, P landmarks of one crop. Places are picture units: -1..1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.models.tiny.face_code import LANDMARKS, NEAREST_EYES, eye_middle, mouth_middle
from flashtalk.models.tiny.maps import ResidualBlock, identity_grid

STRIDE_PX = 8  # pixels of a crop per cell of the network's coarsest map


@dataclass(frozen=True)
class CropSpec:
    """Which landmarks a crop is read for, and how large it is."""

    names: tuple[str, ...]
    """Landmarks in the order of the heat maps; those of an eye without their side."""
    half_size: tuple[float, float]
    """Half height and half width, in distances of the eyes."""
    size_px: tuple[int, int]
    """Rows and columns."""

    def __post_init__(self) -> None:
        if any(count % STRIDE_PX for count in self.size_px):
            raise ValueError(f"size_px must be multiples of {STRIDE_PX}, got {self.size_px}")


MOUTH_CROP = CropSpec(
    tuple(name for name in LANDMARKS if "lip" in name or "mouth" in name),
    half_size=(0.6, 0.8),
    size_px=(72, 96),
)
EYE_CROP = CropSpec(("outer", "inner", "upper", "lower"), half_size=(0.3, 0.4), size_px=(40, 56))


def eye_names(side: str) -> tuple[str, ...]:
    """The landmarks of the ``left`` or ``right`` eye, in the order of ``EYE_CROP``."""
    return tuple(f"{side}_eye_{name}" for name in EYE_CROP.names)


REFINED = MOUTH_CROP.names + eye_names("left") + eye_names("right")
"""Landmarks that are refined."""


@dataclass(frozen=True)
class CropTransform:
    """The affine maps from N crops to their pictures."""

    center: Tensor
    """[N, 2] of the crop in the picture."""
    across: Tensor
    """[N, 2] from the center to the middle of the crop's right edge."""
    down: Tensor
    """[N, 2] from the center to the middle of its lower edge."""

    def to_picture(self, inside: Tensor) -> Tensor:
        """Places ``inside`` the crops [N, ..., 2], -1..1 from edge to edge, as picture units."""
        shape = (len(self.center), *([1] * (inside.dim() - 2)), 2)
        center, across, down = (each.view(shape) for each in (self.center, self.across, self.down))
        return center + inside[..., :1] * across + inside[..., 1:] * down


def crop_transform(
    points: Tensor, spec: CropSpec, center: Tensor, mirrored: bool = False
) -> CropTransform:
    """Crops around ``center`` [N, 2] of faces with ``points`` [N, L, 2], level with their eyes.

    A ``mirrored`` crop has its right edge at the left: one network reads both eyes.
    """
    between = eye_middle(points, "left") - eye_middle(points, "right")  # left is on the right
    distance = between.norm(dim=-1, keepdim=True)
    # the nearer they are, the less they say what is level, until in one place they say nothing
    missing = (NEAREST_EYES - distance).clamp(min=0.0)
    across = between + missing * between.new_tensor([1.0, 0.0])
    across = across / across.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    down = torch.stack((-across[:, 1], across[:, 0]), dim=1)
    size = distance.clamp(min=NEAREST_EYES)
    half_height, half_width = spec.half_size
    sign = -1.0 if mirrored else 1.0
    return CropTransform(center, sign * half_width * size * across, half_height * size * down)


def sample_crop(pictures: Tensor, transform: CropTransform, spec: CropSpec) -> Tensor:
    """The crops of ``pictures`` [N, 3, H, W]: [N, 3, rows, columns]."""
    grid = identity_grid(pictures.new_empty(1, 1, *spec.size_px)).expand(len(pictures), -1, -1, -1)
    places = transform.to_picture(grid)
    return F.grid_sample(pictures, places, padding_mode="border", align_corners=False)


class CropHeatmapNet(nn.Module):
    """Crops -> the landmarks in them, by heat maps of half their size."""

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

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, rows, columns] in [-1, 1] -> points [N, P, 2] in -1..1 and variances [N, P]."""
        fine = self.stem(crops)
        middle = self.middle_block(self.middle(F.relu(fine)))
        coarse = self.coarse_blocks(self.coarse(F.relu(middle)))
        x = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        x = self.up_middle(self.to_middle(F.relu(torch.cat((x, middle), dim=1))))
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.up_fine(self.to_fine(F.relu(torch.cat((x, fine), dim=1))))
        return soft_argmax(heat_shares(self.heat(F.relu(x))), x)


class LandmarkRefiner(nn.Module):
    """Reads the landmarks of mouth and eyes again, on crops around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mouth = CropHeatmapNet(width, len(MOUTH_CROP.names))
        self.eye = CropHeatmapNet(width, len(EYE_CROP.names))

    def forward(self, pictures: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Refines roughly known ``points`` [N, L, 2] in ``pictures`` [N, 3, H, W] in [-1, 1].

        -> points [N, L, 2], and variances [N, REFINED] inside the crops. No gradient reaches the
        places of the crops.
        """
        rough = points.detach()
        parts = [(self.mouth, MOUTH_CROP, MOUTH_CROP.names, mouth_middle(rough), False)]
        for side in ("left", "right"):
            middle = eye_middle(rough, side)
            parts.append((self.eye, EYE_CROP, eye_names(side), middle, side == "right"))
        refined = list(points.unbind(dim=1))
        variances = []
        for network, spec, names, center, mirrored in parts:
            transform = crop_transform(rough, spec, center, mirrored)
            inside, variance = network(sample_crop(pictures, transform, spec))
            for name, place in zip(names, transform.to_picture(inside).unbind(dim=1), strict=True):
                refined[LANDMARKS.index(name)] = place
            variances.append(variance)
        return torch.stack(refined, dim=1), torch.cat(variances, dim=1)


def heat_shares(heat: Tensor) -> Tensor:
    """Heat maps [N, P, h, w] of logits -> the share of each landmark in each cell [N, P, h * w]."""
    return heat.flatten(2).softmax(dim=2)


def soft_argmax(share: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of :func:`heat_shares` on the grid of ``cells`` [N, D, h, w].

    -> points [N, P, 2] and variances [N, P], in coordinates -1..1 from edge to edge.
    """
    places = identity_grid(cells).flatten(0, 2)
    points = share @ places
    return points, share @ places.square().sum(dim=1) - points.square().sum(dim=2)
