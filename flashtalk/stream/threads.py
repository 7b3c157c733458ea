"""The threads that all sessions of an engine share."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from flashtalk.stream.compute import ComputeThread
from flashtalk.stream.workers import WorkerPool


@dataclass(frozen=True)
class Threads:
    """Who computes what."""

    computer: ComputeThread
    """Every step of every session, one at a time."""
    workers: WorkerPool
    """Parts of a decoding, side by side."""
    pictures: ComputeThread | None
    """The last pictures of a chunk while the next one is computed, where that pays."""

    @classmethod
    def started(cls, apart: bool, turn_threads: int | None = None) -> Threads:
        """Steps with ``turn_threads`` of PyTorch's threads, by default with all of them.

        ``apart``: parts of a decoding need nothing of each other, and side by side are quicker.
        """
        return cls(
            ComputeThread(turn_threads or torch.get_num_threads()),
            WorkerPool(torch.get_num_threads() if apart else 1),
            ComputeThread(1, "flashtalk-pictures") if apart else None,
        )
