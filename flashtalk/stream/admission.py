"""Who may talk: as many as the engines keep in real time. The others stand in line.

How many that is, is measured, from the warm-up on and with every piece. A second of video takes an
engine ``cost`` seconds, so ``n`` talks stay in real time while ``n * cost`` is below 1. Somebody is
let in if that holds with one more, and once the last one who came has been measured. So nobody who
talks stalls because somebody else comes. Each engine always takes one talk, however slow.

A seat is what a talk holds: first a place in line, then a share of one engine::

    with admission.seat(video_s=12.0) as seat:
        while (place := seat.wait(1.0)) is not None:
            ...  # tell the visitor
        session = engines.at(seat.engine).open(portrait)
        for piece in session.push(samples):
            seat.made(piece)

Talk, Speak live, comparisons and the API take their seats here. A comparison, which nobody watches
while it is made, steps aside for those who wait. It stays with its engine, and holds up nobody who
waits for any. Safe for several threads.
"""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from flashtalk.errors import FlashTalkError
from flashtalk.stream.contracts import EngineState
from flashtalk.stream.piece import VideoPiece
from flashtalk.stream.remembered_cost import RememberedCost

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

    def __init__(
        self, admission: Admission, video_s: float, weight: float, paced: bool, measured: bool
    ) -> None:
        self._admission = admission
        self.weight = weight
        self.paced = paced
        self.measured = measured
        self.left_s = video_s
        """Seconds of video that are still to be made, at most."""
        self.made_s = 0.0
        """Seconds of video made so far."""
        self.begun_s = 0.0
        """When it was let in, on the clock of ``time.monotonic``."""
        self.engine = ""
        """Who makes the video; known, and the same, once it is let in."""

    def wait(self, timeout_s: float) -> Place | None:
        """Waits so long to be let in; the place in line, or ``None`` once it is so."""
        return self._admission._wait(self, timeout_s)

    def makes_way(self, after_s: float) -> bool:
        """Whether it is the talk that ends for those who wait: the longest beyond ``after_s``."""
        return self._admission._makes_way(self, after_s)

    def step_aside(self) -> None:
        """Lets those who wait go first, if there are any; :meth:`wait` then leads back."""
        self._admission._step_aside(self)

    def made(self, piece: VideoPiece) -> None:
        """Measures the seat's engine by ``piece``."""
        self._admission._made(self, piece.duration_s, piece.compute_s)


class _Load(RememberedCost):
    """Who talks on one engine, and what it was measured to do.

    Args:
        cost: seconds that a second of video took at its warm-up; ``None``: not measured.
    """

    def __init__(self, cost: float | None) -> None:
        super().__init__(_REMEMBERED_S, cost)
        self.talking: list[Seat] = []

    def work(self, *more: Seat) -> float:
        """Seconds of work that a second of all its talks and of ``more`` takes; 0 if unknown."""
        return (self.cost or 0.0) * sum(each.weight for each in (*self.talking, *more))

    def has_room(self, seat: Seat) -> bool:
        """Whether everybody here stays in real time with ``seat``."""
        if not self.talking:
            return True
        if self.cost is None or not all(map(_measured, self.talking)):
            return False
        return self.work(seat) * HEADROOM <= 1.0


class Admission:
    """Lets talks in by what engines were measured to do.

    Args:
        engines: those that are there at the moment; asked whenever somebody may be let in.
        most: talks at the same time at most; ``None``: as many as stay in real time.
        line: visitors who may wait.
    """

    def __init__(
        self,
        engines: Callable[[], Mapping[str, EngineState]],
        *,
        most: int | None = None,
        line: int = 20,
    ) -> None:
        self._engines = engines
        self._most = most or math.inf
        self._room = line
        self._changed = threading.Condition()
        self._line: list[Seat] = []
        self._loads: dict[str, _Load] = {}

    @property
    def talking(self) -> int:
        """Talks that are being made."""
        return sum(self.talks.values())

    @property
    def talks(self) -> dict[str, int]:
        """Talks on each engine, also on one that drains or is gone."""
        with self._changed:
            self._ready()
            return {name: len(load.talking) for name, load in self._loads.items()}

    @property
    def waiting(self) -> int:
        """Visitors in line; who has stepped aside is none."""
        return sum(not each.engine for each in tuple(self._line))

    @property
    def full(self) -> bool:
        """Whether nobody more may wait."""
        return self.waiting >= self._room

    @property
    def cost(self) -> float | None:
        """Seconds that an engine takes for a second of video; ``None`` before it is measured."""
        with self._changed:
            loads = self._ready().values()
            video_s = sum(load.video_s for load in loads)
            return sum(load.work_s for load in loads) / video_s if video_s else None

    @property
    def costs(self) -> dict[str, float | None]:
        """The same for each engine."""
        with self._changed:
            self._ready()
            return {name: load.cost for name, load in self._loads.items()}

    @contextmanager
    def seat(
        self,
        video_s: float = math.inf,
        *,
        weight: float = 1.0,
        paced: bool = False,
        measured: bool = True,
    ) -> Iterator[Seat]:
        """A place at the end of the line; it is given back at the end of the block.

        Args:
            video_s: seconds of video that the talk makes at most.
            weight: what a second of it costs, over what it costs at the preset's settings.
            paced: whether it is made as somebody speaks, and no faster.
            measured: whether it says what talks cost; not so with a size or model of its own.

        Raises:
            FlashTalkError: the line is full.
        """
        seat = Seat(self, video_s, weight, paced, measured)
        with self._changed:
            if self.full:
                raise FlashTalkError(FULL.format(count=self.waiting))
            self._line.append(seat)
        try:
            yield seat
        finally:
            with self._changed:
                (self._line if seat in self._line else self._loads[seat.engine].talking).remove(
                    seat
                )
                self._changed.notify_all()

    # --- inside ---------------------------------------------------------------------------------
    def _ready(self) -> dict[str, _Load]:
        """Loads of the engines that take talks; forgets those that are gone and empty."""
        states = self._engines()
        ready = {name for name, state in states.items() if state.stage == "ready"}
        for name in ready - self._loads.keys():
            self._loads[name] = _Load(states[name].cost)
        for name in [each for each in self._loads if each not in states]:
            if not self._loads[name].talking:
                del self._loads[name]
        return {name: load for name, load in self._loads.items() if name in ready}

    def _wait(self, seat: Seat, timeout_s: float) -> Place | None:
        end_s = time.monotonic() + timeout_s
        with self._changed:
            while seat in self._line:
                first = not self._ahead_of(seat)
                if first and (name := self._engine_for(seat)) is not None:
                    seat.engine, seat.begun_s = name, time.monotonic()
                    self._line.remove(seat)
                    self._loads.setdefault(name, _Load(None)).talking.append(seat)
                    self._changed.notify_all()
                elif (left_s := end_s - time.monotonic()) <= 0:
                    return self._place(seat)
                else:
                    self._changed.wait(left_s)
            return None

    def _ahead_of(self, seat: Seat) -> list[Seat]:
        """Those who are let in before ``seat``."""
        return [each for each in self._line[: self._line.index(seat)] if not each.engine]

    def _engine_for(self, seat: Seat) -> str | None:
        """The engine that has most room for ``seat``, if everybody there stays in real time.

        Who has stepped aside returns to its own, also where that takes no new talks.
        """
        if self.talking >= self._most:
            return None
        ready = self._ready()
        if seat.engine and seat.engine not in ready:
            return seat.engine
        rooms = {
            name: load
            for name, load in ready.items()
            if seat.engine in ("", name) and load.has_room(seat)
        }
        return min(rooms, key=lambda name: rooms[name].work(seat), default=None)

    def _step_aside(self, seat: Seat) -> None:
        with self._changed:
            if self.waiting and seat not in self._line:
                self._loads[seat.engine].talking.remove(seat)
                self._line.append(seat)
                self._changed.notify_all()

    def _makes_way(self, seat: Seat, after_s: float) -> bool:
        with self._changed:
            talking = [each for load in self._loads.values() for each in load.talking]
            paced = (each.made_s for each in talking if each.paced)
            return bool(self.waiting) and seat.made_s >= max(after_s, *paced)

    def _made(self, seat: Seat, video_s: float, compute_s: float) -> None:
        with self._changed:
            seat.made_s += video_s
            seat.left_s = max(0.0, seat.left_s - video_s)
            if seat.measured:
                self._loads[seat.engine].measure(video_s, compute_s / seat.weight)
            self._changed.notify_all()

    def _place(self, seat: Seat) -> Place:
        """Reckons when those ahead will have ended, as fast as talks are made at the moment."""
        ahead = self._ahead_of(seat)
        number = len(ahead) + 1
        loads, cost = list(self._ready().values()), self.cost
        if cost is None:
            return Place(number, None)
        usual = sum(load.work() or cost * seat.weight for load in loads) / len(loads)
        ends_s = [_lasts_s(each, load.work()) for load in loads for each in load.talking] or [0.0]
        heapq.heapify(ends_s)
        start_s = 0.0
        for each in (*ahead, seat):
            start_s = heapq.heappop(ends_s)
            heapq.heappush(ends_s, start_s + _lasts_s(each, usual))
        return Place(number, start_s if math.isfinite(start_s) else None)


def _lasts_s(seat: Seat, slowness: float) -> float:
    """Seconds that the rest of a talk takes; none is quicker than its speaker."""
    return seat.left_s * (max(1.0, slowness) if seat.paced else slowness)


def _measured(seat: Seat) -> bool:
    """Whether the engine's cost includes ``seat``."""
    return seat.made_s >= _MEASURED_S or time.monotonic() - seat.begun_s > _PATIENCE_S
