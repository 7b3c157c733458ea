"""The workers of a page: so many as are needed, dead ones replaced, idle ones drained and removed.

A thread looks after them. What talks need of them is :class:`flashtalk.stream.contracts.Engines`.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from flashtalk.acceleration.settings import DEFAULT, Acceleration
from flashtalk.cluster.remote import Needs, RemoteWorker
from flashtalk.cluster.scaling import Bounds, Scaling
from flashtalk.cluster.session import GONE
from flashtalk.cluster.worker import Started
from flashtalk.errors import FlashTalkError
from flashtalk.stream.contracts import EngineState

if TYPE_CHECKING:
    import torch

    from flashtalk.config import FramingWay, Preset
    from flashtalk.inputs.portrait import Portrait

logger = logging.getLogger(__name__)

LOOK_S = 0.5
"""How often the thread looks after the workers."""
LONGEST_PAUSE_S = 60.0
"""Between two starts of workers that fail; the first pause is a second."""
_TOLD_S = 10.0  # how often a start tells what it waits for


class Demand(Protocol):
    """Who talks and who waits; :class:`flashtalk.stream.admission.Admission`."""

    @property
    def waiting(self) -> int:
        """Visitors in line."""

    @property
    def talks(self) -> Mapping[str, int]:
        """Talks on each worker."""


class Workers:
    """Engines of a page on other processes; use it in a ``with`` block, which ends them.

    Args:
        recipe: what :meth:`flashtalk.engine.Engine.from_pretrained` is given.
        bounds: fewest and most workers.
        needs: of each worker.
        scaling: decides how many there are; by default with the usual times.
    """

    def __init__(
        self,
        recipe: Mapping[str, Any],
        bounds: Bounds,
        needs: Needs = Needs(),  # noqa: B008, it is frozen
        scaling: Scaling | None = None,
    ) -> None:
        self._recipe, self._bounds, self._needs = recipe, bounds, needs
        self._scaling = scaling or Scaling(bounds)
        self._numbers = itertools.count(1)
        self._workers: dict[str, RemoteWorker] = {}
        self._changing = threading.Lock()
        self._slowest: float | None = None
        self._first: Started | None = None
        self._demand: Demand | None = None
        self._over = threading.Event()
        self._pause_s, self._not_before_s = 0.0, 0.0
        self._thread = threading.Thread(target=self._keep, name="flashtalk-workers", daemon=True)

    # --- engines of a page ----------------------------------------------------------------------
    @property
    def preset(self) -> Preset:
        """What all workers run; known once they are warm."""
        return self._known.preset

    @property
    def any_size(self) -> Preset:
        """The same before a size was chosen."""
        return self._known.any_size

    @property
    def notices(self) -> Mapping[FramingWay, str]:
        """As :attr:`flashtalk.engine.Engine.notices`."""
        return self._known.notices

    @property
    def device(self) -> torch.device:
        """What workers compute on; known once they are warm."""
        return self._known.device

    @property
    def encoder_thread(self) -> bool:
        """Whether the page encodes on a thread of its own."""
        chosen: Acceleration | None = self._recipe["acceleration"]
        return (chosen or DEFAULT).encoder_thread

    @property
    def states(self) -> dict[str, EngineState]:
        """All workers, also those that start or drain."""
        with self._changing:
            return {name: worker.state for name, worker in self._workers.items()}

    def at(self, name: str) -> RemoteWorker:
        """The worker called ``name``.

        Raises:
            FlashTalkError: it is gone.
        """
        with self._changing:
            worker = self._workers.get(name)
        if worker is None:
            raise FlashTalkError(GONE)
        return worker

    def prepare(self, portrait: Portrait) -> None:
        """Does nothing: each worker gets a copy of the portrait with its talk."""

    def prompt_notice(self, prompt: str | None) -> str | None:
        """A sentence for the visitor if ``prompt`` is longer than the model reads."""
        ready = self._at_stage("ready")
        notice: str | None = ready[0].ask("prompt_notice", prompt) if prompt and ready else None
        return notice

    def live_pace(self, enough: float) -> float:
        """Seconds of video per second of work in live speech, of the slowest worker."""
        ready = self._at_stage("ready")
        with ThreadPoolExecutor(len(ready)) as pool:
            return min(pool.map(lambda worker: worker.ask("live_pace", enough), ready))

    # --- their lives ----------------------------------------------------------------------------
    def start(self) -> None:
        """Starts the fewest workers; returns once those that have a machine are warm.

        Raises:
            FlashTalkError: why a worker cannot start.
        """
        for _ in range(self._bounds.least):
            self._add()
        told_s = time.monotonic()
        while not self._settled():
            time.sleep(LOOK_S)
            if time.monotonic() - told_s > _TOLD_S:
                told_s = time.monotonic()
                if waiting := sum(not worker.placed for worker in self._at_stage("starting")):
                    logger.info("Workers that wait for a machine with room: %d.", waiting)
        ready = self._at_stage("ready")
        logger.info("Workers that are warm: %d.", len(ready))

    def keep_up(self) -> tuple[str, ...]:
        """Goes over to smaller pictures where large ones are too slow for the slowest worker.

        Returns sentences if it did. Call it before any session.
        """
        ready = self._at_stage("ready")
        slowest = self._slowest = max(worker.state.cost or 0.0 for worker in ready)
        with ThreadPoolExecutor(len(ready)) as pool:  # side by side, as they will work
            (self._first, notices), *_ = pool.map(lambda worker: worker.keep_up(slowest), ready)
        return notices

    def follow(self, demand: Demand) -> None:
        """Looks after the workers from now on, and has as many of them as ``demand`` needs."""
        self._demand = demand
        self._thread.start()

    def drain(self, name: str) -> None:
        """Gives no more talks to the worker called ``name``; it is removed after its last one."""
        self.at(name).stage = "draining"
        logger.info("Worker %s takes no more talks.", name)

    def close(self) -> None:
        """Ends all workers."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for name in list(self._workers):
            self._remove(name)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- inside ---------------------------------------------------------------------------------
    @property
    def _known(self) -> Started:
        assert self._first is not None  # nobody asks before the start
        return self._first

    def _at_stage(self, stage: str) -> list[RemoteWorker]:
        with self._changing:
            return [worker for worker in self._workers.values() if worker.stage == stage]

    def _add(self) -> None:
        name = f"w{next(self._numbers)}"
        worker = RemoteWorker(name, self._recipe, self._needs, self._slowest)
        with self._changing:
            self._workers[name] = worker

    def _remove(self, name: str) -> None:
        with self._changing:
            worker = self._workers.pop(name)
        worker.end()

    def _settled(self) -> bool:
        """Whether somebody is ready, and nobody who has a machine still starts."""
        for worker in self._at_stage("starting"):
            if worker.tried or worker.dead:
                self._first = worker.started()
        placed = any(worker.placed for worker in self._at_stage("starting"))
        return self._first is not None and not placed

    def _keep(self) -> None:
        while not self._over.wait(LOOK_S):
            try:
                self._look()
            except Exception:
                logger.exception("Looking after the workers failed; it is tried again.")

    def _look(self) -> None:
        assert self._demand is not None
        now_s = time.monotonic()
        self._see_starts(now_s)
        for worker in [*self._at_stage("ready"), *self._at_stage("draining")]:
            if worker.dead:
                logger.warning("Worker %s is gone, and so are its talks.", worker.name)
                self._remove(worker.name)
        draining = self._at_stage("draining")  # nobody is sent there after this
        talks, waiting = self._demand.talks, self._demand.waiting
        for worker in draining:
            if not talks.get(worker.name):
                self._remove(worker.name)
                logger.info("Worker %s is removed.", worker.name)
        ready = {worker.name: talks.get(worker.name, 0) for worker in self._at_stage("ready")}
        starting = [worker.name for worker in self._at_stage("starting")]
        if now_s >= self._not_before_s:
            for _ in range(self._scaling.missing(now_s, waiting, len(ready), len(starting))):
                self._add()
        if name := self._scaling.superfluous(now_s, waiting, ready, starting):
            self.drain(name)

    def _see_starts(self, now_s: float) -> None:
        """Lets those that are warm take talks; one that failed is tried again, after a while."""
        for worker in self._at_stage("starting"):
            if not (worker.tried or worker.dead):
                continue
            try:
                worker.started()
                self._pause_s = 0.0
                logger.info("Worker %s is warm.", worker.name)
            except (FlashTalkError, RuntimeError) as error:
                self._pause_s = min(LONGEST_PAUSE_S, max(1.0, 2 * self._pause_s))
                self._not_before_s = now_s + self._pause_s
                logger.error("Worker %s did not start: %s", worker.name, error)
                self._remove(worker.name)
