"""Coroutines of tests run in a thread of their own: the browser's loop may run in the test's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio

Result = TypeVar("Result")


def run_apart(function: Callable[..., Awaitable[Result]], *given: object) -> Result:
    """What ``function`` of ``given`` returns or raises, from a loop of its own."""
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(anyio.run, function, *given).result(timeout=60)
