"""Processes of a cluster whose page was killed.

Most of Ray's processes end with the page that started them. Its two agents look for their dead
cluster for a minute first.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SESSIONS = "session_"
"""How Ray names the folders of a cluster's sessions."""


def end_processes_of(folder: Path) -> None:
    """Ends every process that has a file of a session in ``folder`` open.

    Only Linux says which these are; elsewhere they end by themselves.
    """
    if sys.platform != "linux":
        return
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            handle = os.pidfd_open(int(process.name))  # a number may be given anew
            try:
                if any(file.startswith(f"{folder}/{SESSIONS}") for file in _open_files(process)):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)


def _open_files(process: Path) -> Iterator[str]:
    for file in (process / "fd").iterdir():
        with suppress(OSError):  # it was closed
            yield str(file.readlink())
