"""What the embedded networks know of one portrait, computed once per session."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.models.tiny.large_portrait import LargePortrait
from flashtalk.models.tiny.lashes import Lashes
from flashtalk.models.tiny.matching import matching_features
from flashtalk.models.tiny.warpable import warpable


@dataclass(frozen=True)
class Guidance:
    """What the networks know of B portraits, D channels."""

    portrait: Tensor
    """[B, 3, H, W] in [-1, 1]."""
    source: Tensor
    """[B, 3, 2H, 2W] the same, prepared for being warped (:func:`warpable`)."""
    code: Tensor
    """[B, features, H/32, W/32] the portrait's own code: where its mouth and eyes are, and how."""
    points: Tensor
    """[B, L, 2] the portrait's landmarks, in the order of ``face_code.LANDMARKS``."""
    meshed: Tensor
    """[B] bool: whether the face mesh reads this person (:mod:`~.landmark_choice`)."""
    encoder_bias: Tensor
    """[B, D, H/8, W/8] the portrait's share of the encoder's first layer."""
    matching: Tensor
    """[B, D, H/8, W/8] unit features in which the encoder looks for each place of a frame."""
    coarse: Tensor
    """[B, D, H/32, W/32] added in the decoder's trunk; knows of ``code``."""
    middle: Tensor
    """[B, D, H/16, W/16]"""
    fine: Tensor
    """[B, D, H/8, W/8]"""
    finest: Tensor
    """[B, D, H/4, W/4] fetched along the flow, to correct it at outlines."""
    finest_static: Tensor
    """[B, D, H/4, W/4] for the same, where the portrait has it."""
    confidence: Tensor
    """[B, 2] of mouth and eyes, 0..1: the share of their paint that is shown."""
    tone: Tensor
    """[B, 5] how light and how colorful paint may be, and the color of the light
    (:mod:`flashtalk.models.tiny.tone`)."""
    lashes: Lashes | None = None
    """What shut lids are drawn with; ``None``: painters learn, and draw them alone."""
    large: LargePortrait | None = None
    """The portrait at the size of the pictures; ``None`` where that is the size of ``portrait``."""


class PortraitPyramid(nn.Module):
    """Portrait -> feature maps for the encoder and for each scale of the decoder."""

    def __init__(self, width: int) -> None:
        super().__init__()
        thin = width * 3 // 8
        self.encoder = nn.Conv2d(3 * 64, width * 3 // 2, 1)
        self.stem = nn.Conv2d(3 * 16, thin, 3, padding=1)
        self.finest_static = nn.Conv2d(thin, thin, 3, padding=1)
        self.fine = nn.Conv2d(thin, width * 3 // 4, 3, stride=2, padding=1)
        self.middle = nn.Conv2d(width * 3 // 4, width, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(width, width * 2, 3, stride=2, padding=1)

    def forward(self, portrait: Tensor) -> dict[str, Tensor]:
        """Portrait [B, 3, H, W] -> the fields of :class:`Guidance` that need no landmarks."""
        finest = F.relu(self.stem(F.pixel_unshuffle(portrait, 4)))
        fine = self.fine(finest)
        middle = self.middle(F.relu(fine))
        return {
            "portrait": portrait,
            "source": warpable(portrait),
            "encoder_bias": self.encoder(F.pixel_unshuffle(portrait, 8)),
            "matching": matching_features(portrait),
            "coarse": self.coarse(F.relu(middle)),
            "middle": middle,
            "fine": fine,
            "finest": finest,
            "finest_static": self.finest_static(finest),
        }
