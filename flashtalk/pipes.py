"""Standard streams that are closed, or that nobody reads; see ``errors.command``."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from pathlib import Path


def open_closed() -> None:
    """Standard streams that the process was started without lead nowhere.

    Else the next file that is opened takes the number of such a stream, and gets what is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115, until the end


def print_any_name() -> None:
    """Prints names of files as they are, also those that are no text; the rest never fails."""
    utf_8 = sys.stdout.encoding.lower() == "utf-8"
    with suppress(AttributeError):  # not a stream of text
        sys.stdout.reconfigure(errors="surrogateescape" if utf_8 else "backslashreplace")  # type: ignore[union-attr]


def nobody_reads() -> bool:
    """Whether standard output or errors are a pipe whose reader has gone."""
    with suppress(AttributeError, OSError, ValueError):  # no poll on Windows, no number in tests
        poll = select.poll()
        for stream in (sys.stdout, sys.stderr):
            poll.register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    return False


def flush() -> None:
    """Write what is held back, where a failure can still be told."""
    sys.stdout.flush()
    sys.stderr.flush()


def let_go() -> None:
    """What is still held back goes nowhere: the process's end would try it again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def tell(sentence: str) -> None:
    """Write ``sentence`` to standard errors, if anybody hears it; the last that is written."""
    try:
        sys.stderr.write(f"{sentence}\n")
        flush()
    except OSError:
        let_go()
