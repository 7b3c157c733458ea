"""One item ahead: the next piece of video is computed while the last one is encoded and shown.

Used by :mod:`flashtalk.outputs.film`. The iteration moves to a thread of its own; order, items and
errors stay. At most one item is made that nobody has asked for.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Made(Generic[Item]):
    """An item, and when it was made, on the clock of ``time.perf_counter``."""

    item: Item
    begin_s: float
    end_s: float


class Source(Protocol[Item]):
    """Makes items one by one, until there is none or somebody stops it."""

    def __iter__(self) -> Iterator[Made[Item]]: ...

    def close(self) -> None:
        """Ends the iterator below; a second call does nothing."""


class InTurn(Generic[Item]):
    """Each item is made when it is asked for, in the caller's thread."""

    def __init__(self, items: Iterable[Item], stopped: Callable[[], bool]) -> None:
        self._items, self._stopped = iter(items), stopped

    def __iter__(self) -> Iterator[Made[Item]]:
        while not self._stopped():
            made = _next(self._items)
            if made is None:
                return
            yield made

    def close(self) -> None:
        _close(self._items)


class Ahead(Generic[Item]):
    """The next item is made on a thread while the caller works on the last one.

    ``stopped()`` is asked before each item is handed out or begun. One that was begun ahead is
    dropped then. An error comes after all items that were made before it. :meth:`close` does not
    wait: the thread ends the iterator below once the item that it makes is done.
    """

    def __init__(self, items: Iterable[Item], stopped: Callable[[], bool]) -> None:
        self._items, self._stopped = iter(items), stopped
        self._thread = ThreadPoolExecutor(1, "flashtalk-ahead")
        self._context = contextvars.copy_context()  # Gradio's request, which ZeroGPU looks for
        self._closed = False

    def __iter__(self) -> Iterator[Made[Item]]:
        running: Future[Made[Item] | None] | None = None
        while not self._stopped():
            running = running or self._begin()
            made = running.result()
            if made is None:
                return
            running = None if self._stopped() else self._begin()
            yield made

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._thread.submit(self._context.run, _close, self._items)
        self._thread.shutdown(wait=False)

    def _begin(self) -> Future[Made[Item] | None]:
        return self._thread.submit(self._context.run, _next, self._items)


def _next(items: Iterator[Item]) -> Made[Item] | None:
    begin_s = time.perf_counter()
    for item in items:
        return Made(item, begin_s, time.perf_counter())
    return None


def _close(items: Iterator[Item]) -> None:
    close = getattr(items, "close", None)  # a generator has it, a list's iterator has not
    if close is not None:
        close()
