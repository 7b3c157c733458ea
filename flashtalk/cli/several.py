"""``torchrun --nproc-per-node N -m flashtalk serve``: one page, N processes that compute for it.

Rank 0 serves, the others follow its calls. When one of them is gone, the talk ends with a sentence.
The service ends then, too, and torchrun starts all of them again (``--max-restarts``).
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flashtalk.parallel.ranks import Ranks, join_ranks, rank_count, rank_device
from flashtalk.parallel.team import FAILED, Team
from flashtalk.placement.device import checked_device


def joined(device: str | None) -> Ranks | None:
    """This process among those that torchrun has started; ``None`` alone.

    Raises :class:`flashtalk.errors.FlashTalkError` for more processes than GPUs.
    """
    if rank_count() == 1:
        return None
    return join_ranks(checked_device(rank_device(device) or "cpu"))


def follow(team: Team) -> int:
    """Computes for rank 0 until it ends; the exit code."""
    try:
        team.follow()
    except RuntimeError as error:  # what all backends raise when somebody is gone
        logging.error("Rank %d ends: rank 0 does not answer (%s).", team.ranks.index, error)
        return FAILED
    return 0


@contextmanager
def leading(team: Team) -> Iterator[None]:
    """Lets the others go at the end; ends the service once one of them is gone."""
    over = threading.Event()

    def watch() -> None:
        team.gone.wait()
        if not over.is_set():
            logging.error("A process is gone, so the service ends. torchrun can start it again.")
            os.kill(os.getpid(), signal.SIGTERM)  # as a user would: talks end first

    threading.Thread(target=watch, name="flashtalk-ranks", daemon=True).start()
    try:
        yield
    finally:
        over.set()
        if team.gone.is_set():
            os._exit(FAILED)  # a group with a silent member cannot be left in order
        team.gone.set()  # the watch ends, too
        try:
            team.end()
        except RuntimeError:  # one went between two talks, or torchrun has ended it
            os._exit(FAILED)
