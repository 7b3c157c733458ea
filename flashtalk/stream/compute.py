"""Where the steps of sessions are computed: in the caller's thread, or in one thread for all.

PyTorch and its libraries keep memory for every thread that computes. A server has dozens of
threads, so all sessions of an engine hand their steps to one. It does them in the order in which
they came. Each session waits for its step before it hands in the next, so visitors alternate.

Every step has the same number of PyTorch's threads. Sums in another order would be another video.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from flashtalk.stream.workers import started_threads

Result = TypeVar("Result")


class Computer(Protocol):
    """Runs the steps that sessions hand in."""

    def run(self, step: Callable[[], Result]) -> Result:
        """What ``step`` returns, or the exception that it raises."""

    def begin(self, step: Callable[[], Result]) -> Future[Result]:
        """The same, for whoever does something else meanwhile."""


class CallersThread:
    """Computes at once, where it is called: for a session without an engine."""

    def run(self, step: Callable[[], Result]) -> Result:
        return step()

    def begin(self, step: Callable[[], Result]) -> Future[Result]:
        done: Future[Result] = Future()
        try:
            done.set_result(step())
        except Exception as error:
            done.set_exception(error)
        return done


class ComputeThread:
    """One thread that computes for everybody; a step that fails ends nobody else's.

    Args:
        threads: PyTorch's threads of a step.
        name: what the thread is called.
    """

    def __init__(self, threads: int, name: str = "flashtalk-compute") -> None:
        self._threads = threads
        self._name = name
        self._starting = threading.Lock()
        self._start()

    def run(self, step: Callable[[], Result]) -> Result:
        handed_in = self.begin(step)
        try:
            return handed_in.result()
        finally:
            handed_in.cancel()  # if the wait was interrupted: whoever comes next need not wait

    def begin(self, step: Callable[[], Result]) -> Future[Result]:
        if self._process != os.getpid():  # forked, as on ZeroGPU: threads stay with the parent
            with self._starting:
                if self._process != os.getpid():
                    self._start()
        return self._pool.submit(step)

    def _start(self) -> None:
        self._pool = started_threads(1, self._name, self._threads)
        self._process = os.getpid()


HERE = CallersThread()
