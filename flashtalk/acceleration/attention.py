"""Kernels of softmax attention that can be chosen: PyTorch's own, and packages where installed.

All compute the same function, :func:`flashtalk.models.dit.softmax_attention.attention`, and differ
in how they round. A kernel that was asked for and cannot run here is refused, never replaced.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, activate_flash_attention_impl, sdpa_kernel

from flashtalk.acceleration.capability import check_capability
from flashtalk.acceleration.settings import AttentionName
from flashtalk.errors import FlashTalkError
from flashtalk.models.dit.softmax_attention import Attend, attention

HOPPER = (9, 0)  # compute capability that FlashAttention-3 is written for


@dataclass(frozen=True)
class Kernel:
    """One way to compute attention, and what it needs."""

    make: Callable[[], Attend]
    package: str | None = None
    """The module that has to be installed beside PyTorch."""
    gpu: bool = True
    """Whether it needs a CUDA GPU."""
    capability: tuple[int, int] = (0, 0)
    """The least compute capability of that GPU."""


def torch_kernel(backend: SDPBackend) -> Attend:
    """PyTorch's attention held to one of its kernels; it raises where that one cannot run."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with sdpa_kernel(backend):
            return attention(q, k, v)

    return attend


def _flash3() -> Attend:
    """FlashAttention-3 in place of PyTorch's own flash kernel, for the whole process."""
    activate_flash_attention_impl("FA3")
    return torch_kernel(SDPBackend.FLASH_ATTENTION)


def _flash_attn() -> Attend:
    attend: Attend = importlib.import_module("flash_attn").flash_attn_func
    return attend  # takes and returns [B, L, N, D], as ours


def _sage() -> Attend:
    sage = importlib.import_module("sageattention").sageattn

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return sage(q, k, v, tensor_layout="NHD")

    return attend


KERNELS: dict[AttentionName, Kernel] = {
    "sdpa": Kernel(lambda: attention, gpu=False),
    "math": Kernel(lambda: torch_kernel(SDPBackend.MATH), gpu=False),
    "flash": Kernel(lambda: torch_kernel(SDPBackend.FLASH_ATTENTION), gpu=False),
    "efficient": Kernel(lambda: torch_kernel(SDPBackend.EFFICIENT_ATTENTION)),
    "cudnn": Kernel(lambda: torch_kernel(SDPBackend.CUDNN_ATTENTION)),
    "flash3": Kernel(_flash3, package="flash_attn_interface", capability=HOPPER),
    "flash-attn": Kernel(_flash_attn, package="flash_attn", capability=(8, 0)),
    "sage": Kernel(_sage, package="sageattention", capability=(8, 0)),
}


def check_attention(name: AttentionName, device: torch.device) -> None:
    """Raises :class:`FlashTalkError`, saying what is missing, if ``name`` cannot run here."""
    kernel = KERNELS[name]
    if kernel.gpu and device.type != "cuda":
        raise FlashTalkError(
            f"Attention kernel {name!r} needs a CUDA GPU, and the device is {str(device)!r}. Use "
            "attention=sdpa, which PyTorch has for every device."
        )
    needs = f"Attention kernel {name!r} needs"
    check_capability(device, kernel.capability, needs, "Use attention=sdpa.")
    if kernel.package is not None and importlib.util.find_spec(kernel.package) is None:
        raise FlashTalkError(
            f"Attention kernel {name!r} needs the package {kernel.package!r}, which is not "
            "installed. Install it, or use attention=sdpa."
        )


def set_attention(transformer: nn.Module, name: AttentionName) -> None:
    """Every attention of ``transformer`` computes with the kernel ``name``; ``sdpa`` undoes it."""
    attend = KERNELS[name].make()
    for module in transformer.modules():
        if hasattr(type(module), "attend"):
            module.attend = attend  # type: ignore[assignment]
