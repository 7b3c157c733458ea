"""A cluster whose page is killed leaves nothing behind once the next one starts."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from flashtalk.cluster.start import SCRATCH_PREFIX, joined

PAGE = """
import time
from flashtalk.cluster.start import joined
with joined(None, 1) as folder:
    print(folder, flush=True)
    time.sleep(600)
"""
WAIT_S = 30  # half of what Ray's agents take to end by themselves


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says whose files are open")
def test_the_next_start_ends_what_a_killed_page_leaves() -> None:
    page = subprocess.Popen(
        [sys.executable, "-c", PAGE], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert page.stdout is not None
    folder = Path(page.stdout.readline().strip())
    page.kill()
    page.wait()
    page.stdout.close()
    with joined(None, 1) as own:
        assert own is not None and own.name.startswith(SCRATCH_PREFIX)
        end_s = time.monotonic() + WAIT_S
        while left := processes_of(page.pid):
            assert time.monotonic() < end_s, left
            time.sleep(0.1)
        assert not folder.exists() and own.exists()


def processes_of(session: int) -> list[str]:
    """Processes of a session of the system, by name; those that have ended do not count."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # ended meanwhile
            name, _, rest = status.read_text().rpartition(")")
            state, _, _, its_session, *_ = rest.split()
            if int(its_session) == session and state != "Z":
                found.append(name)
    return found
