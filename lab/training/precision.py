"""Which numbers a training step multiplies: bfloat16 where the processor is fast at it.

Used by the entry points; losses and weights stay float32. On two cores with AVX-512 BF16 a step of
Stage 1 takes half the time of float32. Without such instructions bfloat16 would be far slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal, get_args

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

Precision = Literal["auto", "float32", "bfloat16"]
PRECISIONS = get_args(Precision)


def has_fast_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 numbers in hardware."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@contextmanager
def mixed_precision(precision: str = "auto", device: str = "cpu") -> Iterator[None]:
    """Runs the networks of a step in ``precision``, one of ``PRECISIONS``.

    ``device`` is the type that they are on. On a GPU "auto" is bfloat16. On the CPU attention is
    computed as plain matrix products. Chunks of the embedded model have 144 tokens. For them the
    fused kernel's backward pass alone takes a third of a step (two cores).
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}; got {precision!r}")
    on_cpu = device == "cpu"
    fast = precision == "bfloat16" or (precision == "auto" and (not on_cpu or has_fast_bfloat16()))
    products = sdpa_kernel(SDPBackend.MATH) if on_cpu else nullcontext()
    with products, torch.autocast(device, torch.bfloat16) if fast else nullcontext():
        yield
