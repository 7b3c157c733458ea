"""Fair turns on one set of weights: first come, first served, one chunk step at a time.

A plain lock may be taken again at once by the visitor who just released it. Here whoever waits
longest is next, so two visitors alternate. Every turn has the same number of PyTorch's threads,
whichever thread takes it. Sums in another order would be another video.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Turns:
    """A first-in-first-out lock, shared by all sessions of an engine.

    Args:
        threads: PyTorch's threads during a turn; ``None`` for those that the caller has.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    @property
    def waiting(self) -> int:
        """How many stand in line, the one whose turn it is included."""
        return len(self._line)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for this caller's turn; the turn ends with the ``with`` block."""
        ticket = object()
        with self._changed:
            self._line.append(ticket)
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._line[0] is ticket)
            with _computing_with(self._threads):
                yield
        finally:  # also when waiting was interrupted: leave the line
            with self._changed:
                self._line.remove(ticket)
                self._changed.notify_all()


@contextmanager
def _computing_with(threads: int | None) -> Iterator[None]:
    """Gives this thread so many of PyTorch's threads, then restores its own number."""
    had = torch.get_num_threads()
    if threads is None or threads == had:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(had)
