"""The one exception that a person may read: raised at the boundaries, shown as it is.

Sits below everything. Inner functions trust their callers. Code that meets the outside world
(files, pictures, sound, configuration, weights, devices) raises :class:`FlashTalkError` with a
sentence. It says what was got, what is expected and what to do. Page and shell print it alone.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import ParamSpec

from flashtalk.pipes import flush, let_go, nobody_reads, open_closed, print_any_name, tell

P = ParamSpec("P")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the system for a disk that is full, or of which nobody may have more."""
NO_FILES = (errno.EMFILE, errno.ENFILE)
"""Numbers of the system for a process, or a machine, that has as many files open as it may."""
_NOBODY_READS = 141
"""What shells report of a program that a closed pipe ended."""


class FlashTalkError(ValueError):
    """A problem the user can mend; ``str(error)`` is a complete sentence for page or shell."""


def end_at_ctrl_c() -> None:
    """Ctrl-C ends the process with a word, until :func:`raise_at_ctrl_c` is called.

    For the time in which modules are imported. Nothing is to be put in order there, and libraries
    do not expect an exception.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def raise_at_ctrl_c() -> None:
    """Ctrl-C raises ``KeyboardInterrupt`` again: from here on, there are things to put in order."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    tell("Stopped.")
    os._exit(128 + number)


def command(main: Callable[P, int | None]) -> Callable[P, int]:
    """An entry point that says a :class:`FlashTalkError` alone, and returns the exit code.

    What ``main`` returned; 2 after an error, 1 where there is no space to write, 130 after Ctrl-C.
    141 once nobody reads what is printed.
    """

    @wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
        open_closed()
        print_any_name()
        try:
            try:
                return main(*args, **kwargs) or 0
            finally:
                flush()
        except FlashTalkError as error:
            tell(f"flashtalk: {error}")
            return 2
        except KeyboardInterrupt:
            tell("Stopped.")
            return 128 + signal.SIGINT
        except OSError as error:
            return _unwritten(error)

    return guarded


def _unwritten(error: OSError) -> int:
    """The exit code where nothing more can be written; raises ``error`` if it is another."""
    if isinstance(error, BrokenPipeError) and nobody_reads():
        let_go()
        return _NOBODY_READS
    if error.errno not in NO_SPACE:
        raise error
    place = error.filename or "The output"
    tell(f"flashtalk: {place} could not be written: {error.strerror}. Free some space first.")
    let_go()
    return 1
