"""Messages of one talk: a thread writes them, requests of an event loop wait for them."""

from __future__ import annotations

import asyncio
import threading


class Mailbox:
    """Numbered messages; what a reader has asked beyond is dropped, as it has arrived."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: list[str] = []
        self._first = 0  # number of the first one that is kept
        self._waiting: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def put(self, message: str) -> None:
        """Adds a message and wakes whoever waits."""
        with self._lock:
            self._messages.append(message)
            for event, loop in self._waiting.items():
                loop.call_soon_threadsafe(event.set)

    async def messages_from(self, number: int, patience_s: float) -> list[str]:
        """Messages from ``number`` on; waits up to ``patience_s`` for one."""
        event = asyncio.Event()
        with self._lock:
            self._waiting[event] = asyncio.get_running_loop()
        try:
            if not (found := self._kept(number)):
                try:
                    await asyncio.wait_for(event.wait(), patience_s)
                except TimeoutError:
                    return []
                found = self._kept(number)
            return found
        finally:
            with self._lock:
                del self._waiting[event]

    def _kept(self, number: int) -> list[str]:
        with self._lock:
            behind = min(max(0, number - self._first), len(self._messages))
            del self._messages[:behind]
            self._first += behind
            return list(self._messages)
