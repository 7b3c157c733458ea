"""Frames and portrait -> a first guess of the flow between them, by a cost volume.

Part of encoding. Above :mod:`flashtalk.models.tiny.matching`, below
:mod:`flashtalk.models.tiny.autoencoder`, which makes exact what is guessed here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import AutoencoderConfig
from flashtalk.models.tiny.face_code import FLOW_UNIT, GROUP_FRAMES, groups_of
from flashtalk.models.tiny.maps import ResidualBlock, repeat_per_frame
from flashtalk.models.tiny.matching import (
    MATCH_PLACES,
    correlate,
    expected_place,
    matching_features,
)


class FlowGuesser(nn.Module):
    """Groups of four frames -> their flow on the grid of the latents.

    Block matching against the portrait finds what moved where. Convolutions alone do not learn that
    in the time of two cores. They sort out which matches to believe.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        width = config.width
        # 8x8 patches of all four frames at once; the portrait's share comes from Guidance.
        self.patchify = nn.Conv2d(GROUP_FRAMES * 3 * 64, width * 3 // 2, 1)
        self.displacement = nn.Conv2d(MATCH_PLACES, 14, 1)
        self.sharpness = nn.Parameter(torch.tensor(20.0))
        merged = width * 3 // 2 + GROUP_FRAMES * 16
        self.fine = nn.Conv2d(merged, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width * 3 // 2, 3, stride=2, padding=1)
        self.middle_block = ResidualBlock(width * 3 // 2)
        self.coarse = nn.Conv2d(width * 3 // 2, width * 2, 3, stride=2, padding=1)
        self.coarse_block = ResidualBlock(width * 2)
        self.head = nn.Conv2d(width * 2, GROUP_FRAMES * 2, 1)
        self.shortcut = nn.Conv2d(GROUP_FRAMES * 2, GROUP_FRAMES * 2, 1)

    def forward(self, frames: Tensor, encoder_bias: Tensor, matching: Tensor) -> Tensor:
        """Frames [B, 1+4k, 3, H, W] -> [B * (1+k), 4, 2, H/32, W/32], picture units.

        ``encoder_bias`` [B, D, H/8, W/8] and ``matching`` [B, D', H/8, W/8] are the portraits'.
        """
        batch, count = frames.shape[:2]
        features = matching_features(frames.flatten(0, 1)).unflatten(0, (batch, count))
        cosines = correlate(features, matching)
        found = expected_place(cosines * self.sharpness)  # [B * (1+4k), 2, H/8, W/8]
        moved = torch.cat((F.relu(self.displacement(cosines)), found), dim=1)
        seen = F.pixel_unshuffle(frames.flatten(0, 1), 8)
        # from here the four frames of a group are looked at together
        moved, found, seen = (
            groups_of(each.unflatten(0, (batch, count))).flatten(0, 1)
            for each in (moved, found, seen)
        )
        groups = len(seen)
        seen = self.patchify(seen.flatten(1, 2))
        seen = F.relu(seen + repeat_per_frame(encoder_bias, groups))
        x = F.relu(self.fine(torch.cat((seen, moved.flatten(1, 2)), dim=1)))
        x = self.middle_block(self.middle(x))
        x = self.coarse_block(self.coarse(F.relu(x)))
        found = F.avg_pool2d(found.flatten(1, 2), 4)
        flow = self.head(F.relu(x)) + self.shortcut(found)
        return flow.unflatten(1, (GROUP_FRAMES, 2)) * FLOW_UNIT
