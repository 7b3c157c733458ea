"""Sentences of a command, beside what it prints as its result."""

from __future__ import annotations

import sys


def say(sentence: str) -> None:
    """Write ``sentence`` to standard error."""
    sys.stderr.write(f"{sentence}\n")


def reason(error: Exception) -> str:
    """What went wrong: the system's own words, without the path, or the sentence of ``error``."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
