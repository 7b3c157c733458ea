"""How OpenMP's threads wait for each other; set where a process starts, before PyTorch is imported.

Libraries that import ``flashtalk`` keep their own policy: only the commands and ``app.py`` call
this. To have it in a program of your own, call it before the first ``import torch``.
"""

from __future__ import annotations

import os

SPIN_TURNS = "3000"
"""Turns of the waiting loop before a thread sleeps: some microseconds."""


def let_waiting_threads_sleep() -> None:
    """Make a thread that waits spin a moment, then sleep; a policy of the user's own stays.

    OpenMP reads the variables once, when PyTorch is imported. Virtual cores belong to others at
    times. A thread that spins takes the time that the awaited one needs. A thread that sleeps at
    once must be woken at every step.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "passive"
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_TURNS)
