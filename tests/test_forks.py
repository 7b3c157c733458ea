"""A forked process leaves alone what only its parent can free; ZeroGPU forks the page's process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

FORKED = """
import gc, os, sys
from av.filter import Graph
from flashtalk.memory import forks_free_nothing

def leave_garbage():
    graph = Graph()
    nodes = graph.add("testsrc"), graph.add("scale", "320:240"), graph.add("buffersink")
    for above, below in zip(nodes, nodes[1:]):
        above.link_to(below)
    graph.configure()
    graph.pull()  # now its threads run
    cycle = [graph]
    cycle.append(cycle)

forks_free_nothing()
gc.disable()  # nothing is freed before the fork
leave_garbage()
child = os.fork()
if not child:
    gc.collect()
    os._exit(7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_forked_process_never_frees_films_of_its_parent() -> None:
    """It would wait for threads that it does not have."""
    with subprocess.Popen([sys.executable, "-c", FORKED], start_new_session=True) as forking:
        try:
            assert forking.wait(60) == 7
        finally:
            with suppress(ProcessLookupError):  # both have ended
                os.killpg(forking.pid, signal.SIGKILL)
