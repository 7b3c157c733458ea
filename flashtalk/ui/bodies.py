"""Bodies of requests as they come, bit by bit: no larger and no slower than they may be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.types import Message, Receive

WAITED_S = 30.0
"""For a body of which nothing comes, in seconds; a line may freeze for ten."""
SLOWEST_BYTES_S = 1_000
"""Bytes a second of a body that comes bit by bit; the wait comes on top."""

Pay = Callable[[int], float]
"""Takes so many bytes from what a visitor may send; 0, or the seconds until they may."""


class Unread(Exception):
    """A body is not read to its end."""


class TooLarge(Unread):
    """More bytes came than a request may have."""


class TooMuch(Unread):
    """More bytes came than a visitor may send; the first argument is the time to wait, in s."""


class TooSlow(Unread):
    """A request did not come to its end in time."""


def bounded(receive: Receive, most_bytes: float, pay: Pay) -> Receive:
    """``receive`` that ends a body which is too large or too slow, or which cannot be paid.

    It raises :class:`Unread`.
    """
    count, whole, begun_s = 0, False, time.monotonic()

    async def counted() -> Message:
        nonlocal count, whole
        if whole:  # what comes now is the visitor's leaving
            return await receive()
        end_s = begun_s + WAITED_S + count / SLOWEST_BYTES_S
        try:
            message = await asyncio.wait_for(receive(), end_s - time.monotonic())
        except TimeoutError:
            raise TooSlow from None
        whole = not message.get("more_body")
        size = len(message.get("body", b""))
        count += size
        if count > most_bytes:
            raise TooLarge
        if wait_s := pay(size):
            raise TooMuch(wait_s)
        return message

    return counted
