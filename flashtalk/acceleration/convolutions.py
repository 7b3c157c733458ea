"""Convolutions in another layout, or in fewer bits on a processor that multiplies those faster."""

from __future__ import annotations

import copy
from typing import TypeGuard

import torch
from torch import Tensor, nn

from flashtalk.errors import FlashTalkError

FEW_OUTPUTS = 8  # a flow of four pixels has as many


def channels_last(module: nn.Module) -> None:
    """The weights of all convolutions get their channels innermost; results follow their layout.

    Values stay what they are. PyTorch has names for two and three dimensions.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            flat = isinstance(layer, nn.Conv2d)
            order = torch.channels_last if flat else torch.channels_last_3d
            layer.weight.data = layer.weight.data.contiguous(memory_format=order)


def check_bf16_convolutions(device: torch.device) -> None:
    """Raises :class:`FlashTalkError` where convolutions in bfloat16 would not be faster."""
    if device.type != "cpu":
        raise FlashTalkError(
            f"bf16-convolutions are for a processor, and the device is {str(device)!r}. Leave the "
            "word out: on a GPU the published autoencoder computes in bfloat16 by itself."
        )
    if not multiplies_bf16():
        raise FlashTalkError(
            "bf16-convolutions need a processor that multiplies in bfloat16 (AVX-512 BF16 or AMX),"
            " and this one does not. Leave the word out."
        )


def multiplies_bf16() -> bool:
    """Whether this processor multiplies in bfloat16."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


class Bf16Convolution(nn.Module):
    """A convolution of bfloat16 numbers that adds in float32: [B, C, H, W] in the input's type."""

    def __init__(self, plain: nn.Conv2d) -> None:
        super().__init__()
        self.plain = plain
        self.narrow = copy.deepcopy(plain).to(torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        return self.narrow(x.to(torch.bfloat16)).to(x.dtype)


def set_bf16_convolutions(module: nn.Module, on: bool) -> None:
    """Convolutions of float32 multiply in bfloat16, or as they are.

    Those with few outputs stay as they are: they make displacements and colors. So do those of
    single pixels, and matrix products: with these in bfloat16 a talk of flashtalk-tiny falls to
    41 dB. Raises :class:`FlashTalkError` where there is none that could.
    """
    for parent in [*module.modules()]:
        for name, layer in [*parent.named_children()]:
            if isinstance(layer, Bf16Convolution):
                if not on:
                    setattr(parent, name, layer.plain)
            elif on and not isinstance(parent, Bf16Convolution) and _gains(layer):
                setattr(parent, name, Bf16Convolution(layer))
    if on and not any(isinstance(layer, Bf16Convolution) for layer in module.modules()):
        raise FlashTalkError(
            "bf16-convolutions are for flashtalk-tiny: this model has no convolution that could."
            " Leave the word out."
        )


def _gains(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    if not isinstance(layer, nn.Conv2d):
        return False
    return layer.out_channels > FEW_OUTPUTS and max(layer.kernel_size) > 1
