"""Ranks in a rectangle: groups that exchange heads (Ulysses), joined in rings that pass tokens on.

Rank r of a rectangle with ``U`` columns is in group ``r // U`` and in ring ``r % U``::

    rank 0  rank 1      group 0     a group exchanges heads for tokens,
    rank 2  rank 3      group 1     a ring passes keys and values on
    ring 0  ring 1
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch.distributed as dist

from flashtalk.errors import FlashTalkError
from flashtalk.parallel.ranks import WORK_TIMEOUT, Ranks

UNEVEN = 1.1
"""Largest share of heads over the mean that is worth no ring."""


@dataclass
class Mesh:
    """This rank's place; made by :func:`mesh_of`."""

    ranks: Ranks
    ulysses: Ranks
    """Those of the same group, with which heads are exchanged."""
    ring: Ranks
    """Those of the same ring, by their groups."""
    rows: Sequence[int] = field(default=())
    """Rows of patches of every rank in the running call."""

    def group_rows(self, group: int) -> Sequence[int]:
        """Rows of the ranks of one group."""
        width = self.ulysses.count
        return self.rows[group * width : (group + 1) * width]

    def ring_rank(self, group: int) -> int:
        """The rank of ``group`` in this rank's ring, among all ranks."""
        return group % self.ring.count * self.ulysses.count + self.ulysses.index


def ulysses_degree(count: int, heads: int, asked: int | None = None) -> int:
    """How many of ``count`` ranks exchange heads; the others are reached by rings.

    As many as share ``heads`` almost evenly, else the largest common divisor (as published).
    Raises :class:`FlashTalkError` if ``asked`` is impossible.

    >>> ulysses_degree(8, 40), ulysses_degree(7, 40), ulysses_degree(16, 40), ulysses_degree(41, 40)
    (8, 7, 8, 1)
    """
    if asked is None:
        uneven = math.ceil(heads / count) * count / heads
        return count if count <= heads and uneven <= UNEVEN else math.gcd(count, heads)
    if asked < 1 or count % asked or asked > heads:
        raise FlashTalkError(
            f"--ulysses must be a divisor of the number of processes ({count}) and at most the "
            f"number of heads ({heads}), got {asked}. Leave it out, and it is "
            f"{ulysses_degree(count, heads)}."
        )
    return asked


def mesh_of(ranks: Ranks, degree: int) -> Mesh:
    """Groups of ``degree`` ranks, and rings across them; all ranks call it together."""
    everyone = [*range(ranks.count)]
    groups = [everyone[start : start + degree] for start in everyone[::degree]]
    dist.barrier(group=ranks.calls)  # some load longer than the others
    made = [dist.new_group(group, timeout=WORK_TIMEOUT) for group in groups]
    group, column = divmod(ranks.index, degree)
    ulysses = Ranks(column, degree, ranks.device, made[group], None)
    return Mesh(ranks, ulysses, Ranks(group, len(groups), ranks.device, None, None))
