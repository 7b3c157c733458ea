"""Portrait (and prompt states) -> :class:`Conditions`, once per session.

Nothing here is ever written to a network: two sessions hold two ``Conditions`` and share one model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flashtalk.conditions.lab import ColorReference, measure_color
from flashtalk.config import Preset
from flashtalk.models.autoencoder import Guidance, PortraitAutoencoder


@dataclass(frozen=True)
class Conditions:
    """What all chunks of one session share. Letters: B batch, C channels, h w latent cells."""

    guidance: Guidance
    """What the autoencoder knows of the portrait."""
    reference_latents: Tensor
    """[B, C, 1, h, w] the portrait as one frame; [B, C, T, h, w] where the mask marks "reference":
    the portrait followed by gray frames, as the published conditioner was trained."""
    color: ColorReference
    """Lab statistics of the portrait: the guard against color drift."""
    text: Tensor | None = None
    """[B, L, text_dim] states of the text encoder."""
    image: Tensor | None = None
    """[B, 257, image_dim] states of the image encoder."""


def gather_conditions(
    autoencoder: PortraitAutoencoder,
    preset: Preset,
    portrait: Tensor,
    *,
    text: Tensor | None = None,
    image: Tensor | None = None,
) -> Conditions:
    """Portrait [B, 3, H, W] in [-1, 1] at the size of the preset -> the session's conditions."""
    guidance = autoencoder.prepare(portrait)
    clip = portrait[:, :, None]  # [B, 3, 1, H, W]
    if preset.transformer.mask_marks == "reference":
        gray = torch.zeros_like(clip).expand(-1, -1, preset.geometry.chunk_frames - 1, -1, -1)
        clip = torch.cat((clip, gray), dim=2)
    return Conditions(
        guidance=guidance,
        reference_latents=autoencoder.encode(clip, guidance),
        color=measure_color(portrait),
        text=text,
        image=image,
    )
