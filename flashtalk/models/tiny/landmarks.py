"""Where the features of a face are in a picture: landmarks and gaze, by a small heat-map network.

Used by :mod:`flashtalk.models.tiny.autoencoder` to read the face codes of a portrait and of the
frames that are handed over. The codes paint a mouth where it is, so a place misread by a lip's
height makes a second mouth on the chin; networks that went from pixels to codes directly were off
by that much. Points found as the center of a heat map are off by about a pixel; those of mouth and
eyes are then read again from near (:mod:`flashtalk.models.tiny.landmark_refiner`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.models.tiny.face_code import LANDMARKS
from flashtalk.models.tiny.landmark_refiner import SecondLook, center_of, shares
from flashtalk.models.tiny.maps import ResidualBlock

SIDE = 128  # pixels of the pictures that the first look is taken at


@dataclass(frozen=True)
class FaceMarks:
    """What was found in N pictures."""

    points: Tensor
    """[N, L, 2] x, y in -1..1, in the order of ``LANDMARKS``."""
    gaze: Tensor
    """[N, 2] radians."""
    spread: Tensor
    """[N, L] variance of each heat map of the first look, squared picture units: how sure it is."""


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
        self.second_look = SecondLook(width)

    def forward(self, pictures: Tensor) -> FaceMarks:
        """``pictures`` [N, 3, H, W] in [-1, 1], of any size."""
        marks = self.first_look(pictures)
        return replace(marks, points=self.second_look(pictures, marks.points)[0])

    def first_look(self, pictures: Tensor) -> FaceMarks:
        """The same as seen from afar; a second look is taken at the places that this finds."""
        small = F.interpolate(pictures, size=(SIDE, SIDE), mode="area")
        fine = self.fine_block(self.fine(F.relu(self.stem(small))))
        middle = self.middle_block(self.middle(F.relu(fine)))
        coarse = self.coarse_blocks(self.coarse(F.relu(middle)))
        x = F.interpolate(coarse, scale_factor=2.0, mode="nearest")
        x = self.up_middle(F.relu(self.to_middle(F.relu(torch.cat((x, middle), dim=1)))))
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.up_fine(self.to_fine(F.relu(torch.cat((x, fine), dim=1))))
        x = F.relu(x)
        share = shares(self.heat(x))  # [N, L, 32*32]
        points, spread = center_of(share, x)
        # gaze is read where the eyes are looked for
        eyes = [index for index, name in enumerate(LANDMARKS) if "eye_" in name]
        left, right = (
            [index for index in eyes if LANDMARKS[index].startswith(side)]
            for side in ("left", "right")
        )
        seen = x.flatten(2).transpose(1, 2)  # [N, 32*32, D]
        looks = [share[:, side].mean(dim=1, keepdim=True) @ seen for side in (left, right)]
        return FaceMarks(points, self.gaze(torch.cat(looks, dim=2)[:, 0]), spread)
