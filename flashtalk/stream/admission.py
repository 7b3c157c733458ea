"""Who may talk: as many as one engine keeps in real time. The others stand in line.

How many that is, is measured, from the warm-up on and with every piece. A second of video takes the
engine ``cost`` seconds, so ``n`` talks stay in real time while ``n * cost`` is below 1. Somebody is
let in if that holds with one more, and once the last one who came has been measured. So nobody who
talks stalls because somebody else comes. One talk is always let in, however slow.

A seat is what one talk holds: first a place in line, then a share of the engine::

    with admission.seat(video_s=12.0) as seat:
        while (place := seat.wait(1.0)) is not None:
            ...  # tell the visitor
        for piece in session.push(samples):
            seat.made(piece)

Talk, Speak live and the API take their seats here. Safe for several threads.
"""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flashtalk.errors import FlashTalkError
from flashtalk.stream.piece import VideoPiece

FULL = "The line is full: {count} visitors wait already. Please try again in a few minutes."
HEADROOM = 1.15
"""Costs are taken so much higher: one more talk is one more encoder beside the engine."""
_REMEMBERED_S = 10.0  # of video: older costs count for less than half
_MEASURED_S = 1.0  # of video, after which somebody who was let in is measured
_PATIENCE_S = 10.0  # for somebody who was let in and makes nothing


@dataclass(frozen=True)
class Place:
    """Where somebody stands in line."""

    number: int
    """1 is next."""
    wait_s: float | None
    """About how long it takes; ``None`` when nobody knows."""


class Seat:
    """The place of one talk, made by :meth:`Admission.seat`."""

    def __init__(self, admission: Admission, video_s: float, weight: float, paced: bool) -> None:
        self._admission = admission
        self.weight = weight
        self.paced = paced
        self.left_s = video_s
        """Seconds of video that are still to be made, at most."""
        self.made_s = 0.0
        """Seconds of video made so far."""
        self.begun_s = 0.0
        """When it was let in, on the clock of ``time.monotonic``."""

    def wait(self, timeout_s: float) -> Place | None:
        """Waits so long to be let in; the place in line, or ``None`` once it is so."""
        return self._admission._wait(self, timeout_s)

    def made(self, piece: VideoPiece) -> None:
        """Measures the engine by ``piece``."""
        self._admission._made(self, piece.duration_s, piece.compute_s)


class Admission:
    """Lets talks in by what an engine was measured to do.

    Args:
        most: talks at the same time at most; ``None``: as many as stay in real time.
        line: visitors who may wait.
        cost: seconds that the engine takes for a second of video; ``None``: not measured yet.
    """

    def __init__(
        self, *, most: int | None = None, line: int = 20, cost: float | None = None
    ) -> None:
        self._most = most or math.inf
        self._room = line
        self._changed = threading.Condition()
        self._line: list[Seat] = []
        self._talking: list[Seat] = []
        self._video_s = 0.0 if cost is None else _REMEMBERED_S
        self._compute_s = self._video_s * (cost or 0.0)

    @property
    def talking(self) -> int:
        """Talks that are being made."""
        return len(self._talking)

    @property
    def waiting(self) -> int:
        """Visitors in line."""
        return len(self._line)

    @property
    def cost(self) -> float | None:
        """Seconds that the engine takes for a second of video; ``None`` before it is measured."""
        return self._compute_s / self._video_s if self._video_s else None

    @contextmanager
    def seat(
        self, video_s: float = math.inf, *, weight: float = 1.0, paced: bool = False
    ) -> Iterator[Seat]:
        """A place at the end of the line; it is given back at the end of the block.

        Args:
            video_s: seconds of video that the talk makes at most.
            weight: what a second of it costs, over what it costs at the preset's settings.
            paced: whether it is made as somebody speaks, and no faster.

        Raises:
            FlashTalkError: the line is full.
        """
        seat = Seat(self, video_s, weight, paced)
        with self._changed:
            if len(self._line) >= self._room:
                raise FlashTalkError(FULL.format(count=len(self._line)))
            self._line.append(seat)
        try:
            yield seat
        finally:
            with self._changed:
                (self._line if seat in self._line else self._talking).remove(seat)
                self._changed.notify_all()

    # --- inside ---------------------------------------------------------------------------------
    def _wait(self, seat: Seat, timeout_s: float) -> Place | None:
        end_s = time.monotonic() + timeout_s
        with self._changed:
            while seat in self._line:
                first = seat is self._line[0]
                if first and self._lets_in(seat):
                    seat.begun_s = time.monotonic()
                    self._talking.append(self._line.pop(0))
                    self._changed.notify_all()
                elif (left_s := end_s - time.monotonic()) <= 0:
                    return self._place(seat)
                else:
                    self._changed.wait(left_s)
            return None

    def _lets_in(self, seat: Seat) -> bool:
        """Whether everybody stays in real time with one more."""
        if not self._talking:
            return True
        if len(self._talking) >= self._most or not all(map(_measured, self._talking)):
            return False
        cost = self.cost
        weights = seat.weight + sum(each.weight for each in self._talking)
        return cost is not None and weights * cost * HEADROOM <= 1.0

    def _made(self, seat: Seat, video_s: float, compute_s: float) -> None:
        with self._changed:
            seat.made_s += video_s
            seat.left_s = max(0.0, seat.left_s - video_s)
            kept = 0.5 ** (video_s / _REMEMBERED_S)
            self._video_s = kept * self._video_s + video_s
            self._compute_s = kept * self._compute_s + compute_s / seat.weight
            self._changed.notify_all()

    def _place(self, seat: Seat) -> Place:
        """Reckons when those ahead will have ended, as fast as talks are made at the moment."""
        number = self._line.index(seat) + 1
        if self.cost is None:
            return Place(number, None)
        slowness = sum(each.weight for each in self._talking or [seat]) * self.cost

        def lasts_s(each: Seat) -> float:
            return each.left_s * (max(1.0, slowness) if each.paced else slowness)

        ends_s = [lasts_s(each) for each in self._talking] or [0.0]
        heapq.heapify(ends_s)
        start_s = 0.0
        for each in self._line[:number]:
            start_s = heapq.heappop(ends_s)
            heapq.heappush(ends_s, start_s + lasts_s(each))
        return Place(number, start_s if math.isfinite(start_s) else None)


def _measured(seat: Seat) -> bool:
    """Whether the engine's cost includes ``seat``."""
    return seat.made_s >= _MEASURED_S or time.monotonic() - seat.begun_s > _PATIENCE_S
