"""A folder for unfinished files that no crash leaves behind for good.

The folder holds a lock for as long as its process lives. The next run in the same place removes
every such folder whose lock is free. A killed process leaves such folders.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = ".flashtalk-"
_LOCK = "lock"

BeforeRemoval = Callable[[Path], None]


class ScratchFolder:
    """A folder inside ``parent``, removed by :meth:`close` or by the next run.

    Its name begins with ``prefix``, by which the next run knows it. ``before_removal`` is what the
    next run does with a folder first.

    Raises:
        OSError: if ``parent`` takes no folder.
    """

    def __init__(
        self,
        parent: Path,
        prefix: str = PREFIX,
        before_removal: BeforeRemoval = lambda folder: None,
    ) -> None:
        sweep(parent, prefix, before_removal)
        self.path, self._lock = _locked_folder(parent, prefix)

    def close(self) -> None:
        """Removes the folder and all in it; may be called twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)  # Windows removes a lock only when it is free

    def __enter__(self) -> ScratchFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def sweep(
    parent: Path, prefix: str = PREFIX, before_removal: BeforeRemoval = lambda folder: None
) -> None:
    """Removes what processes that have ended left in ``parent``; skips what is not ours."""
    for folder in parent.glob(f"{prefix}*"):
        if folder.is_symlink() or not (folder / _LOCK).is_file():
            continue
        lock = _lock_of(folder)
        try:
            lock.acquire()
        except (Timeout, OSError):  # in use, or somebody else's
            continue
        before_removal(folder)
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def _locked_folder(parent: Path, prefix: str) -> tuple[Path, FileLock]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = _lock_of(folder)
        try:
            lock.acquire()
        except Timeout:  # a sweep was quicker, and removes the folder
            continue
        except OSError:  # a file system without locks, where no sweep removes anything
            return folder, lock
        if (folder / _LOCK).exists():
            return folder, lock


def _lock_of(folder: Path) -> FileLock:
    # The thread that ends a talk is not always the one that began it.
    return FileLock(folder / _LOCK, blocking=False, thread_local=False)
