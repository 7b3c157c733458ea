"""The Wan 2.1 autoencoder behind the contract of :class:`flashtalk.models.contracts.Autoencoder`.

Station "decode" (and "motion frames", which are encoded here) of the 14B preset. The network itself
is diffusers' ``AutoencoderKLWan``. This file adds what the transformer expects of its latents: the
posterior's mode, normalized per channel, in float32. It knows nothing of a portrait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from flashtalk.models.published.frames import FramesAreShown

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan

TEMPORAL_STRIDE = 4  # frames per latent after the first one; fixed in AutoencoderKLWan


class WanAutoencoder(FramesAreShown):
    """Video <-> normalized latents of a causal video autoencoder.

    While it runs, diffusers keeps the inputs of its causal convolutions on the module. Calls of one
    instance must follow each other, as sessions do by taking turns. Nothing is kept between calls.
    """

    def __init__(self, vae: AutoencoderKLWan) -> None:
        super().__init__()
        self.vae = vae
        # Plain tensors instead of buffers: a cast of the module to bfloat16 must not round them.
        self._statistics: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def graphs(self) -> tuple[nn.Module, ...]:
        """Encoder and decoder: a call of either treats one latent frame."""
        return self.vae.encoder, self.vae.decoder

    def encode(self, video: Tensor, guidance: None = None) -> Tensor:
        """Video [B, 3, 1+4k, H, W] in [-1, 1] -> latents [B, C, 1+k, H/8, W/8], float32.

        Raises ``ValueError`` for other numbers of frames, whose last ones would be lost.
        """
        if (video.shape[2] - 1) % TEMPORAL_STRIDE:
            raise ValueError(f"got {video.shape[2]} frames, expected 1 + {TEMPORAL_STRIDE} k")
        latents = self.vae.encode(video.to(self.vae.dtype)).latent_dist.mode().float()
        mean, deviation = self._channel_statistics(latents.device)
        return (latents - mean) / deviation

    def decode(self, latents: Tensor, guidance: None = None, *, skip_frames: int = 0) -> Tensor:
        """Latents [B, C, 1+k, h, w] -> video [B, 3, 1+4k-skip_frames, 8h, 8w] in [-1, 1], float32.

        The skipped frames are computed all the same: each frame is made from those before it.
        """
        mean, deviation = self._channel_statistics(latents.device)
        raw = latents.float() * deviation + mean
        video = self.vae.decode(raw.to(self.vae.dtype)).sample[:, :, skip_frames:]
        return video.float().clamp(-1.0, 1.0)

    def _channel_statistics(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the latent channels, each [C, 1, 1, 1] float32 on ``device``."""
        if device not in self._statistics:
            config = self.vae.config
            with torch.inference_mode(False):  # kept, so training may meet them later
                mean, deviation = (
                    torch.tensor(values, dtype=torch.float32, device=device)[:, None, None, None]
                    for values in (config.latents_mean, config.latents_std)
                )
            self._statistics[device] = (mean, deviation)
        return self._statistics[device]
