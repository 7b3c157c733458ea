"""Who asked to stop, and whether anybody still talks; safe for several threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from flashtalk.errors import FlashTalkError

CLOSING = "The page is being closed. Please try again in a minute."


class Stops:
    """Which visitor asked to stop.

    A visitor may press Stop while the video still waits in the queue. That is remembered until the
    video would begin.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[str, list[threading.Event]] = {}
        self._early: set[str] = set()
        self.closing = False
        """Whether every run is being ended."""

    @contextmanager
    def run(self, visitor: str) -> Iterator[threading.Event]:
        """The flag of a run that begins now.

        Raises:
            FlashTalkError: after :meth:`end_all`.
        """
        flag = threading.Event()
        with self._changed:
            if self.closing:
                raise FlashTalkError(CLOSING)
            if visitor in self._early:
                self._early.discard(visitor)
                flag.set()
            # more than one: a page that was copied to another tab, or an impatient program
            self._running.setdefault(visitor, []).append(flag)
        try:
            yield flag
        finally:
            with self._changed:
                self._running[visitor].remove(flag)
                if not self._running[visitor]:
                    del self._running[visitor]
                self._changed.notify_all()

    def stop(self, visitor: str) -> None:
        """Sets the flags of the visitor's runs, or of the one that is about to begin."""
        with self._changed:
            for flag in self._running.get(visitor, ()):
                flag.set()
            if visitor not in self._running:
                self._early.add(visitor)

    def forget(self, visitor: str) -> None:
        """Drops a Stop for which no run came."""
        with self._changed:
            self._early.discard(visitor)

    def end_all(self, patience_s: float) -> bool:
        """Stops every run, lets none begin, and waits; whether all ended in time."""
        with self._changed:
            self.closing = True
            for flag in chain.from_iterable(self._running.values()):
                flag.set()
            return self._changed.wait_for(lambda: not self._running, patience_s)
