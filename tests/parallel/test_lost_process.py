"""A process that is killed, or hangs, ends the talk with a sentence within seconds."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch
from processes import WAIT_S, started
from torch import Tensor

from flashtalk.errors import FlashTalkError
from flashtalk.parallel.ranks import Ranks
from flashtalk.parallel.team import GONE, Team

SILENT_S = 2.0


def doubled(given: list[Tensor]) -> Tensor:
    """A share of nothing, for which the ranks wait for each other."""
    total = given[0].clone()
    torch.distributed.all_reduce(total)
    return total


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hangs"])
@pytest.mark.parametrize("who", [1, 0], ids=["a follower", "the first"])
def test_one_that_is_gone_ends_the_others(how: signal.Signals, who: int, tmp_path: Path) -> None:
    said = tmp_path / "said.txt"

    def work(ranks: Ranks) -> None:
        team = Team(ranks)
        team.add("double", doubled)
        team.watch(SILENT_S)
        if not ranks.leads:
            team.follow()
            return
        with torch.inference_mode():
            try:
                while True:
                    assert team.call("double", [torch.ones(3)]).tolist() == [3.0] * 3
                    (tmp_path / "works").touch()
            except FlashTalkError as error:
                said.write_text(f"{error}")

    running = started(3, work)
    try:
        until = time.monotonic() + WAIT_S
        while not (tmp_path / "works").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        os.kill(running[who].pid or 0, how)
        others = [process for process in running if process is not running[who]]
        for process in others:
            process.join(WAIT_S)
        assert all(process.exitcode is not None for process in others)
        if who:
            assert said.read_text() == GONE
        else:  # nobody is there to talk to; torchrun is told
            assert {process.exitcode for process in others} == {1}
    finally:
        for process in running:
            process.kill()
