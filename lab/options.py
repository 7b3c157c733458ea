"""Command lines of the lab: each is one frozen dataclass, and tyro reads it.

A field is an option: ``rate: float = 1e-3`` is ``--rate 1e-3``. One that is ``False`` by default is
a flag, one that is ``True`` is ``--no-NAME``. The text below a field is the option's help, and
``__post_init__`` says what does not go together. Options of a nested dataclass stand beside the
others, without its name.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TypeVar

import tyro

from flashtalk.assets import ASSETS

Options = TypeVar("Options")

CONVENTIONS = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
"""How fields become options."""
TINY_WEIGHTS = ASSETS / "flashtalk-tiny"
"""The weights of the embedded model that ship."""


def read_options(kind: type[Options], arguments: Sequence[str] | None = None) -> Options:
    """``arguments``, or those of this process, as a ``kind``.

    Ends the process with status 2 after a sentence where an option is missing, unknown or refused.
    """
    return tyro.cli(kind, prog=program(), args=arguments, config=CONVENTIONS)


def program() -> str | None:
    """How this process was started, for the help: ``python -m NAME``."""
    main = sys.modules["__main__"].__spec__
    return f"python -m {main.name.removesuffix('.__main__')}" if main else None


def set_up(threads: int | None) -> None:
    """Log lines with their times, and products on so many threads of the processor."""
    import torch  # some commands do without it

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if threads is not None:
        torch.set_num_threads(threads)


def require_at_least(least: float, options: object, *names: str) -> None:
    """Raises ``ValueError`` for a field of ``options`` below ``least``; unset ones pass."""
    for name in names:
        value = getattr(options, name)
        if value is not None and value < least:
            raise ValueError(f"{name} must be at least {least:g}, got {value:g}")


def require_shares(options: object, *names: str) -> None:
    """Raises ``ValueError`` for a field of ``options`` outside of [0, 1]."""
    for name in names:
        if not 0.0 <= getattr(options, name) <= 1.0:
            raise ValueError(f"{name} must be in [0, 1], got {getattr(options, name):g}")
