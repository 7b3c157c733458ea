"""What a chunk of a published model computes, counted on networks without memory.

PyTorch's own count of matrix products, convolutions and attention. Transformers of one and
two blocks are counted: all blocks are alike, so forty follow from these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from flashtalk.config import Preset
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.weights.empty import PublishedSizes


@dataclass(frozen=True)
class ChunkWork:
    """Floating-point operations of one chunk, at one size of picture."""

    prediction: int
    """One denoising step."""
    steps: int
    decode: int
    encode: int
    """The motion frames."""

    @property
    def flop(self) -> int:
        """All of it; speech and colors are below a thousandth."""
        return self.prediction * self.steps + self.decode + self.encode


def chunk_work(preset: Preset, sizes: PublishedSizes) -> ChunkWork:
    """Counts a chunk of ``preset``, at its usual size of picture."""
    from diffusers import AutoencoderKLWan

    geometry = preset.geometry
    with torch.device("meta"), torch.inference_mode():
        one, two = (_prediction(preset, layers) for layers in (1, 2))
        vae = AutoencoderKLWan(**sizes.autoencoder).eval()
        video = torch.empty(1, 3, geometry.motion_frames, geometry.height_px, geometry.width_px)
        latents = _latents(preset, preset.transformer.latent_channels)
        with FlopCounterMode(display=False) as decode:
            vae.decode(latents)
        with FlopCounterMode(display=False) as encode:
            vae.encode(video)
    return ChunkWork(
        prediction=one + (preset.transformer.layers - 1) * (two - one),
        steps=preset.sampler.steps,
        decode=decode.get_total_flops(),
        encode=encode.get_total_flops(),
    )


def _latents(preset: Preset, channels: int) -> Tensor:
    geometry = preset.geometry
    cells = (geometry.latent_height, geometry.latent_width)
    return torch.empty(1, channels, geometry.chunk_latents, *cells)


def _prediction(preset: Preset, layers: int) -> int:
    """Operations of a transformer of ``layers`` blocks."""
    config = replace(preset.transformer, layers=layers)
    transformer, frames = VideoTransformer(config), preset.geometry.chunk_latents
    condition = config.mask_channels + config.latent_channels
    with FlopCounterMode(display=False) as count:
        transformer(
            _latents(preset, config.latent_channels),
            torch.empty(1),
            _latents(preset, condition),
            torch.empty(1, frames, config.audio_tokens, config.audio_width),
            torch.empty(1, config.text_tokens, config.text_dim),
            torch.empty(1, config.image_tokens, config.image_dim),
        )
    return count.get_total_flops()
