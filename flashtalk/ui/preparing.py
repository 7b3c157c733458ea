"""Pictures and sounds are read in threads of their own: few, and slower than those who talk.

Reading holds no place and no turn. On Linux the threads yield the processor to everybody else.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import TypeVar

Result = TypeVar("Result")

THREADS = max(1, (os.cpu_count() or 1) // 4)
_NICENESS = 10
_LOOK_S = 0.2  # how soon a stop is seen


class Preparing:
    """Reads for all visitors of a page."""

    def __init__(self, threads: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, "flashtalk-reading", yield_to_others)
        self._count = 0
        self._counting = threading.Lock()

    @property
    def count(self) -> int:
        """Visitors whose picture or sound is being read, or waits for it."""
        return self._count

    def run(self, read: Callable[[], Result], stopped: Callable[[], bool]) -> Result | None:
        """What ``read`` returns, or ``None`` once ``stopped()``; raises what it raises.

        Reading that has begun ends by itself, since no decoder can be interrupted.
        """
        with self._counting:
            self._count += 1
        reading = self._pool.submit(read)
        reading.add_done_callback(self._done)
        while not stopped():
            try:
                return reading.result(_LOOK_S)
            except NotYet:
                if reading.done():  # the reader's own
                    raise
        reading.cancel()
        return None

    def _done(self, reading: Future[Result]) -> None:
        with self._counting:
            self._count -= 1


def yield_to_others() -> None:
    """Has the calling thread work only while those who talk need no processor."""
    if sys.platform == "linux":  # elsewhere a process has one priority for all its threads
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
