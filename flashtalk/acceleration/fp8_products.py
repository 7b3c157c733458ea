"""Matrix products in 8 bits, in the blocks between the first and the last one.

Weights are e4m3 with a scale for every output row, as :mod:`flashtalk.placement.fp8` stores them.
Inputs get a scale for every token when they come (dynamic, row-wise). First and last block stay as
they are. So does all that is no linear layer of a block: modulation, norms, head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from flashtalk.acceleration.capability import check_capability
from flashtalk.errors import FlashTalkError
from flashtalk.placement import Placement, streams
from flashtalk.placement.fp8 import LARGEST, STORAGE, ScaledRows

LEAST_CAPABILITY = (8, 9)  # Ada; Hopper is (9, 0)
MULTIPLE = 16  # what scaled_mm asks of both sides of a weight
SMALLEST = 1e-12  # of a token's largest value: a token of zeros divides by it


class Fp8Linear(nn.Module):
    """A linear layer whose product runs in 8 bits; [..., in] -> [..., out] in the input's type."""

    values: Tensor
    scales: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.bias: Tensor | None = layer.bias
        if parametrize.is_parametrized(layer, "weight"):
            stored: Any = layer.parametrizations
            values, scales = stored.weight.original0, stored.weight.original1
        else:
            values, scales = ScaledRows(layer.weight.dtype).right_inverse(layer.weight)
        self.register_buffer("values", values.detach())  # [out, in]
        self.register_buffer("scales", scales.detach().float().T.contiguous())  # [1, out]

    @classmethod
    def of_rows(cls, layers: Sequence[Fp8Linear]) -> Fp8Linear:
        """One layer with the outputs of all ``layers``, in their order; each has a bias."""
        whole = cls.__new__(cls)
        nn.Module.__init__(whole)
        whole.register_buffer("values", torch.cat([layer.values for layer in layers]))
        whole.register_buffer("scales", torch.cat([layer.scales for layer in layers], dim=1))
        biases = [layer.bias for layer in layers if layer.bias is not None]
        whole.bias = nn.Parameter(torch.cat(biases), requires_grad=False)
        return whole

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, -2)
        largest = rows.abs().amax(dim=1, keepdim=True).float().clamp(min=SMALLEST)
        scale = largest / LARGEST
        product = F.scaled_mm(
            (rows.float() / scale).to(STORAGE),
            self.values.T,
            scale,
            F.ScalingType.RowWise,
            self.scales,
            F.ScalingType.RowWise,
            output_dtype=torch.bfloat16,  # the one type that all devices give
        ).to(x.dtype)
        if self.bias is not None:
            product = product + self.bias.to(x.dtype)
        return product.unflatten(0, x.shape[:-1])


def check_fp8_products(device: torch.device, placement: Placement | None) -> None:
    """Raises :class:`FlashTalkError` where products in 8 bits cannot run."""
    if streams(placement):
        raise FlashTalkError(
            f"fp8-products and the placement {placement.name} exclude each other: its blocks come "
            "and go. Leave the word out, or use --placement 48gb."
        )
    check_capability(device, LEAST_CAPABILITY, "fp8-products need", "Leave the word out.")


def multiply_in_fp8(blocks: nn.ModuleList) -> int:
    """Replaces the linear layers of all blocks but the first and the last one, for good.

    Layers whose sides are no multiples of 16 stay as they are. Returns how many were replaced.
    """
    replaced = 0
    for block in list(blocks)[1:-1]:
        for parent in [*block.modules()]:
            for name, layer in [*parent.named_children()]:
                if isinstance(layer, nn.Linear) and _fits(layer):
                    setattr(parent, name, Fp8Linear(layer))
                    replaced += 1
    return replaced


def _fits(layer: nn.Linear) -> bool:
    return layer.in_features % MULTIPLE == 0 and layer.out_features % MULTIPLE == 0
