"""A worker as the page's process sees it: started, asked, found dead, ended."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import ray
from ray.exceptions import RayError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from flashtalk.cluster.session import ANSWER_S, RemoteSession, answered, grouped
from flashtalk.cluster.worker import PictureSize, Started, Worker
from flashtalk.inputs.portrait import Portrait
from flashtalk.stream.contracts import EngineState

THREADS = {"talks": 64, "calls": 8, "life": 1}
"""Of a worker: for streams of pieces, for calls, for what lasts as long as it does."""

OPEN_S = 120.0
"""Longest wait for a session."""
NOT_STARTED = (
    "A worker ended while it started. Its machine needs FlashTalk in the same version as here, and "
    "memory for an engine."
)


@dataclass(frozen=True)
class Needs:
    """What one worker takes of a cluster."""

    processors: int = 1
    """Of each rank."""
    gpus: int = 0
    """Of each rank."""
    ranks: int = 1
    """Processes that compute together, on one machine."""
    sharing: Mapping[str, Any] = field(default_factory=dict)
    """How they do so: what :meth:`flashtalk.engine.Engine.share` is given."""


class RemoteWorker:
    """Starts by itself, as soon as the cluster has room.

    Args:
        name: nobody else's, also not that of one before.
        recipe: of its engine.
        needs: of its processes.
        slowest: as for :meth:`flashtalk.cluster.worker.Worker.start`.
    """

    def __init__(
        self, name: str, recipe: Mapping[str, Any], needs: Needs, slowest: float | None
    ) -> None:
        self.name = name
        self.stage: Literal["starting", "ready", "draining"] = "starting"
        self._silent = threading.Event()  # it did not answer
        self._cost: float | None = None
        self._group = _group(needs)
        self._actors = [_actor(recipe, needs, self._group, rank) for rank in range(needs.ranks)]
        self._leader, *others = self._actors
        self._placed = self._call("answer")
        self._lives = [grouped(self._leader.live, "life").remote()]
        place = (needs.ranks, self._call("address")) if others else ()
        self._starting = self._call("start", slowest, *place)
        for index, follower in enumerate(others, start=1):
            self._lives.append(grouped(follower.follow, "life").remote(index, *place))

    # --- for talks ------------------------------------------------------------------------------
    def open(self, portrait: Portrait, **choices: Any) -> RemoteSession:
        """As :meth:`flashtalk.engine.Engine.open`, of a framed portrait.

        Raises:
            FlashTalkError: what the worker says, or that it is gone.
        """
        return self.at_size(None).open(portrait, **choices)

    def at_size(self, size: PictureSize) -> SizedWorker:
        """As :meth:`flashtalk.engine.Engine.at_size`; the worker itself refuses impossible ones."""
        return SizedWorker(self, size)

    def session(self, number: int) -> RemoteSession:
        """Session ``number``, which is open there."""
        return RemoteSession(self._leader, number, self._silent.set)

    def ask(self, name: str, *given: object, patience_s: float | None = None) -> Any:
        """What the worker's method ``name`` returns; raises as :meth:`open`."""
        with answered(self._silent.set):
            return ray.get(self._call(name, *given), timeout=patience_s)

    # --- its life -------------------------------------------------------------------------------
    @property
    def state(self) -> EngineState:
        """What admission knows of it."""
        return EngineState(self._cost, self.stage)

    @property
    def placed(self) -> bool:
        """Whether its process runs, on whatever machine."""
        return _done(self._placed)

    @property
    def dead(self) -> bool:
        """Whether one of its processes has ended, or did not answer."""
        return self._silent.is_set() or any(map(_done, self._lives))

    @property
    def tried(self) -> bool:
        """Whether its start has succeeded or failed."""
        return _done(self._starting)

    @property
    def processes(self) -> list[int]:
        """The process of each rank, on its machine."""
        asked = [grouped(actor.answer, "calls").remote() for actor in self._actors]
        with answered(self._silent.set):
            found: list[int] = ray.get(asked, timeout=ANSWER_S)
        return found

    def started(self) -> Started:
        """Waits until it is warm, and takes talks from then on.

        Raises:
            FlashTalkError: why it cannot start, or that it is gone.
        """
        with answered(self._silent.set, NOT_STARTED):
            started: Started = ray.get(self._starting, timeout=ANSWER_S if self.dead else None)
        self._settle(started)
        return started

    def keep_up(self, slowest: float) -> tuple[Started, tuple[str, ...]]:
        """As :meth:`flashtalk.cluster.worker.Worker.keep_up`; raises as :meth:`open`."""
        started, notices = self.ask("keep_up", slowest)
        self._settle(started)
        return started, notices

    def end(self) -> None:
        """Ends its processes at once."""
        for actor in self._actors:
            with suppress(RayError):
                ray.kill(actor)
        if self._group is not None:
            remove_placement_group(self._group)

    def _settle(self, started: Started) -> None:
        self._cost, self.stage = started.cost, "ready"

    def _call(self, name: str, *given: object) -> Any:
        return grouped(getattr(self._leader, name), "calls").remote(*given)


@dataclass(frozen=True)
class SizedWorker:
    """A worker that is asked for pictures of one size."""

    worker: RemoteWorker
    size: PictureSize

    def at_size(self, size: PictureSize) -> SizedWorker:
        """As :meth:`flashtalk.engine.Engine.at_size`."""
        return replace(self, size=size)

    def open(self, portrait: Portrait, **choices: Any) -> RemoteSession:
        """As :meth:`RemoteWorker.open`."""
        framed = replace(portrait, finding=None)  # a whole picture, which no engine looks at
        number = self.worker.ask("open", framed, self.size, choices, patience_s=OPEN_S)
        return self.worker.session(number)


def _group(needs: Needs) -> PlacementGroup | None:
    """Room for all ranks on one machine; a single one needs no group."""
    if needs.ranks == 1:
        return None
    bundle: dict[str, float] = {"CPU": needs.processors}
    if needs.gpus:
        bundle["GPU"] = needs.gpus
    return placement_group([bundle] * needs.ranks, strategy="STRICT_PACK")


def _actor(recipe: Mapping[str, Any], needs: Needs, group: PlacementGroup | None, rank: int) -> Any:
    """A process that will be a worker's rank."""
    where = {} if group is None else {"scheduling_strategy": _strategy(group, rank)}
    options = {"num_cpus": needs.processors, "num_gpus": needs.gpus, **where}
    return ray.remote(**options, concurrency_groups=THREADS)(Worker).remote(recipe, needs.sharing)


def _strategy(group: PlacementGroup, rank: int) -> PlacementGroupSchedulingStrategy:
    return PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank)


def _done(call: Any) -> bool:
    """Whether ``call`` has returned or failed."""
    return bool(ray.wait([call], timeout=0, fetch_local=False)[0])
