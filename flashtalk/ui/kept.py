"""What a page keeps for those who come back by an id: each job has a folder of its files.

All of them lie in one folder, whose lock is one open file however many jobs there are.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from threading import Lock, Thread
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
        self._lock = Lock()
        self._root: ScratchFolder | None = None  # there while a job has a folder
        self._folders: set[Path] = set()
        self._jobs: dict[str, tuple[Kind, Path]] = {}
        self._over_since: dict[str, float] = {}
        self._sweeps = False

    def folder(self) -> Path:
        """A folder for a new job; it is removed with its job, or by :meth:`remove`."""
        with self._lock:
            if self._root is None:
                self._root = ScratchFolder(Path(tempfile.gettempdir()), self._prefix)
            folder = Path(tempfile.mkdtemp(dir=self._root.path))
            self._folders.add(folder)
        return folder

    def remove(self, folder: Path) -> None:
        """Removes ``folder`` and all in it."""
        shutil.rmtree(folder, ignore_errors=True)
        with self._lock:
            self._folders.discard(folder)
            if self._root is not None and not self._folders:
                self._root.close()
                self._root = None

    def add(self, name: str, job: Kind, folder: Path, full: str) -> None:
        """Keeps ``job`` under ``name``.

        Raises:
            FlashTalkError: with the sentence ``full`` if too many are not over; ``folder`` is gone.
        """
        with self._lock:
            room = sum(not each.over for each, _ in self._jobs.values()) <= self._most
            if room:
                self._jobs[name] = job, folder
                if not self._sweeps:
                    self._sweeps = True
                    Thread(target=self._sweep_on, name="flashtalk-kept", daemon=True).start()
        if not room:
            self.remove(folder)
            raise FlashTalkError(full)

    def find(self, name: str) -> Kind | None:
        """The job called ``name``, unless it was forgotten or never there."""
        with self._lock:
            found = self._jobs.get(name)
        return None if found is None else found[0]

    def close(self) -> None:
        """Forgets all jobs, and removes their files: the page is over."""
        with self._lock:
            self._jobs.clear()
            folders = list(self._folders)
        for folder in folders:
            self.remove(folder)

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
            self.remove(folder)
