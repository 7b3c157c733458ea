"""What a process does with memory that nobody needs at the moment.

glibc gives every thread a heap of its own, and asks the kernel for each large tensor. Both cost
memory, and new pages cost time. Talks leave reference cycles. A container of PyAV and its streams
hold each other, and an encoder of 30 MB with them. Python looks for cycles rarely, so they are
looked for when a talk ends. What was there before the first talk is never garbage, and leaving it
out makes the search quick.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys

_M_ARENA_MAX, _M_MMAP_MAX, _M_TRIM_THRESHOLD = -8, -4, -1  # of <malloc.h>
_NEVER = 2**31 - 1  # bytes at the end of a heap that go back to the kernel


def keep_one_heap() -> None:
    """All threads allocate from one heap, which keeps its pages for the next tensors.

    Call it where a process starts. Does nothing where the C library is not glibc.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)
            mallopt(_M_MMAP_MAX, 0)
            mallopt(_M_TRIM_THRESHOLD, _NEVER)


def keep_what_is_there() -> None:
    """Leaves everything that exists at this moment out of later searches for garbage."""
    gc.collect()
    gc.freeze()


def forks_free_nothing() -> None:
    """Processes forked from this one never search what it had for garbage.

    A filter of PyAV waits for its threads when it is freed. A forked process has none of them, so
    it would wait forever. Call it where a process starts. Does nothing where nobody forks.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=gc.freeze)


def drop_cycles() -> None:
    """Frees what only holds itself."""
    gc.collect()
