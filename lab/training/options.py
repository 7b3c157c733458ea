"""Options that trainings share: the machine, the clips, and how large networks are split.

Between :mod:`lab.training.loop`, whose options every training has, and the entry points.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from flashtalk.placement.device import checked_device
from lab.options import require_at_least, set_up
from lab.training.loop import LoopConfig
from lab.training.precision import Precision


@dataclass(frozen=True, kw_only=True)
class Training(LoopConfig):
    """A training on some machine."""

    device: Literal["cpu", "cuda"] = "cpu"
    """Device on which the networks are trained."""
    threads: int = 2
    """Threads of the processor, for the products of a step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(1, self, "threads")


@dataclass(frozen=True, kw_only=True)
class ClipTraining(Training):
    """A training of a part of the embedded model on rendered clips."""

    data: Path
    """Folder of clips, as ``python -m lab.synthesis`` makes them."""
    batch: int
    workers: int = 1
    """Threads that make batches; a GPU waits for one alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(1, self, "batch", "workers")


@dataclass(frozen=True, kw_only=True)
class MixedTraining(ClipTraining):
    """One whose steps may run in bfloat16."""

    precision: Precision = "auto"
    """Type of the products of a step; ``auto`` is bfloat16 where the processor is fast at it."""


@dataclass(frozen=True)
class Splitting:
    """How transformers that may be large are kept and split over ranks."""

    recompute: bool = False
    """Compute activations once more in the backward pass (activation checkpointing)."""
    shard: bool = False
    """Split weights over the ranks (FSDP2)."""
    compute_dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Type in which sharded networks are computed."""

    @property
    def dtype(self) -> torch.dtype | None:
        """Type in which networks are computed; ``None`` keeps the type of unsharded weights."""
        return getattr(torch, self.compute_dtype) if self.shard else None


WHOLE = Splitting()
"""Networks that are neither split nor computed twice."""


def begin(training: Training, seed: int | None = 0) -> torch.device:
    """Sets up log, threads and, unless ``None``, torch's seed; the device to train on.

    Raises :class:`FlashTalkError` for a device that is not there.
    """
    device = checked_device(training.device)
    set_up(training.threads)
    if seed is not None:
        torch.manual_seed(seed)
    return device
