"""Some processes over gloo, forked: nothing is imported again."""

from __future__ import annotations

import gc
import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from multiprocessing.context import ForkProcess

import torch

from flashtalk.parallel.ranks import Ranks, join_ranks

WAIT_S = 300  # a slow machine is not a failure
CPU = torch.device("cpu")


def started(count: int, work: Callable[[Ranks], None]) -> list[ForkProcess]:
    """``count`` running processes that joined each other, each of which does ``work``."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    def join(rank: int) -> None:
        gc.freeze()  # films of other tests have threads, which no copy of the process has
        place = {"RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in place.items()})
        os.environ["MASTER_ADDR"] = "127.0.0.1"
        torch.set_num_threads(1)
        try:
            work(join_ranks(CPU))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)  # a copy of the test's process must not clean up after it

    context = multiprocessing.get_context("fork")
    running = [context.Process(target=join, args=(rank,)) for rank in range(count)]
    for process in running:
        process.start()
    return running


def together(count: int, work: Callable[[Ranks], None]) -> None:
    """Does ``work`` in ``count`` processes, all of which end well."""
    running = started(count, work)
    for process in running:
        process.join(WAIT_S)
    assert [process.exitcode for process in running] == [0] * count
