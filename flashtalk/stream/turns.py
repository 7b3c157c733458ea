"""Fair turns on one set of weights: first come, first served, one chunk step at a time.

A plain lock may be taken again at once by the visitor who just released it; here whoever waits
longest is next, so two visitors alternate.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A first-in-first-out lock, shared by all sessions of an engine."""

    def __init__(self) -> None:
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
            yield
        finally:  # also when waiting was interrupted: leave the line
            with self._changed:
                self._line.remove(ticket)
                self._changed.notify_all()
