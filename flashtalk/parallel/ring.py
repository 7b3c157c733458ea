"""Attention over the tokens of several groups: keys and values go round, results are merged.

Source: Ring Attention (Liu et al. 2023, arXiv 2310.01889). Each rank attends to one block of keys
and values at a time. A block's result comes with its log-sum-exp, by which partial softmaxes are
weighted. Blocks of any length merge to what one softmax over all of them gives.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.errors import FlashTalkError
from flashtalk.parallel.exchange import passed_on
from flashtalk.parallel.mesh import Mesh

RING_KERNELS = ("sdpa", "flash", "flash3")
"""Kernels of ``--acceleration`` that are PyTorch's flash kernel here: it tells the log-sum-exp."""


def attention_with_lse(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax attention and its log-sum-exp: ([B, Lq, N, D], [B, N, Lq] float32).

    q [B, Lq, N, D], k and v [B, Lk, N, D]; 16 bits on a GPU, any floating-point type elsewhere.
    """
    given = [each.transpose(1, 2) for each in (q, k, v)]  # [B, N, L, D]
    if q.is_cuda:
        flash = torch.ops.aten._scaled_dot_product_flash_attention
    else:
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    attended, lse, *_ = flash(*given)
    return attended.transpose(1, 2), lse.float()


def merged(attended: Tensor, lse: Tensor, more: Tensor, more_lse: Tensor) -> tuple[Tensor, Tensor]:
    """Attention over two sets of keys, from that over each; shapes of :func:`attention_with_lse`.

    The sums are float32.
    """
    both = torch.logaddexp(lse, more_lse)
    first, second = (
        (each - both).exp().transpose(1, 2).unsqueeze(-1) for each in (lse, more_lse)
    )  # [B, L, N, 1]
    return attended.float() * first + more.float() * second, both


class RingAttention:
    """Softmax attention of this rank's queries to the tokens of all groups."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v [B, L of the group, my N, D] -> like q."""
        mesh, here = self._mesh, self._mesh.ring.index
        per_row = k.shape[1] // sum(mesh.group_rows(here))
        block = torch.stack((k, v))
        attended, lse = attention_with_lse(q, k, v)
        for step in range(1, mesh.ring.count):
            source = (here - step) % mesh.ring.count
            length = sum(mesh.group_rows(source)) * per_row
            shape = (*block.shape[:2], length, *block.shape[3:])
            before = (here - 1) % mesh.ring.count
            block = passed_on(block, shape, mesh.ring_rank(here + 1), mesh.ring_rank(before))
            attended, lse = merged(attended, lse, *attention_with_lse(q, block[0], block[1]))
        return attended.to(q.dtype)


def require_lse(kernel: str) -> None:
    """Raises :class:`FlashTalkError` for an attention kernel that tells no log-sum-exp here."""
    if kernel not in RING_KERNELS:
        raise FlashTalkError(
            f"attention={kernel} cannot be merged around a ring of processes. Use attention="
            f"{' or attention='.join(RING_KERNELS)}, or another number of processes."
        )
