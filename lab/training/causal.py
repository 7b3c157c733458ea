"""Causal attention in place of bidirectional: the comparison that the design rests on.

Applied from outside to a denoiser; the weights fit either way. No preset uses it. A chunk is
denoised at once, so its frames may all see each other, as the paper argues for.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from flashtalk.geometry import ChunkGeometry
from flashtalk.models.dit.attention import SelfAttention
from flashtalk.models.dit.softmax_attention import attention
from flashtalk.models.tiny.frame_smoothing import FrameSmoothing


def make_causal(denoiser: nn.Module, geometry: ChunkGeometry) -> None:
    """No latent frame of ``denoiser`` sees a later one, in attention or smoothing."""
    for module in denoiser.modules():
        if isinstance(module, SelfAttention):
            module.attend = partial(causal_attention, tokens_per_latent=geometry.tokens_per_latent)
        elif isinstance(module, FrameSmoothing):
            module.causal = True


def causal_attention(q: Tensor, k: Tensor, v: Tensor, *, tokens_per_latent: int) -> Tensor:
    """Softmax attention in which latent frames see themselves and earlier ones: [B, L, N, D]."""
    latent = torch.arange(q.shape[1], device=q.device) // tokens_per_latent
    return attention(q, k, v, latent[:, None] >= latent)
