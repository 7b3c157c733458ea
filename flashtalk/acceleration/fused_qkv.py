"""Queries, keys and values of self-attention in one product of three times the width.

The same numbers in one larger matrix: a GPU starts one kernel where it started three. In 8 bits the
input is rounded once. What is added up for an element is the same, so only rounding differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from flashtalk.acceleration.fp8_products import Fp8Linear
from flashtalk.errors import FlashTalkError
from flashtalk.models.dit.attention import SelfAttention
from flashtalk.placement import Placement, streams

FUSED = "qkv"
"""The layer that takes the place of q, k and v."""


def check_fused_qkv(placement: Placement | None, *, fp8_products: bool) -> None:
    """Raises :class:`FlashTalkError` where the layers cannot be joined."""
    if streams(placement):
        raise FlashTalkError(
            f"fused-qkv and the placement {placement.name} exclude each other: its blocks come and "
            "go. Leave the word out, or use --placement 48gb."
        )
    if placement is not None and placement.fp8 and not fp8_products:
        raise FlashTalkError(
            f"fused-qkv and the placement {placement.name} go together with fp8-products only: "
            "weights that are stored in 8 bits are made anew layer by layer. Add that word, or "
            "leave this one out."
        )


def fuse_qkv(modules: Iterable[nn.Module]) -> int:
    """Joins the three layers of every self-attention, for good; returns how many were joined.

    Layers whose weights are stored in 8 bits and multiplied in 16 stay as they are.
    """
    joined = 0
    for module in [*modules]:
        if not isinstance(module, SelfAttention) or hasattr(module, FUSED):
            continue
        layers = [module.q, module.k, module.v]
        layer = _joined(layers)
        if layer is None:
            continue
        setattr(module, FUSED, layer)
        del module.q, module.k, module.v
        module.projected = partial(_projected, module)  # type: ignore[method-assign]
        joined += 1
    return joined


def _projected(module: nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    return getattr(module, FUSED)(x).chunk(3, dim=-1)


def _joined(layers: Sequence[nn.Module]) -> nn.Module | None:
    """One layer with the rows of all; ``None`` for a kind that cannot be joined."""
    in_8_bits = [layer for layer in layers if isinstance(layer, Fp8Linear)]
    if len(in_8_bits) == len(layers):
        return Fp8Linear.of_rows(in_8_bits)
    plain = [layer for layer in layers if type(layer) is nn.Linear]  # not one with 8 bits stored
    if len(plain) < len(layers):
        return None
    with torch.device("meta"):
        whole = nn.Linear(plain[0].in_features, sum(layer.out_features for layer in plain))
    whole.weight = nn.Parameter(torch.cat([layer.weight for layer in plain]), requires_grad=False)
    whole.bias = nn.Parameter(torch.cat([layer.bias for layer in plain]), requires_grad=False)
    return whole
