"""What a page keeps for those who come back by an id: each job has a folder of its files."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from flashtalk.errors import FlashTalkError
from flashtalk.outputs.scratch import ScratchFolder

_SWEEP_S = 60.0


class Job(Protocol):
    """Something that is worked on, and then is over."""

    @property
    def over(self) -> bool: ...


Kind = TypeVar("Kind", bound=Job)


class Kept(Generic[Kind]):
    """Jobs by their ids; safe for several threads, one of which forgets what is old.

    Args:
        prefix: by which the next start of the page knows the folders of this one.
        keep_s: how long a job that is over is kept, in seconds.
        most: jobs that are not over, at most.
    """

    def __init__(self, prefix: str, keep_s: float, most: int) -> None:
        self._prefix, self._keep_s, self._most = prefix, keep_s, most
        self._lock = threading.Lock()
        self._jobs: dict[str, tuple[Kind, ScratchFolder]] = {}
        self._over_since: dict[str, float] = {}
        self._sweeps = False

    def folder(self) -> ScratchFolder:
        """A folder for a new job."""
        return ScratchFolder(Path(tempfile.gettempdir()), self._prefix)

    def add(self, name: str, job: Kind, folder: ScratchFolder, full: str) -> None:
        """Keeps ``job`` under ``name``.

        Raises:
            FlashTalkError: with the sentence ``full`` if too many are not over; ``folder`` is gone.
        """
        with self._lock:
            if sum(not each.over for each, _ in self._jobs.values()) > self._most:
                folder.close()
                raise FlashTalkError(full)
            self._jobs[name] = job, folder
            if not self._sweeps:
                self._sweeps = True
                threading.Thread(target=self._sweep_on, name="flashtalk-kept", daemon=True).start()

    def find(self, name: str) -> Kind | None:
        """The job called ``name``, unless it was forgotten or never there."""
        with self._lock:
            found = self._jobs.get(name)
        return None if found is None else found[0]

    def _sweep_on(self) -> None:
        """Sweeps while something is kept: its time passes whether or not somebody comes."""
        sweeps = True
        while sweeps:
            time.sleep(min(self._keep_s, _SWEEP_S))
            self._sweep()
            with self._lock:
                sweeps = self._sweeps = bool(self._jobs)

    def _sweep(self) -> None:
        """Forgets jobs that have been over for long, and their files."""
        now_s = time.monotonic()
        gone = []
        with self._lock:
            for name, (job, folder) in list(self._jobs.items()):
                if not job.over:
                    self._over_since.pop(name, None)
                elif now_s - self._over_since.setdefault(name, now_s) > self._keep_s:
                    del self._jobs[name], self._over_since[name]
                    gone.append(folder)
        for folder in gone:
            folder.close()
