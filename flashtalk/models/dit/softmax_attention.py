"""Softmax attention: one function, one explicit choice of backend.

Below the networks, which all call :func:`attention`. A backend that was asked for and cannot run
raises; nothing ever falls back to another one in silence. ``sdpa`` runs everywhere, on the CPU
too, and is the reference that other backends are checked against.
"""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from flashtalk.errors import FlashTalkError


class AttentionBackend(Enum):
    """Who computes attention."""

    SDPA = "sdpa"
    """PyTorch picks among its own kernels; any device."""
    CUDNN = "cudnn"
    """cuDNN's fused attention: NVIDIA GPUs, 16-bit tensors, head width a multiple of 8."""


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    backend: AttentionBackend = AttentionBackend.SDPA,
    seen: Tensor | None = None,
) -> Tensor:
    """Softmax attention, scale 1/sqrt(D): q [B, Lq, N, D], k and v [B, Lk, N, D] -> like q.

    ``seen`` [Lq, Lk] is False where a query may not look; without it everything is seen. Raises
    :class:`FlashTalkError` when ``backend`` cannot run on these tensors.
    """
    q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # [B, N, L, D]
    if backend is AttentionBackend.SDPA:
        return F.scaled_dot_product_attention(q, k, v, seen).transpose(1, 2)
    check_cudnn(q)
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        return F.scaled_dot_product_attention(q, k, v, seen).transpose(1, 2)


def check_cudnn(q: Tensor) -> None:
    """Raises :class:`FlashTalkError` when cuDNN attention cannot take ``q`` [B, N, L, D]."""
    if q.device.type != "cuda":
        problem = f"the tensors are on {q.device.type!r}, it needs an NVIDIA GPU"
    elif q.dtype not in (torch.float16, torch.bfloat16):
        problem = f"the tensors are {q.dtype}, it needs float16 or bfloat16"
    elif q.shape[-1] % 8:
        problem = f"the head width is {q.shape[-1]}, it needs a multiple of 8"
    else:
        return
    raise FlashTalkError(
        f"Attention backend 'cudnn' cannot run: {problem}. Choose the backend 'sdpa' instead."
    )
