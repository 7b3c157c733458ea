"""Attention of video tokens to each other, and to text and image tokens.

Part of a :class:`flashtalk.models.dit.block.TransformerBlock`. Queries and keys are RMS-normalized
over all heads together (Wan 2.1). Attribute names follow the published checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from flashtalk.models.dit.embeddings import RMSNorm
from flashtalk.models.dit.rope import rotate
from flashtalk.models.dit.softmax_attention import Attend, attention


class SelfAttention(nn.Module):
    """Every token of a chunk sees every other one; positions enter by rotation."""

    attend: Attend = staticmethod(attention)
    """Computes softmax attention; set on an instance, it replaces the plain path."""

    def __init__(self, dim: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)
        self.norm_q = RMSNorm(dim, eps)
        self.norm_k = RMSNorm(dim, eps)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        """[B, L, dim] -> [B, L, dim]."""
        split = (self.heads, -1)
        parts = iter(self.projected(x))  # one after the other: less is alive at once
        q = rotate(self.norm_q(next(parts)).unflatten(-1, split), rotation)  # [B, L, N, D]
        k = rotate(self.norm_k(next(parts)).unflatten(-1, split), rotation)
        v = next(parts).unflatten(-1, split)
        return self.o(self.attend(q, k, v).flatten(2))

    def projected(self, x: Tensor) -> Iterable[Tensor]:
        """Queries, keys and values of ``x``, each [B, L, dim]; like ``attend``, replaceable."""
        return (layer(x) for layer in (self.q, self.k, self.v))


class CrossAttention(nn.Module):
    """Video tokens look at text and, with keys and values of their own, at image tokens.

    The two results are added before the output projection. Padded text is attended, as in the
    published model, which was trained so.
    """

    attend: Attend = staticmethod(attention)
    """As in :class:`SelfAttention`."""

    def __init__(self, dim: int, heads: int, eps: float, *, with_image: bool) -> None:
        super().__init__()
        self.heads = heads
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
        attended = self.attend(q, k, v)
        if image is not None:
            k = self.norm_k_img(self.k_img(image)).unflatten(-1, split)
            v = self.v_img(image).unflatten(-1, split)
            attended = attended + self.attend(q, k, v)
        return self.o(attended.flatten(2))
