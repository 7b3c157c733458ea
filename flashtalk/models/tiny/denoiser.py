"""The embedded denoiser: the published transformer, anchored on the last motion frame.

The head's values are clean latents, counted from where the motion latents end. A narrow network
cannot carry noise and motion latents through to its output exactly. The loss shows as jitter, and
as a jump at the border of chunks. Three parts follow the head::

    head -> + flow anchor -> frame smoothing -> velocity -> (after the last step) lid clamp
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.config import TinyDenoiserConfig
from flashtalk.geometry import ChunkGeometry
from flashtalk.models.dit.embeddings import without_autocast
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.tiny.blinks import chunk_closures
from flashtalk.models.tiny.face_code import groups_of
from flashtalk.models.tiny.flow_anchor import FlowAnchor
from flashtalk.models.tiny.frame_smoothing import FrameSmoothing
from flashtalk.models.tiny.lid_clamp import clamp_lids

SMALLEST_SHARE = 1e-3  # of noise; a velocity divides by it


class TinyDenoiser(VideoTransformer):
    """Velocity of a chunk of face codes; fulfills :class:`flashtalk.models.contracts.Denoiser`."""

    anchored = True
    """Predictions start at the motion latents and copy them."""

    def __init__(self, config: TinyDenoiserConfig) -> None:
        super().__init__(config)
        self.config: TinyDenoiserConfig = config
        self.flow_anchor = FlowAnchor(config)
        self.smoothing = FrameSmoothing(config.latent_channels, config.frames_per_latent)

    def reference_clip(self, portrait: Tensor, frames: int) -> Tensor:
        """Portrait [B, 3, H, W] -> [B, 3, 1, H, W]: every latent frame sees the same reference."""
        return portrait[:, :, None]

    def control(
        self, geometry: ChunkGeometry, seed: int, chunk_index: int, batch: int
    ) -> Tensor | None:
        """How far the eyes are closed in each frame of a chunk, [B, F] in 0..1."""
        if not self.config.blink_channels:
            return None
        return chunk_closures(seed, chunk_index, batch, geometry)

    def condition(
        self,
        reference_latents: Tensor,
        chunk_latents: int,
        num_motion: int,
        control: Tensor | None = None,
    ) -> Tensor:
        """Mask, reference and blinks of one chunk: [B, 1 + C + blink, T, h, w].

        The mask is 1 on the clean motion latents; the reference [B, C, 1, h, w] is repeated.
        ``control`` [B, F] says how far the eyes are closed. Raises ``ValueError`` if it is missing
        or not wanted.
        """
        if (control is not None) != (self.config.blink_channels > 0):
            raise ValueError(
                f"this model has {self.config.blink_channels} blink channels, but control was "
                f"{'not ' if control is None else ''}given"
            )
        reference = reference_latents[:, :, :1].expand(-1, -1, chunk_latents, -1, -1)
        batch, _, frames, height, width = reference.shape
        mask = reference.new_zeros(batch, self.config.mask_channels, frames, height, width)
        mask[:, :, :num_motion] = 1.0
        parts = [mask, reference]
        if control is not None:
            blinks = groups_of(control, self.config.frames_per_latent).transpose(1, 2).to(mask)
            parts.append(blinks[..., None, None].expand(-1, -1, -1, height, width))
        return torch.cat(parts, dim=1)

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        condition_latents: Tensor,
        audio_tokens: Tensor,
        text: Tensor | None = None,
        image: Tensor | None = None,
        *,
        num_motion: int = 0,
    ) -> Tensor:
        """Velocity [B, C, T, h, w] float32 of ``latents``, whose first ``num_motion`` are clean.

        Raises ``ValueError`` without motion latents: predictions are counted from the last one.
        """
        if num_motion < 1:
            raise ValueError(
                "this network counts clean latents from the last motion latent, but num_motion is "
                f"{num_motion}; expected 1 or more"
            )
        predicted = self.predict(latents, timestep, condition_latents, audio_tokens, text, image)
        masks, channels = self.config.mask_channels, self.config.latent_channels
        reference = condition_latents[:, masks : masks + channels, 0]
        predicted = predicted + self.flow_anchor(latents, reference, num_motion)
        # motion latents are known: the first new frames join them smoothly
        known = latents[:, :, :num_motion].float()
        with without_autocast(predicted.device):
            predicted = torch.cat((known, predicted[:, :, num_motion:]), dim=2)
            predicted = self.smoothing(predicted, num_motion)
        share = (timestep.float() / 1000.0).view(-1, 1, 1, 1, 1)
        return (latents.float() - predicted) / share.clamp(min=SMALLEST_SHARE)

    def constrain(
        self,
        latents: Tensor,
        reference_latents: Tensor,
        num_motion: int,
        control: Tensor | None,
    ) -> Tensor:
        """Lids are no further apart than the blink in ``control`` [B, F] leaves them."""
        if control is None:
            return latents
        return clamp_lids(latents, reference_latents, control, num_motion)
