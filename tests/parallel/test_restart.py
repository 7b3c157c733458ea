"""What torchrun starts again works again: nothing of the dead is read from its store."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os, signal, sys
import torch
from flashtalk.parallel.ranks import join_ranks
from flashtalk.parallel.team import Team

ranks = join_ranks(torch.device("cpu"))
team = Team(ranks)
def doubled(given):
    total = given[0].clone()
    torch.distributed.all_reduce(total)
    return total
team.add("double", doubled)
team.watch(5)
if not ranks.leads:
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    team.follow()
    os._exit(0)
try:
    print("computed", team.call("double", [torch.ones(2)]).tolist(), flush=True)
    team.end()
except ValueError as error:
    print("said", error, flush=True)
    os._exit(1)
os._exit(0)
"""


def test_after_a_death_all_start_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = subprocess.run(
        [sys.executable, *torchrun, "--master-port", str(port), str(script)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "said A GPU process does not answer" in done.stdout
    assert "computed [2.0, 2.0]" in done.stdout
