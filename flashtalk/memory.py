"""What a long-lived process does with memory that nobody needs; for the page alone.

Talks leave reference cycles. A container of PyAV and its streams hold each other, and an encoder of
30 MB with them. Python looks for cycles rarely, so they are looked for when a talk ends. What was
there before the first talk is never garbage, and leaving it out makes the search quick.
"""

from __future__ import annotations

import ctypes
import gc
import sys

_M_ARENA_MAX = -8  # of <malloc.h>
_ARENAS = 2


def share_arenas() -> None:
    """Lets all threads allocate from two arenas: glibc gives each its own, and none shrinks."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, _ARENAS)


def keep_what_is_there() -> None:
    """Leaves everything that exists at this moment out of later searches for garbage."""
    gc.collect()
    gc.freeze()


def drop_cycles() -> None:
    """Frees what only holds itself."""
    gc.collect()
