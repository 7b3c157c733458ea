"""Counts the bytes of tensors that are alive while real code runs; the highest count is the peak.

Meant for tensors on the ``meta`` device, which have shapes and storages but no memory. The real
forward of a 14B model then takes seconds and a few megabytes. What it would take on a GPU can be
read off. Works on any one device; the tests compare it with PyTorch's own allocator.

Counted are the results of operators, from their making to their last reference; views count once.
Weights and other tensors that were there before are not. Memory that an operator needs only inside
itself (workspaces of cuDNN and cuBLAS) cannot be seen from here. The shape rules of many operators
are Python code. On ``meta`` their answers are remembered, which makes a run three times quicker.

**Attention.** On the meta device PyTorch would take the textbook path. That makes a matrix of all
scores (12,096 x 12,096 for each head), which no GPU run of ours makes. Every attention here goes
through ``scaled_dot_product_attention`` in 16 bits, whose fused kernels keep a tile of it at a
time. So :class:`FusedAttention` counts what those allocate. The result counts, and one float32 per
query and head (the log-sum-exp). Heads wider than 256, which only the memory-efficient kernel
takes, add a float32 accumulator as large as the result. Masks and biases are tensors of the caller
and count as such. With gradients on, what the kernels keep for the backward pass counts, and what
they allocate in it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

WIDEST_FLASH_HEAD = 256


class LiveBytes(TorchDispatchMode):
    """While entered: ``live`` bytes now and ``peak`` bytes so far, on one kind of device.

    Where no gradients are wanted they must be off by ``torch.no_grad()``. Inference mode would hand
    compound operators over whole, and what they allocate inside would not be seen.
    """

    def __init__(self, device_type: str = "meta") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._device_type = device_type
        self._sizes: dict[int, int] = {}  # of living storages, by address; 0: was there before
        self._answers: dict[Hashable, _Layout] = {}

    def start_phase(self) -> None:
        """Forgets the peak so far; what is alive goes on being counted."""
        self.peak = self.live

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Runs the operator and notes which storages are new."""
        kwargs = kwargs or {}
        given = _tensors((args, kwargs))
        for tensor in given:
            self._note(tensor, counts=False)
        if self._device_type == "meta" and _is_pure(func):
            result = self._remembered(func, given, args, kwargs)
        else:
            result = func(*args, **kwargs)
        for tensor in _tensors(result):
            self._note(tensor, counts=True)
        return result

    def _remembered(self, func: Any, given: list[Tensor], args: Any, kwargs: Any) -> Any:
        """The result of ``func``; the second time for the same layouts, without running it."""
        question = (func, _question(args), _question(tuple(kwargs.items())))
        if question in self._answers:
            return self._answers[question].empty()
        result = func(*args, **kwargs)
        # some operators hand their input on without saying so
        if not any(result.untyped_storage()._cdata == x.untyped_storage()._cdata for x in given):
            self._answers[question] = _Layout(
                result.shape, result.stride(), result.dtype, result.device
            )
        return result

    def _note(self, tensor: Tensor, *, counts: bool) -> None:
        if tensor.device.type != self._device_type:
            return
        storage = tensor.untyped_storage()
        address = storage._cdata
        if address in self._sizes:
            return
        size = storage.nbytes() if counts else 0
        self._sizes[address] = size
        weakref.finalize(storage, self._forget, address)
        self.live += size
        self.peak = max(self.peak, self.live)

    def _forget(self, address: int) -> None:
        self.live -= self._sizes.pop(address)


class FusedAttention(TorchFunctionMode):
    """While entered: attention allocates what fused kernels do, and computes nothing."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Replaces ``scaled_dot_product_attention``; all else runs as it is."""
        if func is F.scaled_dot_product_attention:
            return (
                _fused_attention(*args[:3])
                if len(args) >= 3
                else _fused_attention(**(kwargs or {}))
            )
        return func(*args, **(kwargs or {}))


@contextmanager
def counted(device_type: str = "meta", *, gradients: bool = False) -> Iterator[LiveBytes]:
    """A :class:`LiveBytes`, entered without gradients unless asked for.

    On ``meta`` with :class:`FusedAttention`. A backward pass runs outside of that: what computes
    activations again there has to enter it again.
    """
    counter = LiveBytes(device_type)
    attention = FusedAttention() if device_type == "meta" else nullcontext()
    with torch.set_grad_enabled(gradients), counter, attention:
        yield counter


def _fused_attention(query: Tensor, key: Tensor, value: Tensor, **_: Any) -> Tensor:
    """A result [B, N, Lq, D] that lies in memory as the kernels leave it: [B, Lq, N, D]."""
    return _FusedKernel.apply(query, key, value)  # type: ignore[no-untyped-call]


class _FusedKernel(torch.autograd.Function):
    """Allocations of the fused kernels, forward and backward."""

    @staticmethod
    def forward(context: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        batch, heads, length, _width = query.shape
        width = value.shape[-1]
        result = value.new_empty(batch, length, heads, width)
        log_sum = query.new_empty(batch, heads, length, dtype=torch.float32)
        if width > WIDEST_FLASH_HEAD:  # an accumulator, given back at once
            query.new_empty(batch, length, heads, width, dtype=torch.float32)
        result = result.transpose(1, 2)
        context.save_for_backward(query, key, value, result, log_sum)
        return result

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value, _result, log_sum = context.saved_tensors
        # FlashAttention-2 (Dao 2023, algorithm 2): D = rowsum(dO o O), and dQ is summed in float32
        workspace = (torch.empty_like(log_sum), torch.empty_like(query, dtype=torch.float32))
        gradients = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        del workspace
        return gradients


@dataclass(frozen=True)
class _Layout:
    """What a tensor on the meta device is made of."""

    size: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    def empty(self) -> Tensor:
        return torch.empty_strided(self.size, self.stride, dtype=self.dtype, device=self.device)


@cache
def _is_pure(func: Any) -> bool:
    """Whether the operator returns one new tensor and changes none."""
    schema = func._schema
    whole = [*schema.arguments, *schema.returns]
    return (
        len(schema.returns) == 1
        and str(schema.returns[0].type) == "Tensor"
        and all(entry.alias_info is None for entry in whole)
    )


def _question(value: Any) -> Hashable:
    """The properties of an argument that can influence the layout of a result."""
    if isinstance(value, Tensor):
        return (value.shape, value.stride(), value.dtype, value.device)
    if isinstance(value, list | tuple):
        return tuple(_question(each) for each in value)
    return (type(value), value)  # 1, 1.0 and True are equal but promote differently


def _tensors(value: Any) -> list[Tensor]:
    """All tensors in nested lists, tuples and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [tensor for each in value for tensor in _tensors(each)]
