"""The page in a process of its own, and the memory that it takes."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

START_S = 180.0


@contextmanager
def served(log: Path) -> Iterator[tuple[str, psutil.Process]]:
    """``flashtalk serve``: its address and its process, which writes to ``log``.

    Raises:
        RuntimeError: if it does not answer in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "flashtalk", "serve", "--port", str(port)]
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        end_s = time.monotonic() + START_S
        while not _answers(address):
            if server.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"The page is not served; see {log}.")
            time.sleep(0.5)
        yield address, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


def memory_mb(process: psutil.Process) -> float:
    """Resident memory in 10^6 bytes."""
    return process.memory_info().rss / 1e6


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
