"""A worker: one warm engine in a process of its own, and the sessions that are open on it.

Ray makes an actor of it, maybe on another machine. Nothing here imports Ray, and PyTorch only once
the process is prepared for it. The ranks of a worker with several GPUs are actors, too.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flashtalk.config import FramingWay, Preset
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import Portrait
from flashtalk.openmp import let_waiting_threads_sleep
from flashtalk.stream.piece import VideoPiece

if TYPE_CHECKING:
    import torch

    from flashtalk.engine import Engine
    from flashtalk.parallel.team import Team
    from flashtalk.stream.session import Session

OVER = "This talk is over. Begin a new one."
_LOOK_S = 0.5  # how soon the loss of a rank is seen


@dataclass(frozen=True)
class Started:
    """What a worker says of itself once it is warm."""

    preset: Preset
    any_size: Preset
    """The same before a size was chosen."""
    notices: Mapping[FramingWay, str]
    device: torch.device
    cost: float
    """Seconds that a second of video took at the warm-up."""


Address = tuple[str, int]
"""Host and port."""

PictureSize = tuple[int, int] | None
"""Height and width in pixels; ``None``: the engine's own."""


class Worker:
    """Loads an engine and opens sessions on it.

    Args:
        recipe: what :meth:`flashtalk.engine.Engine.from_pretrained` is given.
        sharing: what :meth:`flashtalk.engine.Engine.share` is given, where there are other ranks.
    """

    def __init__(self, recipe: Mapping[str, Any], sharing: Mapping[str, Any]) -> None:
        let_waiting_threads_sleep()
        self._recipe, self._sharing = dict(recipe), dict(sharing)
        self._team: Team | None = None
        self._engine: Engine | None = None
        self._sessions: dict[int, Session] = {}
        self._numbers = itertools.count()

    # --- the worker's life ----------------------------------------------------------------------
    def answer(self) -> int:
        """Says that it is there, by its process."""
        return os.getpid()

    def live(self) -> None:
        """Returns once another rank is gone; whoever waits hears of the process's end, too."""
        while self._team is None or not self._team.gone.is_set():
            time.sleep(_LOOK_S)

    def address(self) -> Address:
        """Where the other ranks of this worker find it: this machine, and a free port."""
        host = socket.gethostbyname(socket.gethostname())
        with closing(socket.create_server(("", 0))) as server:
            return host, server.getsockname()[1]

    def start(
        self, slowest: float | None, ranks: int = 1, address: Address | None = None
    ) -> Started:
        """Loads the weights and warms up.

        Args:
            slowest: what a second of video costs the slowest worker; ``None``: not known yet.
            ranks: processes that compute together, of which this is rank 0.
            address: where it listens, if there are others.

        Raises:
            FlashTalkError: as :meth:`flashtalk.engine.Engine.from_pretrained`.
        """
        from flashtalk import memory

        memory.keep_one_heap()
        self._engine = engine = self._loaded(0, ranks, address)
        engine.warm_up()
        if slowest is not None:
            engine.keep_up(slowest)
        memory.keep_what_is_there()
        return self._started()

    def follow(self, index: int, ranks: int, address: Address) -> None:
        """Loads the weights and computes a share of what rank 0 does, until that ends."""
        self._loaded(index, ranks, address)

    def keep_up(self, slowest: float) -> tuple[Started, tuple[str, ...]]:
        """As :meth:`flashtalk.engine.Engine.keep_up`, behind what it is then."""
        notices = self._ready.keep_up(slowest)
        return self._started(), notices

    def live_pace(self, enough: float) -> float:
        """As :meth:`flashtalk.engine.Engine.live_pace`."""
        return self._ready.live_pace(enough)

    def prompt_notice(self, prompt: str) -> str | None:
        """As :meth:`flashtalk.engine.Engine.prompt_notice`."""
        return self._ready.prompt_notice(prompt)

    # --- sessions -------------------------------------------------------------------------------
    def open(self, portrait: Portrait, size: PictureSize, choices: Mapping[str, Any]) -> int:
        """The number of a new session; arguments are those of ``Engine.at_size`` and ``open``."""
        session = self._ready.at_size(size).open(portrait, **choices)
        number = next(self._numbers)
        self._sessions[number] = session
        return number

    def push(self, number: int, samples: np.ndarray) -> Iterator[VideoPiece]:
        """The video of session ``number`` that ``samples`` [S] make ready."""
        yield from _each(self._session(number).push(samples))

    def flush(self, number: int) -> Iterator[VideoPiece]:
        """The rest of the video of session ``number``."""
        yield from _each(self._session(number).flush())

    def hold(self, number: int, samples: np.ndarray) -> Iterator[VideoPiece]:
        """The last picture of session ``number``, over what of ``samples`` can go without."""
        yield from _each(self._session(number).hold(samples))

    def close(self, number: int) -> None:
        """Ends session ``number`` before its next piece; may be called twice."""
        from flashtalk.memory import drop_cycles

        if session := self._sessions.pop(number, None):
            session.close()
            del session
            drop_cycles()

    # --- inside ---------------------------------------------------------------------------------
    @property
    def _ready(self) -> Engine:
        assert self._engine is not None  # nobody asks before it has started
        return self._engine

    def _session(self, number: int) -> Session:
        try:
            return self._sessions[number]
        except KeyError:
            raise FlashTalkError(OVER) from None  # it was closed meanwhile

    def _started(self) -> Started:
        engine = self._ready
        assert engine.cost is not None  # it is warm
        return Started(engine.preset, engine.any_size, engine.notices, engine.device, engine.cost)

    def _loaded(self, index: int, ranks: int, address: Address | None) -> Engine:
        """The engine; of another rank than 0, once it is over."""
        from flashtalk.engine import Engine

        if address is None:
            return Engine.from_pretrained(**self._recipe)
        from flashtalk.parallel.ranks import join_ranks, rank_device
        from flashtalk.placement.device import checked_device

        host, port = address
        os.environ |= {
            "RANK": str(index),
            "WORLD_SIZE": str(ranks),
            "LOCAL_RANK": "0",  # each sees its own GPU alone
            "MASTER_ADDR": host,
            "MASTER_PORT": str(port),
        }
        device = checked_device(rank_device(self._recipe["device"]) or "cpu")
        joined = join_ranks(device)
        engine = Engine.from_pretrained(**self._recipe | {"device": device})
        self._team = engine.share(joined, **self._sharing)
        if not joined.leads:
            self._team.follow()
        return engine


def _each(pieces: Iterator[VideoPiece]) -> Iterator[VideoPiece]:
    """``pieces`` as a generator: Ray sends into what it streams, which not every iterator takes."""
    for piece in pieces:  # noqa: UP028, "yield from" would pass on what Ray sends
        yield piece
