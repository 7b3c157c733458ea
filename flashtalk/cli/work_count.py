"""What one chunk computes and moves, counted operator by operator while it runs.

Floating-point operations are PyTorch's own count of matrix products, convolutions and attention.
Bytes are those that every operator reads and writes, as if nothing stayed in a cache. What fusing
operators can save is in them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from flashtalk.conditions import conditions_of
from flashtalk.models.networks import Networks
from flashtalk.stream.chunk import Scene
from flashtalk.stream.session import Session


@dataclass(frozen=True)
class Work:
    """Counts of one piece of work."""

    flop: int
    bytes: int


class _Bytes(TorchDispatchMode):
    """Adds up what operators read and write; views move nothing."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            leaves = tree_leaves((args, kwargs, result))
            self.total += sum(each.nbytes for each in leaves if isinstance(each, Tensor))
        return result


def counted(work: Callable[[], object]) -> Work:
    """What ``work`` does in the caller's own thread."""
    bytes_moved = _Bytes()
    with FlopCounterMode(display=False) as operations, bytes_moved:
        work()
    return Work(operations.get_total_flops(), bytes_moved.total)


def counted_chunk(networks: Networks, portrait: Tensor) -> Work:
    """The first chunk of silence for ``portrait`` [1, 3, H, W], the speech encoder included."""
    scene = Scene(networks, conditions_of(networks, portrait), networks.preset.sampler)
    geometry = scene.geometry
    silence = torch.zeros(geometry.new_samples + geometry.lookahead_samples + 1).numpy()
    session = Session(scene)
    return counted(lambda: list(session.push(silence)))
