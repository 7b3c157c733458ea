"""A device that is not there: tensors that refuse to meet those of the CPU, as a GPU's do.

PyTorch's ``meta`` device takes its place, and its tensors have their numbers after all: an
:class:`Elsewhere` holds them in memory. What a GPU would not forgive (an operator whose tensors are
in two places, ``numpy()`` of one that is away) is an error here, too, on machines without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

AWAY = torch.device("meta")


def mapped(change: Callable[[Any], Any], given: Any) -> Any:
    """``given``, each of whose leaves is changed; what operators take and return has these kinds.

    PyTorch's own function knows many more, and took most of the time of all trainings here.
    """
    if isinstance(given, list | tuple):
        return type(given)([mapped(change, each) for each in given])
    if isinstance(given, dict):
        return {name: mapped(change, each) for name, each in given.items()}
    return change(given)


class Elsewhere(Tensor):
    """A tensor that says it is :data:`AWAY`."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Elsewhere:
        made = Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=AWAY,
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} of a tensor that is away, outside of elsewhere()")


class Device(TorchDispatchMode):
    """The device while it exists."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: set[str] = set()
        """Names of the operators that ran on it."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        away: list[Elsewhere] = []
        here: list[Tensor] = []

        def unwrapped(each: Any) -> Any:
            if isinstance(each, Elsewhere):
                away.append(each)
                return each.inner
            if isinstance(each, Tensor) and each.dim():
                here.append(each)
            return each

        inner_args, inner_kwargs = mapped(unwrapped, args), mapped(unwrapped, kwargs)
        asked = kwargs.get("device")
        copies = func.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.copy_)
        if away and here and not copies:
            shapes = [tuple(each.shape) for each in here]
            raise RuntimeError(f"{func}: tensors {shapes} are on the CPU, others on the device")
        if away:
            self.ran.add(func.overloadpacket.__name__)
        to_wrap = bool(away) if asked is None else torch.device(asked) == AWAY
        if asked is not None:
            inner_kwargs["device"] = torch.device("cpu")
        known = {id(each.inner): each for each in away}

        def wrapped(each: Any) -> Any:
            if not to_wrap or not isinstance(each, Tensor):
                return each
            return known[id(each)] if id(each) in known else Elsewhere(each)

        result = func(*inner_args, **inner_kwargs)
        if func.overloadpacket is torch.ops.aten.copy_:
            return args[0]
        return mapped(wrapped, result)


class _Functions(TorchFunctionMode):
    """Data that would be left out of a meta tensor as it is made."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is Tensor.new_tensor and isinstance(args[0], Elsewhere):
            kind = kwargs.pop("dtype", args[0].dtype)
            return torch.tensor(*args[1:], dtype=kind, **kwargs).to(AWAY)
        if func is torch.tensor and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return torch.tensor(*args, **kwargs).to(device)
        if func in (Tensor.__getitem__, Tensor.__setitem__) and isinstance(args[0], Elsewhere):
            chosen = args[1] if isinstance(args[1], tuple) else (args[1],)
            there = (torch.tensor(x).to(AWAY) if isinstance(x, list) else x for x in chosen)
            return func(args[0], tuple(there), *args[2:])
        if func is Tensor.tolist and isinstance(args[0], Elsewhere):
            return args[0].cpu().tolist()
        return func(*args, **kwargs)


@contextmanager
def elsewhere() -> Iterator[Device]:
    """While entered, :data:`AWAY` is a device that computes."""
    with _Functions(), Device() as device:
        yield device
