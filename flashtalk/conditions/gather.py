"""Portrait (and prompt states) -> :class:`Conditions`, once per session.

Nothing here is ever written to a network: two sessions hold two ``Conditions`` and share one model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from flashtalk.conditions.lab import ColorReference, measure_color
from flashtalk.inputs.still import FILLING, Place
from flashtalk.models.networks import Networks


@dataclass(frozen=True)
class Conditions:
    """What all chunks of one session share. Letters: B batch, C channels, h w latent cells."""

    guidance: Any
    """What the autoencoder knows of the portrait: its own type, for itself alone."""
    reference_latents: Tensor
    """[B, C, 1 or T, h, w] float32: the denoiser's reference clip of the portrait."""
    color: ColorReference
    """Lab statistics of the portrait: the guard against color drift."""
    text: Tensor | None = None
    """[B, L, text_dim] states of the text encoder; only for models that read a prompt."""
    image: Tensor | None = None
    """[B, image_tokens, image_dim] states of the image encoder; only for models that have one."""


def conditions_of(
    networks: Networks,
    portrait: Tensor,
    large: Tensor | None = None,
    *,
    place: Place = FILLING,
    prompt: str | None = None,
) -> Conditions:
    """Conditions to make a video with: networks with encoders read prompt and portrait themselves.

    ``prompt`` is by default the preset's; the rest is as in :func:`gather_conditions`.
    """
    read, look = networks.text_encoder, networks.image_encoder
    with torch.inference_mode():
        return gather_conditions(
            networks,
            portrait,
            large,
            place=place,
            text=read(prompt or networks.preset.prompt) if read else None,
            image=look(portrait) if look else None,
        )


def gather_conditions(
    networks: Networks,
    portrait: Tensor,
    large: Tensor | None = None,
    *,
    place: Place = FILLING,
    text: Tensor | None = None,
    image: Tensor | None = None,
) -> Conditions:
    """Portrait [B, 3, H, W] in [-1, 1] at the size of the networks -> its conditions.

    ``large`` [1, 3, H', W'] is the portrait at the size of the video, if that is another. Frames
    have a ``place`` in it. ``text`` [1 or B, L, text_dim] and ``image`` [B, image_tokens,
    image_dim] come from the encoders of a model that has them. One prompt serves the whole batch.
    Raises ``ValueError`` if one is missing, or given to a model without it.
    """
    preset, autoencoder = networks.preset, networks.autoencoder
    for name, states, width in (
        ("text", text, preset.transformer.text_dim),
        ("image", image, preset.transformer.image_dim),
    ):
        if (states is not None) != (width > 0):
            raise ValueError(
                f"{preset.name} has {'a' if width else 'no'} {name} input, but {name} states were "
                f"{'not ' if states is None else ''}given"
            )
    batch = portrait.shape[0]
    portrait, guidance = autoencoder.begin(portrait, large, place)
    clip = networks.transformer.reference_clip(portrait, preset.geometry.chunk_frames)
    return Conditions(
        guidance=guidance,
        reference_latents=autoencoder.reference_latents(clip, guidance).float(),
        color=measure_color(portrait),
        text=None if text is None else text.to(portrait.device).expand(batch, -1, -1),
        image=None if image is None else image.to(portrait.device),
    )
