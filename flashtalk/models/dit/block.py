"""One layer of the video transformer, and its output head.

Timestep modulation (AdaLN): a norm's result is scaled and shifted, a branch's result is gated. The
float32 numbers are made from the timestep once per step. Each layer adds its own learned offsets.
Attribute names follow the published checkpoint.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flashtalk.config import TransformerConfig
from flashtalk.models.dit.attention import CrossAttention, SelfAttention
from flashtalk.models.dit.audio_attention import AudioCrossAttention
from flashtalk.models.dit.embeddings import LayerNorm, float32_linear, without_autocast


class Modulation(NamedTuple):
    """What the timestep does to one branch of a layer; each [B, 1, dim] float32."""

    shift: Tensor
    scale: Tensor
    gate: Tensor


def modulated_norm(x: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
    """Layer norm of ``x`` [B, L, dim], scaled and shifted; float32."""
    return torch.addcmul(shift, F.layer_norm(x.float(), x.shape[-1:], eps=eps), 1 + scale)


class TransformerBlock(nn.Module):
    """Self-attention, text and image, speech, feed-forward: four residual branches.

    Text and image are absent from models without a text encoder.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        dim, heads, eps = config.dim, config.heads, config.eps
        self.eps = eps
        self.modulation = nn.Parameter(torch.zeros(1, 6, dim))
        self.self_attn = SelfAttention(dim, heads, eps)
        if config.text_dim:
            self.norm3 = LayerNorm(dim, eps=eps)
            self.cross_attn = CrossAttention(dim, heads, eps, with_image=config.image_dim > 0)
        self.norm_x = LayerNorm(dim, eps=eps)
        self.audio_cross_attn = AudioCrossAttention(dim, config.audio_width, heads)
        self.ffn = nn.Sequential(
            nn.Linear(dim, config.ffn_dim),
            nn.GELU(approximate="tanh"),
            nn.Linear(config.ffn_dim, dim),
        )

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        rotation: Tensor,
        audio_tokens: Tensor,
        text: Tensor | None,
        image: Tensor | None,
    ) -> Tensor:
        """x [B, L, dim] -> [B, L, dim].

        ``modulation`` [B, 6, dim] float32 from the timestep, ``rotation`` from
        :class:`flashtalk.models.dit.rope.RotaryTables`, ``audio_tokens`` [B, T, M, audio_width],
        ``text`` and ``image`` tokens [B, M, dim] or None.
        """
        parts = (self.modulation.float() + modulation).split(1, dim=1)
        msa, mlp = Modulation(*parts[:3]), Modulation(*parts[3:])

        y = modulated_norm(x, msa.shift, msa.scale, self.eps).to(x.dtype)
        x = torch.addcmul(x, self.self_attn(y, rotation), msa.gate).to(x.dtype)
        if text is not None:
            x = x + self.cross_attn(self.norm3(x), text, image)
        x = x + self.audio_cross_attn(self.norm_x(x), audio_tokens)
        y = modulated_norm(x, mlp.shift, mlp.scale, self.eps).to(x.dtype)
        return torch.addcmul(x, self.ffn(y), mlp.gate).to(x.dtype)


class Head(nn.Module):
    """Modulated norm and a linear layer to the values of one patch; float32."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.eps = config.eps
        self.modulation = nn.Parameter(torch.zeros(1, 2, config.dim))
        self.head = nn.Linear(config.dim, math.prod(config.patch) * config.latent_channels)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x [B, L, dim], time embedding [B, dim] float32 -> [B, L, patch values] float32."""
        shift, scale = (self.modulation.float() + time[:, None]).split(1, dim=1)
        with without_autocast(x.device):
            return float32_linear(self.head, modulated_norm(x, shift, scale, self.eps))
