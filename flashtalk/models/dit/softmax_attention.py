"""Softmax attention: the one function that every attention of the transformer calls."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""q [B, Lq, N, D], k and v [B, Lk, N, D] -> [B, Lq, N, D]."""


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax attention, scale 1/sqrt(D): q [B, Lq, N, D], k and v [B, Lk, N, D] -> like q.

    ``mask`` [Lq, Lk] is False where a query may not look. PyTorch picks among its own kernels.
    """
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # [B, N, L, D]
    return F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2)
