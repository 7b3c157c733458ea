"""What the embedded networks know of one portrait, computed once per session."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.models.tiny.matching import matching_features


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
    """[B, 2] how light and how colorful paint may be (:mod:`flashtalk.models.tiny.tone`)."""


REACH_PX = 3  # pixels around one that its four finer ones are made of
CRISPNESS = 0.6
"""Gain of the unsharp mask. Warped faces keep 0.88 of the portrait's Laplacian energy with it,
faces that really moved 0.92, and 0.48 without it (six held-out renders)."""


def warpable(portrait: Tensor) -> Tensor:
    """Portrait [B, 3, H, W] -> twice its size and slightly sharpened: [B, 3, 2H, 2W].

    Bilinear sampling averages pixels, and a face that moves goes soft. On a finer grid the average
    is over half the distance and about the same everywhere, so sharpening undoes it.
    """
    kernels = _kernels().to(portrait)
    padded = F.pad(portrait, (REACH_PX,) * 4, mode="replicate").flatten(0, 1)[:, None]
    fine = F.pixel_shuffle(F.conv2d(padded, kernels), 2)  # [B * 3, 1, 2H, 2W]
    return fine.unflatten(0, portrait.shape[:2])[:, :, 0]


@lru_cache(maxsize=1)
def _kernels() -> Tensor:
    """Weights with which a pixel's four finer ones take the pixels around it: [4, 1, 7, 7].

    Bicubic enlargement and sharpening are linear: their impulse response says it all. One
    convolution takes less than half the time of the two filters in turn.
    """
    side = 4 * REACH_PX + 1
    with torch.inference_mode(False):  # what is kept may meet autograd later
        dot = torch.zeros(1, 1, side, side)
        dot[..., 2 * REACH_PX, 2 * REACH_PX] = 1.0
        fine = F.interpolate(dot, scale_factor=2.0, mode="bicubic", align_corners=False)
        soft = F.avg_pool2d(fine, 3, stride=1, padding=1)
        answer = F.pixel_unshuffle(fine + CRISPNESS * (fine - soft), 2)  # [1, 4, side, side]
        kernels = answer[:, :, REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
        return kernels.flip(2, 3).transpose(0, 1).contiguous()


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
