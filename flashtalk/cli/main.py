"""``flashtalk serve | generate | bench | plan``, and ``python -m flashtalk``, which is the same."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from flashtalk.openmp import let_waiting_threads_sleep

COMMANDS = ("serve", "generate", "bench", "plan")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name not in COMMANDS:
        sys.stderr.write(f"usage: flashtalk {{{','.join(COMMANDS)}}} [--help] [options]\n")
        return 0 if name in ("-h", "--help") else 2
    let_waiting_threads_sleep()  # before the command's module imports PyTorch
    return import_module(f"flashtalk.cli.{name}").main(rest)
