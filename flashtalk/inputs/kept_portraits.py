"""Portraits that were read last: whoever has looked at a picture begins to talk without delay."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from pathlib import Path

from flashtalk.inputs.portrait import Portrait

MOST = 12
"""Portraits that are kept: those of the gallery and a few of visitors, about 2 MB each."""

Key = tuple[Path, Hashable, Hashable]
"""A file, what was asked of it, and its version."""


class KeptPortraits:
    """The newest portraits, each as long as its file is there; safe for several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Portrait] = OrderedDict()

    def find(self, key: Key) -> Portrait | None:
        """The portrait of ``key``, if it is kept."""
        with self._lock:
            self._forget_deleted()
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: Key, portrait: Portrait) -> None:
        """Keeps ``portrait``, and forgets the one that nobody asked for longest."""
        with self._lock:
            self._forget_deleted()
            self._kept[key] = portrait
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def _forget_deleted(self) -> None:
        for key in [key for key in self._kept if not key[0].exists()]:
            del self._kept[key]
