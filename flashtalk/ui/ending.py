"""How a served page ends: first its talks, then its server."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import SIGINT, SIGTERM
from types import FrameType
from typing import Any

from flashtalk.ui.door import Page

PATIENCE_S = 8.0
"""Longest wait for talks to end, below the 10 s that containers are given to end."""
GOODBYE_S = 1.0
"""For the last message, and for the browser to ask for its film."""

logger = logging.getLogger(__name__)

Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


@contextmanager
def talks_end_first(page: Page) -> Iterator[None]:
    """Ctrl-C and SIGTERM end talks after the piece that is being made, then the server.

    A second signal ends the server at once. Only a process's main thread hears signals.
    """

    def end(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.default_int_handler)
        logger.info("Talks end first; once more to end at once.")
        if page.talk.end_all(PATIENCE_S):
            time.sleep(GOODBYE_S)
        raise KeyboardInterrupt

    before: dict[int, Handler] = {}
    if threading.current_thread() is threading.main_thread():
        before |= {number: signal.signal(number, end) for number in (SIGINT, SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
