"""What the embedded networks know of one portrait, computed once per session."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.models.matching import matching_features


@dataclass(frozen=True)
class Guidance:
    """What the networks know of one portrait; computed once per session. Letters: B batch."""

    portrait: Tensor
    """[B, 3, H, W] in [-1, 1]."""
    pixels: Tensor
    """[B, 3, 2H, 2W] the same, prepared for being warped (:func:`warpable`)."""
    reference: Tensor
    """[B, C, H/32, W/32] the portrait's own latent: where its mouth and eyes are, and how."""
    encoder_bias: Tensor
    """[B, D, H/8, W/8] the portrait's share of the encoder's first layer."""
    matching: Tensor
    """[B, D, H/8, W/8] unit features in which the encoder looks for each place of a frame."""
    coarse: Tensor
    """[B, D, H/32, W/32] added in the decoder's trunk."""
    middle: Tensor
    """[B, D, H/16, W/16]"""
    fine: Tensor
    """[B, D, H/8, W/8]"""
    appearance: Tensor
    """[B, D, H/4, W/4] features that are warped along the flow."""


CRISPNESS = 0.6
"""Chosen so that warped faces keep the share of detail that faces keep which really moved: 0.88 of
the portrait's Laplacian energy against 0.92 (0.48 without; six held-out renders, 2026-11-23)."""


def warpable(portrait: Tensor) -> Tensor:
    """Portrait [B, 3, H, W] -> at twice its size and slightly sharpened: [B, 3, 2H, 2W].

    Looking pixels up between pixels averages them, and a face that moves goes soft. On a finer
    grid the average is over half the distance and about the same everywhere: it can be undone.
    """
    fine = F.interpolate(portrait, scale_factor=2.0, mode="bicubic", align_corners=False)
    soft = F.avg_pool2d(F.pad(fine, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return fine + CRISPNESS * (fine - soft)


class PortraitPyramid(nn.Module):
    """Portrait -> feature maps for the encoder and for each scale of the decoder."""

    def __init__(self, width: int) -> None:
        super().__init__()
        thin = width * 3 // 8
        self.encoder = nn.Conv2d(3 * 64, width * 3 // 2, 1)
        self.stem = nn.Conv2d(3 * 16, thin, 3, padding=1)
        self.appearance = nn.Conv2d(thin, thin, 3, padding=1)
        self.fine = nn.Conv2d(thin, width * 3 // 4, 3, stride=2, padding=1)
        self.middle = nn.Conv2d(width * 3 // 4, width, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(width, width * 2, 3, stride=2, padding=1)

    def forward(self, portrait: Tensor) -> dict[str, Tensor]:
        """Portrait [B, 3, H, W] -> the maps of :class:`Guidance` by name, reference excepted."""
        stem = F.relu(self.stem(F.pixel_unshuffle(portrait, 4)))
        fine = self.fine(stem)
        middle = self.middle(F.relu(fine))
        return {
            "portrait": portrait,
            "pixels": warpable(portrait),
            "encoder_bias": self.encoder(F.pixel_unshuffle(portrait, 8)),
            "matching": matching_features(portrait),
            "coarse": self.coarse(F.relu(middle)),
            "middle": middle,
            "fine": fine,
            "appearance": self.appearance(stem),
        }
