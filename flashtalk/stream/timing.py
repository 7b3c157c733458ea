"""A stage timer that is injected from outside; without one, nothing is measured.

The chunk step marks its stages (speech, denoise, decode, color, motion_encode), never single steps
of the sampler. A session adds the making of pictures (finish). On a GPU the clock has to wait for
the device, so timing costs a little there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import torch


class Timer(Protocol):
    """The timer that the chunk step needs."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Everything inside the ``with`` belongs to stage ``name``."""

    def take(self) -> dict[str, float]:
        """Seconds by stage since the last call; starts over."""


class NoTimer:
    """Measures nothing, costs nothing."""

    def stage(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()

    def take(self) -> dict[str, float]:
        return {}


class StageTimer:
    """Wall-clock seconds by stage; one timer per session.

    Stages may run in several threads at once: their seconds are added.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._adding = threading.Lock()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start_s = self._now_s()
        try:
            yield
        finally:
            spent_s = self._now_s() - start_s
            with self._adding:
                self._seconds[name] = self._seconds.get(name, 0.0) + spent_s

    def take(self) -> dict[str, float]:
        with self._adding:
            taken, self._seconds = self._seconds, {}
        return taken

    def _now_s(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


NO_TIMER = NoTimer()
