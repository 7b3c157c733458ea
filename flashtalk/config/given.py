"""Numbers that somebody gives, of whatever type."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real
from typing import Any

from flashtalk.errors import FlashTalkError

_MOST_SHOWN = 40  # characters


def whole_number(value: Any, rule: str) -> int:
    """``value`` as a whole number; raises :class:`FlashTalkError`, which begins with ``rule``."""
    if is_number(value) and value % 1 == 0:
        return int(value)
    raise FlashTalkError(f"{rule}, got {shown(value)}.")


def known_names(names: Iterable[object], known: Iterable[str], what: str) -> None:
    """Refuses ``names`` that are not ``known`` of ``what``: a typing error would change nothing.

    Raises:
        FlashTalkError: with the known ones.
    """
    known = tuple(known)
    if unknown := [str(name)[:_MOST_SHOWN] for name in names if name not in known]:
        raise FlashTalkError(f"{what} has {', '.join(known)}; got {', '.join(unknown)}.")


def is_number(value: object) -> bool:
    """Whether ``value`` is a number of Python or NumPy; truth is none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def shown(value: object) -> str:
    """``value`` for a sentence, not at any length."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
