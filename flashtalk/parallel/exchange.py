"""What ranks send to each other: neighbors' rows, shares of a tensor, everything to everybody.

All sizes are known on both sides beforehand, so nothing but numbers travels.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
import torch.distributed as dist
from torch import Tensor

from flashtalk.parallel.ranks import Ranks


def all_to_all(
    parts: list[Tensor], shapes: Sequence[tuple[int, ...]], ranks: Ranks
) -> list[Tensor]:
    """Sends ``parts[r]`` to rank r; returns what came from each, in ``shapes``."""
    sent = torch.cat([part.flatten() for part in parts])
    sizes = [prod(shape) for shape in shapes]
    received = sent.new_empty(sum(sizes))
    dist.all_to_all_single(
        received, sent, sizes, [part.numel() for part in parts], group=ranks.work
    )
    return [each.view(shape) for each, shape in zip(received.split(sizes), shapes, strict=True)]


def passed_on(sent: Tensor, shape: tuple[int, ...], to: int, source: int) -> Tensor:
    """Sends a tensor to one rank and returns what another one sends, in ``shape``."""
    received = sent.new_empty(shape)
    _wait([dist.P2POp(dist.isend, sent.contiguous(), to), dist.P2POp(dist.irecv, received, source)])
    return received


def neighbor_rows(x: Tensor, ranks: Ranks, *, above: bool) -> tuple[Tensor | None, Tensor | None]:
    """The last row of the rank above and the first row of the rank below, each [..., 1, W].

    ``None`` at the edges of the picture, and for the rank ``above`` if it is not wanted.
    """
    upper = lower = None
    moves = []
    if ranks.index > 0:
        moves.append(dist.P2POp(dist.isend, x[..., :1, :].contiguous(), ranks.index - 1))
        if above:
            upper = x.new_empty((*x.shape[:-2], 1, x.shape[-1]))
            moves.append(dist.P2POp(dist.irecv, upper, ranks.index - 1))
    if ranks.index < ranks.count - 1:
        if above:
            moves.append(dist.P2POp(dist.isend, x[..., -1:, :].contiguous(), ranks.index + 1))
        lower = x.new_empty((*x.shape[:-2], 1, x.shape[-1]))
        moves.append(dist.P2POp(dist.irecv, lower, ranks.index + 1))
    _wait(moves)
    return upper, lower


def all_rows(x: Tensor, counts: Sequence[int], ranks: Ranks) -> Tensor:
    """The rows of all ranks, ``counts`` of each: [..., mine, W] -> [..., all, W]."""
    most = max(counts)
    padded = torch.nn.functional.pad(x, (0, 0, 0, most - x.shape[-2])).contiguous()
    gathered = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(gathered, padded, group=ranks.work)
    parts = [part[..., :count, :] for part, count in zip(gathered, counts, strict=True)]
    return torch.cat(parts, dim=-2)


def rows_at_first(x: Tensor, counts: Sequence[int], ranks: Ranks) -> Tensor:
    """As :func:`all_rows` on rank 0; the other ranks keep theirs."""
    if not ranks.leads:
        dist.send(x.contiguous(), 0, group=ranks.work)
        return x
    parts = [x]
    for rank, count in list(enumerate(counts))[1:]:
        part = x.new_empty((*x.shape[:-2], count, x.shape[-1]))
        dist.recv(part, rank, group=ranks.work)
        parts.append(part)
    return torch.cat(parts, dim=-2)


def _wait(moves: list[dist.P2POp]) -> None:
    if moves:
        for work in dist.batch_isend_irecv(moves):
            work.wait()
