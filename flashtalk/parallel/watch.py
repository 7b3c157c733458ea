"""Who is still there: every rank says so once a second, and silence is noticed within seconds.

Collectives alone do not tell soon: a rank that hangs lets all others wait. The signs of life go
over a store of their own, beside all collectives.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # it is public

from flashtalk.parallel.ranks import Ranks

BEAT_S = 1.0
SILENT_S = 10.0
"""A rank without a sign of life for so long is taken for dead."""


class Watch:
    """Signs of life of all ranks, until :meth:`stop`; all ranks make one together.

    Rank 0 looks at the others. They look at rank 0, which keeps the store. ``lost`` is called once,
    in a thread of the watch.
    """

    def __init__(
        self, ranks: Ranks, lost: Callable[[], None], *, silent_s: float = SILENT_S
    ) -> None:
        self._ranks, self._lost, self._silent_s = ranks, lost, silent_s
        self._over = threading.Event()
        host = os.environ.get("MASTER_ADDR", "127.0.0.1")
        timeout = timedelta(seconds=silent_s)
        port = [0]
        if ranks.leads:
            self._store = TCPStore(host, 0, is_master=True, wait_for_workers=False, timeout=timeout)
            port = [self._store.port]
        dist.broadcast_object_list(port, 0, group=ranks.calls)
        if not ranks.leads:
            self._store = TCPStore(host, port[0], is_master=False, timeout=timeout)
        self._pause_s = min(BEAT_S, silent_s / 4)
        self._answered_s = time.monotonic()
        for work in [self._look] if ranks.leads else [self._beat, self._listen]:
            threading.Thread(target=work, name="flashtalk-watch", daemon=True).start()

    def stop(self) -> None:
        """Nobody is lost after this."""
        self._over.set()

    def _beat(self) -> None:
        while not self._over.wait(self._pause_s):
            try:
                self._store.add(f"beat{self._ranks.index}", 1)  # waits for an answer
            except RuntimeError:  # DistError is one: rank 0 is gone
                self._end()
                return
            self._answered_s = time.monotonic()

    def _listen(self) -> None:
        while not self._over.wait(self._pause_s):
            if time.monotonic() - self._answered_s > self._silent_s:
                self._end()
                return

    def _look(self) -> None:
        others = range(1, self._ranks.count)
        seen = {rank: (b"", time.monotonic()) for rank in others}
        while not self._over.wait(self._pause_s):
            for rank in others:
                key = f"beat{rank}"
                beat = self._store.get(key) if self._store.check([key]) else b""
                now = time.monotonic()
                if beat != seen[rank][0]:
                    seen[rank] = beat, now
                elif now - seen[rank][1] > self._silent_s:
                    self._end()
                    return

    def _end(self) -> None:
        if not self._over.is_set():
            self._lost()
