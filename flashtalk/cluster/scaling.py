"""How many workers there should be: more while people wait, fewer once one has nothing to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

UP_S = 3.0
"""Somebody has waited for so long before a worker is added."""
DOWN_S = 120.0
"""A worker has had nothing to do for so long before it is removed."""


@dataclass(frozen=True)
class Bounds:
    """Fewest and most workers."""

    least: int
    most: int

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ValueError(f"1 <= least <= most must hold, got {self.least} and {self.most}")


class Scaling:
    """Decides by the line and by who is idle; looks at no clock of its own.

    Args:
        bounds: fewest and most workers.
    """

    def __init__(self, bounds: Bounds, *, up_s: float = UP_S, down_s: float = DOWN_S) -> None:
        self._bounds, self._up_s, self._down_s = bounds, up_s, down_s
        self._waiting_since_s: float | None = None
        self._idle_since_s: dict[str, float] = {}

    def missing(self, now_s: float, waiting: int, ready: int, starting: int) -> int:
        """How many workers to start: one for each who waits, beside those that start already."""
        if not waiting:
            self._waiting_since_s = None
        elif self._waiting_since_s is None:
            self._waiting_since_s = now_s
        wanted = self._bounds.least
        if self._waiting_since_s is not None and now_s - self._waiting_since_s >= self._up_s:
            wanted = max(wanted, min(self._bounds.most, ready + waiting))
        return max(0, wanted - ready - starting)

    def superfluous(
        self, now_s: float, waiting: int, talks: Mapping[str, int], starting: Collection[str]
    ) -> str | None:
        """A worker to remove, if there is one: it starts or is idle, and has been so for long.

        Args:
            now_s: the time.
            waiting: visitors in line.
            talks: talks on each worker that is ready.
            starting: workers that are not ready yet.
        """
        idle = {*starting, *(name for name, count in talks.items() if not count)}
        if waiting:
            idle.clear()
        self._idle_since_s = {name: self._idle_since_s.get(name, now_s) for name in idle}
        if len(talks) + len(starting) <= self._bounds.least:
            return None
        long = [n for n, since_s in self._idle_since_s.items() if now_s - since_s >= self._down_s]
        return max(
            long, key=lambda name: (name in starting, self._idle_since_s[name]), default=None
        )
