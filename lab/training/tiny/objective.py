"""Objective of the embedded Stage 1 besides flow matching: a way back for bent motion."""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.config import TinyDenoiserConfig
from flashtalk.models.contracts import Denoiser
from flashtalk.models.tiny.denoiser import TinyDenoiser
from flashtalk.models.tiny.face_code import FEATURES, FLOW, GROUP_FRAMES
from lab.training.data.chunks import ChunkBatch
from lab.training.data.flow_augment import bent, random_bends, unbending_error
from lab.training.losses.stage1_loss import Objective

MOTION_NOISE = 0.12
FLOW_NOISE = 0.03  # less: the next chunk goes on exactly where the motion was
CARRIED_SHARE = 0.35  # of the values of mouth and eyes


class TinyObjective(Objective):
    """Motion latents carry noise and are bent; the flow prior learns to straighten them."""

    def __init__(self, config: TinyDenoiserConfig) -> None:
        self.cells = config.flow_prior_cells

    def augment(self, latents: Tensor, num_motion: int) -> Tensor:
        """``latents`` [B, C, T, h, w] bent at the front, straight at the end; not at a start."""
        if num_motion < 2 or self.cells is None:
            return latents
        bends = random_bends(latents.shape[0], self.cells).to(latents)
        return bent(latents, bends, num_motion)

    def motion_noise(self, motion_latents: Tensor) -> Tensor:
        """Noise [B, C, m, h, w], of another strength in each chunk."""
        strength = motion_latents.new_tensor(
            [FLOW_NOISE if name in FLOW else MOTION_NOISE for name in FEATURES]
        )
        strength = strength.repeat(motion_latents.shape[1] // len(FEATURES)).view(1, -1, 1, 1, 1)
        share = torch.rand(motion_latents.shape[0], 1, 1, 1, 1).to(motion_latents)
        return strength * share * torch.randn_like(motion_latents)

    def by_frame(self, latents: Tensor) -> Tensor:
        """[B, C / 4, 4 T, h, w]: a latent holds the codes of four frames, and *they* are seen."""
        if latents.shape[1] == 1:
            return latents.repeat_interleave(GROUP_FRAMES, dim=2)
        frames = latents.unflatten(1, (GROUP_FRAMES, -1))  # [B, 4, D, T, h, w]
        return frames.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)

    def extra_loss(self, model: Denoiser, chunks: ChunkBatch) -> tuple[Tensor | None, str]:
        """Squared error of the flow prior on bends of its own."""
        if not isinstance(model, TinyDenoiser) or model.flow_anchor.flow_prior is None:
            return None, ""
        codes = self.by_frame(chunks.latents).transpose(1, 2)  # [B, 4 T, D, h, w]
        portraits = self.by_frame(chunks.reference)[:, :, :1].transpose(1, 2).expand_as(codes)
        prior = model.flow_anchor.flow_prior
        return unbending_error(prior, codes.flatten(0, 1), portraits.flatten(0, 1)), "bends"


def set_carried_share(denoiser: TinyDenoiser) -> None:
    """How much of each value of the last motion frame a chunk begins with; never trained.

    Motion goes on exactly where it was. If trained, the share of the motion falls below 1, which
    costs no loss and makes borders jump.
    """
    share = denoiser.flow_anchor.share
    assert isinstance(share, Tensor)
    carried = [1.0 if name in FLOW else CARRIED_SHARE for name in FEATURES]
    share.copy_(torch.tensor(carried).view_as(share))
