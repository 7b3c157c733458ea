"""Calls that all ranks compute together: rank 0 calls, everybody works, rank 0 has the result.

What is computed are stations, made on every rank in the same way. A rank that is gone or hangs ends
the running call with a sentence.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, TimeoutError
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from flashtalk.errors import FlashTalkError
from flashtalk.parallel.ranks import Ranks
from flashtalk.parallel.watch import SILENT_S, Watch
from flashtalk.stream.workers import started_threads

GONE = (
    "A GPU process does not answer any more, so this video ends here. Please try again in a minute."
)
END = "end"
FAILED = 1
LOOK_S = 0.05  # how often a waiting call looks whether somebody is gone
Given = Sequence[Tensor | None]
Station = Callable[..., Tensor]
"""A rank's part of one kind of call, of what is given and of settings; rank 0 returns the whole."""
Header = tuple[str, tuple[tuple[tuple[int, ...], torch.dtype] | None, ...], dict[str, Any]]


class Team:
    """The ranks while they work together; :meth:`watch` begins once all of them are ready."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.gone = threading.Event()
        """Set once a rank did not answer; no call succeeds after that."""
        self._stations: dict[str, Station] = {}
        self._watch: Watch | None = None
        # a thread of its own waits for the other ranks: it may wait forever
        self._pool = started_threads(1, "flashtalk-team", torch.get_num_threads())

    def add(self, name: str, station: Station) -> None:
        """All ranks add the same stations."""
        self._stations[name] = station

    def watch(self, silent_s: float = SILENT_S) -> None:
        """From here on a rank that is silent for ``silent_s`` seconds is gone."""
        lost = self.gone.set if self.ranks.leads else self._left_alone
        self._watch = Watch(self.ranks, lost, silent_s=silent_s)

    def call(self, name: str, given: Given, **settings: Any) -> Tensor:
        """Rank 0: what all ranks compute of ``given`` at the station ``name``.

        Raises :class:`FlashTalkError` if a rank is gone, within seconds.
        """
        inference = torch.is_inference_mode_enabled()
        handed_in = self._pool.submit(self._called, name, given, settings, inference)
        try:
            return self._awaited(handed_in)
        except RuntimeError as error:  # dist.DistError is one
            if isinstance(error, torch.OutOfMemoryError):
                raise
            self.gone.set()
            raise FlashTalkError(GONE) from error

    @torch.inference_mode()
    def follow(self) -> None:
        """Other ranks: computes a share of every call of rank 0, until it ends."""
        while (header := self._announced(None)) != END:
            name, kinds, settings = header
            self._stations[name]([self._received(kind) for kind in kinds], **settings)
        self._stop()

    def end(self) -> None:
        """Rank 0: lets the others go."""
        self._announced(END)
        self._stop()

    # --- inside ---------------------------------------------------------------------------------
    def _awaited(self, handed_in: Future[Tensor]) -> Tensor:
        while not self.gone.is_set():
            try:
                return handed_in.result(LOOK_S)
            except TimeoutError:
                if handed_in.done():  # it raised this itself
                    raise
        raise FlashTalkError(GONE)

    def _called(self, name: str, given: Given, settings: dict[str, Any], inference: bool) -> Tensor:
        device = self.ranks.device
        if device.type == "cuda":
            torch.cuda.set_device(device)
        with torch.inference_mode(inference):
            kinds = tuple(None if x is None else (tuple(x.shape), x.dtype) for x in given)
            self._announced((name, kinds, settings))
            for each in given:
                if each is not None:
                    dist.broadcast(each.contiguous(), 0, group=self.ranks.work)
            result = self._stations[name](given, **settings)
            if device.type == "cuda":  # here, where nobody minds: a rank may be gone
                torch.cuda.current_stream(device).synchronize()
            return result

    def _announced(self, header: Header | str | None) -> Any:
        """Rank 0 says what comes next, the others hear it."""
        box = [header]
        dist.broadcast_object_list(box, 0, group=self.ranks.calls)
        return box[0]

    def _received(self, kind: tuple[tuple[int, ...], torch.dtype] | None) -> Tensor | None:
        if kind is None:
            return None
        tensor = torch.empty(kind[0], dtype=kind[1], device=self.ranks.device)
        dist.broadcast(tensor, 0, group=self.ranks.work)
        return tensor

    def _left_alone(self) -> None:
        logging.error("Rank %d ends: rank 0 does not answer.", self.ranks.index)
        os._exit(FAILED)  # the main thread waits for rank 0, and would forever

    def _stop(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        self._pool.shutdown()
