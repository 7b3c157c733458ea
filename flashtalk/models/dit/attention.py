"""Attention of video tokens to each other, and to text and image tokens.

Part of a :class:`flashtalk.models.dit.block.TransformerBlock`. Queries and keys are RMS-normalized
over all heads together (Wan 2.1). Attribute names follow the published checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flashtalk.models.dit.embeddings import RMSNorm
from flashtalk.models.dit.rope import rotate
from flashtalk.models.dit.softmax_attention import AttentionBackend, attention


class SelfAttention(nn.Module):
    """Every token of a chunk sees every other one; positions enter by rotation.

    :func:`lab.training.causal.look_back_only` takes the future away.
    """

    def __init__(self, dim: int, heads: int, eps: float, backend: AttentionBackend) -> None:
        super().__init__()
        self.heads = heads
        self.backend = backend
        self.tokens_per_latent: int | None = None  # set: a latent frame sees no later one
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)
        self.norm_q = RMSNorm(dim, eps)
        self.norm_k = RMSNorm(dim, eps)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        """[B, L, dim] -> [B, L, dim]."""
        split = (self.heads, -1)
        q = rotate(self.norm_q(self.q(x)).unflatten(-1, split), rotation)  # [B, L, N, D]
        k = rotate(self.norm_k(self.k(x)).unflatten(-1, split), rotation)
        v = self.v(x).unflatten(-1, split)
        seen = None
        if self.tokens_per_latent is not None:
            latent = torch.arange(x.shape[1], device=x.device) // self.tokens_per_latent
            seen = latent[:, None] >= latent
        return self.o(attention(q, k, v, self.backend, seen).flatten(2))


class CrossAttention(nn.Module):
    """Video tokens look at text and, with keys and values of their own, at image tokens.

    The two results are added before the output projection. Padded text is attended, as in the
    published model, which was trained so.
    """

    def __init__(
        self, dim: int, heads: int, eps: float, backend: AttentionBackend, *, with_image: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        self.backend = backend
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)
        self.norm_q = RMSNorm(dim, eps)
        self.norm_k = RMSNorm(dim, eps)
        if with_image:
            self.k_img = nn.Linear(dim, dim)
            self.v_img = nn.Linear(dim, dim)
            self.norm_k_img = RMSNorm(dim, eps)

    def forward(self, x: Tensor, text: Tensor, image: Tensor | None) -> Tensor:
        """x [B, L, dim], text [B, M, dim], image [B, I, dim] or None -> [B, L, dim]."""
        split = (self.heads, -1)
        q = self.norm_q(self.q(x)).unflatten(-1, split)  # [B, L, N, D]
        k = self.norm_k(self.k(text)).unflatten(-1, split)
        v = self.v(text).unflatten(-1, split)
        seen = attention(q, k, v, self.backend)
        if image is not None:
            k = self.norm_k_img(self.k_img(image)).unflatten(-1, split)
            v = self.v_img(image).unflatten(-1, split)
            seen = seen + attention(q, k, v, self.backend)
        return self.o(seen.flatten(2))
