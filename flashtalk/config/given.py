"""Numbers that somebody gives, of whatever type."""

from __future__ import annotations

from numbers import Real
from typing import Any

from flashtalk.errors import FlashTalkError


def whole_number(value: Any, rule: str) -> int:
    """``value`` as a whole number; raises :class:`FlashTalkError`, which begins with ``rule``."""
    if is_number(value) and value % 1 == 0:
        return int(value)
    raise FlashTalkError(f"{rule}, got {shown(value)}.")


def is_number(value: object) -> bool:
    """Whether ``value`` is a number of Python or NumPy; truth is none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def shown(value: object) -> str:
    """``value`` for a sentence, not at any length."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
