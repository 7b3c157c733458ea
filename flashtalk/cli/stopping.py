"""Ctrl-C and SIGTERM as a wish that the work looks at; a second one ends it at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Stop:
    """Set by the first Ctrl-C; looked at between two pieces of video."""

    signal_number: int = 0

    def __bool__(self) -> bool:
        return self.signal_number != 0

    @property
    def exit_code(self) -> int:
        """The exit code that shells give a process that a signal ended."""
        return 128 + self.signal_number


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Turn the first Ctrl-C (or SIGTERM) into a :class:`Stop`; a second one ends at once.

    Only a process's main thread hears signals; elsewhere nothing is changed. Windows delivers
    Ctrl-C alone: what ends a process there leaves it no time.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, frame: FrameType | None) -> None:
        if stop:
            raise KeyboardInterrupt
        stop.signal_number = number
        sys.stderr.write("\nStopping after this piece; once more to stop at once.\n")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
