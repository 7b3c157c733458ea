"""Work that falls into independent parts, done by several threads at once.

Decoding and color match treat every latent frame, and every picture, alone. On a processor two
threads with half of the pictures each are quicker than one computation on two cores. Nobody waits
for the other after every step. On a GPU, which has its own parallelism, one worker is right: then
this is a plain ``map``.

Above: ``chunk``, which cuts the work; the engine, which decides how many workers there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerPool:
    """``count`` threads with one PyTorch thread each; 1 works in the caller's own thread."""

    def __init__(self, count: int = 1) -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1, got {count}")
        self.count = count
        self._pool = started_threads(count, "flashtalk-part", 1) if count > 1 else None

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Results in the order of ``items``, under the caller's gradient mode."""
        if self._pool is None or len(items) < 2:
            return [function(item) for item in items]
        inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

        def work(item: Item) -> Result:
            with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
                return function(item)

        return list(self._pool.map(work, items))


def started_threads(count: int, name: str, torch_threads: int) -> ThreadPoolExecutor:
    """A pool all of whose ``count`` threads run, each with so many of PyTorch's threads.

    ``set_num_threads`` counts for its own thread and for all that are born after it. Only here can
    the setting of the process be restored.
    """

    def begin() -> None:
        torch.get_num_threads()  # the first question takes the process's number, a second not
        torch.set_num_threads(torch_threads)

    had = torch.get_num_threads()
    all_run = Barrier(count)
    pool = ThreadPoolExecutor(count, name, begin)
    list(pool.map(lambda _: all_run.wait(), range(count)))
    torch.set_num_threads(had)
    return pool


ALONE = WorkerPool()
