"""The real app in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START_S = 180.0


@contextmanager
def served(folder: Path, **environment: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """The app in a process of its own, which writes its log and temporary files to ``folder``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log, temporary = folder / "log.txt", folder / "temporary"
    temporary.mkdir()
    # a loaded machine is too slow for live speech; that it lags then is not what tests look at
    command = [sys.executable, "app.py", "--port", str(port), "--live", "on", "--size", "256x256"]
    variables = os.environ | {"TMPDIR": str(temporary)} | environment
    with log.open("w") as output:
        app = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env=variables
        )
    try:
        url = f"http://127.0.0.1:{port}"
        end_s = time.monotonic() + START_S
        while not answers(url):
            if app.poll() is not None or time.monotonic() > end_s:
                pytest.fail(f"the app does not serve its page:\n{log.read_text()}")
            time.sleep(0.1)
        yield url, app
    finally:
        app.terminate()
        app.wait(20)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False
