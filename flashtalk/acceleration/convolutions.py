"""Convolutions in another layout, or in fewer bits on a processor that multiplies those faster."""

from __future__ import annotations

import torch
from torch import nn

from flashtalk.errors import FlashTalkError


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
    found = torch.cpu.get_capabilities()
    if not (found.get("avx512_bf16") or found.get("amx_bf16")):
        raise FlashTalkError(
            "bf16-convolutions need a processor that multiplies in bfloat16 (AVX-512 BF16 or AMX),"
            " and this one does not. Leave the word out."
        )


def set_bf16_convolutions(on: bool) -> None:
    """Convolutions of float32 on processors multiply in bfloat16, for the whole process.

    PyTorch has one setting for all of oneDNN. Sums stay float32, and so do results. Matrix
    products are left as they are: in bfloat16 a talk of flashtalk-tiny falls to 41 dB.
    """
    torch.backends.mkldnn.conv.fp32_precision = "bf16" if on else "none"  # type: ignore[attr-defined]
