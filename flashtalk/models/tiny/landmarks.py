"""Landmarks and gaze of a face, by a small heat-map network.

Used by :mod:`flashtalk.models.tiny.autoencoder`, which reads the face codes of the portrait and of
clips from them. A code paints a mouth where it is. So a place misread by a lip's height
makes a second mouth on the chin. Networks from pixels to codes are off by that much. The mean of a
heat map is off by about a pixel. :mod:`flashtalk.models.tiny.landmark_refiner` reads mouth and eyes
several times finer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.models.tiny.face_code import LANDMARKS
from flashtalk.models.tiny.landmark_refiner import (
    MOUTH_CROP,
    LandmarkRefiner,
    heat_shares,
    soft_argmax,
)
from flashtalk.models.tiny.maps import ResidualBlock

SIDE_PX = 128  # of the pictures in which all landmarks are read first
MOUTH = tuple(LANDMARKS.index(name) for name in MOUTH_CROP.names)  # its places in LANDMARKS


@dataclass(frozen=True)
class FaceMarks:
    """Landmarks and gaze that are read in N pictures."""

    points: Tensor
    """[N, L, 2] x, y in -1..1, in the order of ``LANDMARKS``."""
    gaze: Tensor
    """[N, 2] radians."""
    variance: Tensor
    """[N, L] of the coarse heat maps, squared picture units: how sure a landmark is."""
    refined_variance: Tensor
    """[N, REFINED] of the refined ones, squared halves of their crops."""
    meshed: Tensor
    """[N] bool: whether the face mesh has read ``points``, not the own network."""
    confirmed: Tensor
    """[N] bool: whether the face mesh has found a face at ``points``, whoever has read them."""
    turn: Tensor
    """[N] of the head to a side, as the face detector sees it; 0 where nobody looked."""


class FaceReader(nn.Module):
    """Pictures -> :class:`FaceMarks`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        thin, wide = width * 3 // 4, width * 3 // 2
        self.stem = nn.Conv2d(3, thin // 2, 5, stride=2, padding=2)  # 64 x 64
        self.fine = nn.Conv2d(thin // 2, thin, 3, stride=2, padding=1)  # 32 x 32
        self.fine_block = ResidualBlock(thin)
        self.middle = nn.Conv2d(thin, wide, 3, stride=2, padding=1)  # 16 x 16
        self.middle_block = ResidualBlock(wide)
        self.coarse = nn.Conv2d(wide, 2 * width, 3, stride=2, padding=1)  # 8 x 8
        self.coarse_blocks = nn.Sequential(ResidualBlock(2 * width), ResidualBlock(2 * width))
        self.to_middle = nn.Conv2d(2 * width + wide, width, 1)
        self.up_middle = nn.Conv2d(width, width, 3, padding=1)
        self.to_fine = nn.Conv2d(width + thin, thin, 1)
        self.up_fine = ResidualBlock(thin)
        self.heat = nn.Conv2d(thin, len(LANDMARKS), 1)
        self.gaze = nn.Linear(2 * thin, 2)
        self.refiner = LandmarkRefiner(width)

    def forward(self, pictures: Tensor) -> FaceMarks:
        """``pictures`` [N, 3, H, W] in [-1, 1], of any size."""
        points, gaze, variance = self.read_coarsely(pictures)
        points, refined_variance = self.refiner(pictures, points)
        alone = torch.zeros(len(points), dtype=torch.bool, device=points.device)
        ahead = torch.zeros(len(points), device=points.device)
        return FaceMarks(points, gaze, variance, refined_variance, alone, alone, ahead)

    def read_coarsely(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points [N, L, 2], gaze [N, 2] and variances [N, L], in pictures of ``SIDE_PX``.

        The refiner begins with these points.
        """
        small = F.interpolate(pictures, size=(SIDE_PX, SIDE_PX), mode="area")
        fine = self.fine_block(self.fine(F.relu(self.stem(small))))
        middle = self.middle_block(self.middle(F.relu(fine)))
        coarse = self.coarse_blocks(self.coarse(F.relu(middle)))
        x = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        x = self.up_middle(F.relu(self.to_middle(F.relu(torch.cat((x, middle), dim=1)))))
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.up_fine(self.to_fine(F.relu(torch.cat((x, fine), dim=1))))
        x = F.relu(x)
        share = heat_shares(self.heat(x))  # [N, L, 32*32]
        points, variance = soft_argmax(share, x)
        return points, self._read_gaze(x, share), variance

    def _read_gaze(self, x: Tensor, share: Tensor) -> Tensor:
        """Gaze [N, 2] from the features ``x`` [N, D, h, w] where the eyes' heat maps are high."""
        eyes = [index for index, name in enumerate(LANDMARKS) if "eye_" in name]
        left, right = (
            [index for index in eyes if LANDMARKS[index].startswith(side)]
            for side in ("left", "right")
        )
        features = x.flatten(2).transpose(1, 2)  # [N, 32*32, D]
        looks = [share[:, side].mean(dim=1, keepdim=True) @ features for side in (left, right)]
        return self.gaze(torch.cat(looks, dim=2)[:, 0])
