"""The one exception that a person may read: raised at the boundaries, shown as it is.

Sits below everything. Inner functions trust their callers. Code that meets the outside world
(files, pictures, sound, configuration, weights, devices) raises :class:`FlashTalkError` with a
sentence. It says what was got, what is expected and what to do. Page and shell print it alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

P = ParamSpec("P")


class FlashTalkError(ValueError):
    """A problem the user can mend; ``str(error)`` is a complete sentence for page or shell."""


def command(main: Callable[P, int | None]) -> Callable[P, int]:
    """An entry point that says a :class:`FlashTalkError` alone, and returns the exit code.

    2 after an error, what ``main`` returned otherwise.
    """

    @wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return main(*args, **kwargs) or 0
        except FlashTalkError as error:
            sys.stderr.write(f"flashtalk: {error}\n")
            return 2

    return guarded
