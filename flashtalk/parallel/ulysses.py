"""Self-attention over tokens that are shared out: all-to-all between rows and heads.

Source: DeepSpeed-Ulysses (Jacobs et al. 2023, arXiv 2309.14509). Every rank has the tokens of its
rows, with all heads. For the softmax it has all tokens, with its share of the heads::

    [B, L of my rows, all N, D]  --all to all-->  [B, all L, my N, D]  --attend-->  and back

Shares need not be equal, so no token is padded and no rank count must divide the heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
import torch.distributed as dist
from torch import Tensor

from flashtalk.models.dit.rope import Grid, RotaryTables
from flashtalk.models.dit.softmax_attention import Attend
from flashtalk.parallel.ranks import Ranks, shares


@dataclass
class Rows:
    """How many rows of patches the running call has in all; what the parts below look at."""

    total: int = 0


class RowRotary:
    """The rotations of this rank's rows; in the place of the transformer's own tables."""

    def __init__(self, whole: RotaryTables, ranks: Ranks, rows: Rows) -> None:
        self._whole, self._ranks, self._rows = whole, ranks, rows

    def of(self, grid: Grid, device: torch.device) -> Tensor:
        """[L of my rows, 1, D / 2] for the local ``grid`` (T, rows, W)."""
        frames, _, columns = grid
        start, stop = shares(self._rows.total, self._ranks.count)[self._ranks.index]
        rotation = self._whole.of((frames, self._rows.total, columns), device)
        rotation = rotation.unflatten(0, (frames, self._rows.total, columns))
        return rotation[:, start:stop].flatten(0, 2)


class UlyssesAttention:
    """Softmax attention over all ranks' tokens; ``attend`` computes it for a share of the heads."""

    def __init__(self, attend: Attend, ranks: Ranks, rows: Rows) -> None:
        self._attend, self._ranks, self._rows = attend, ranks, rows

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v [B, L of my rows, N, D] -> like q."""
        ranks = self._ranks
        row_shares = [stop - start for start, stop in shares(self._rows.total, ranks.count)]
        per_row = q.shape[1] // row_shares[ranks.index]
        lengths = [rows * per_row for rows in row_shares]
        heads = [stop - start for start, stop in shares(q.shape[2], ranks.count)]
        mine = heads[ranks.index]
        batch, width = q.shape[0], q.shape[3]
        given = [
            torch.cat(
                _exchanged(
                    list(each.split(heads, dim=2)),
                    [(batch, length, mine, width) for length in lengths],
                    ranks,
                ),
                dim=1,
            )
            for each in (q, k, v)
        ]  # [B, L, my N, D]
        attended = self._attend(*given)
        back = [(batch, q.shape[1], count, width) for count in heads]
        return torch.cat(_exchanged(list(attended.split(lengths, dim=1)), back, ranks), dim=2)


def _exchanged(
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
