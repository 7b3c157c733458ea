"""The processes that share a transformer, and who takes how much of what."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate, pairwise

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, rendezvous  # type: ignore[attr-defined]  # both public

from flashtalk.errors import FlashTalkError

WORK_TIMEOUT = timedelta(seconds=30)
"""A rank that answers later than this is taken for dead."""
IDLE_TIMEOUT = timedelta(days=365)
"""Between two talks nothing is sent, and nobody is dead."""


@dataclass(frozen=True)
class Ranks:
    """Joined processes; made by :func:`join_ranks`."""

    index: int
    """This process, 0 .. count - 1."""
    count: int
    device: torch.device
    work: dist.ProcessGroup | None
    """For tensors of a running call."""
    calls: dist.ProcessGroup | None
    """For the headers of calls, for which followers wait as long as it takes."""

    @property
    def leads(self) -> bool:
        """Whether this process has the page and the sessions."""
        return self.index == 0

    def share(self, count: int) -> tuple[int, int]:
        """First and end of this process's share of 0 .. count."""
        return shares(count, self.count)[self.index]


def shares(count: int, parts: int) -> tuple[tuple[int, int], ...]:
    """First and end of ``parts`` contiguous shares of 0 .. count, sizes differing by at most 1.

    >>> shares(7, 3)
    ((0, 3), (3, 5), (5, 7))
    """
    each, more = divmod(count, parts)
    sizes = (each + (part < more) for part in range(parts))
    return tuple(pairwise(accumulate(sizes, initial=0)))


def rank_count() -> int:
    """How many processes torchrun has started; 1 without it.

    Raises :class:`FlashTalkError` for variables that torchrun would not have set.
    """
    text = os.environ.get("WORLD_SIZE", "1")
    if not text.isdecimal() or int(text) < 1:
        raise FlashTalkError(f"WORLD_SIZE must be a number from 1 up, got {text!r}.")
    count = int(text)
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if count > 1 and missing:
        raise FlashTalkError(
            f"WORLD_SIZE is {count}, but {' and '.join(missing)} are not set. Start with: torchrun "
            f"--nproc-per-node {count} -m flashtalk serve ..."
        )
    return count


def rank_device(name: str | None) -> str | None:
    """The device of this process: ``cuda`` is the GPU of its local rank.

    Raises :class:`FlashTalkError` for more processes on a machine than it has GPUs.
    """
    local, here = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if name == "cpu" or (name is None and not torch.cuda.is_available()):
        return name
    if local >= here:
        raise FlashTalkError(
            f"There are more processes on this machine than GPUs ({here}). Give torchrun "
            f"--nproc-per-node {here}."
        )
    return f"cuda:{local}"


def join_ranks(device: torch.device) -> Ranks:
    """Joins the processes that torchrun has started; waits for all of them."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    store, rank, count = next(rendezvous("env://"))
    # torchrun keeps its store when it starts all again: addresses of the dead would be read there
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = PrefixStore(f"attempt{attempt}", store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=WORK_TIMEOUT)
    everyone = [*range(count)]
    calls = dist.new_group(everyone, backend="gloo", timeout=IDLE_TIMEOUT)
    return Ranks(rank, count, device, dist.group.WORLD, calls)
