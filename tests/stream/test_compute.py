"""One thread computes for all, in the order in which they came."""

from __future__ import annotations

import gc
import multiprocessing
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import pytest
import torch

from flashtalk.stream.compute import HERE, ComputeThread


def test_steps_are_computed_in_the_order_in_which_they_came() -> None:
    computer, order, begun, go = ComputeThread(1), [], Event(), Event()

    def first() -> None:
        begun.set()
        go.wait()

    steps = [first, *(partial(order.append, name) for name in range(5))]
    waiting = [computer.begin(step) for step in steps]
    begun.wait()
    assert not any(each.done() for each in waiting)
    go.set()
    for each in waiting:
        each.result()
    assert order == [0, 1, 2, 3, 4]


def test_every_caller_computes_in_one_thread_with_its_number_of_threads() -> None:
    torch.set_num_threads(2)
    try:
        computer = ComputeThread(3)
        with ThreadPoolExecutor(4) as visitors:
            where = set(visitors.map(lambda _: computer.run(_here), range(8)))
        assert len(where) == 1
        ((name, threads),) = where
        assert name != threading.current_thread().name and threads == 3
        assert HERE.run(_here) == (threading.current_thread().name, 2)
        with ThreadPoolExecutor(1) as born_later:
            assert born_later.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("error", [RuntimeError, StopIteration, KeyboardInterrupt])
def test_an_error_goes_to_whose_step_it_was(error: type[BaseException]) -> None:
    computer = ComputeThread(1)

    def failing() -> None:
        raise error("mine")

    with pytest.raises(error, match="mine"):
        computer.run(failing)
    assert computer.run(lambda: 7) == 7


def test_the_thread_ends_with_its_engine() -> None:
    computer = ComputeThread(1)
    (thread,) = [computer.run(threading.current_thread)]
    del computer
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_forked_process_has_a_thread_of_its_own() -> None:
    """ZeroGPU computes in a process forked from the one that serves the page."""
    computer = ComputeThread(1)
    computer.run(lambda: None)
    forked = multiprocessing.get_context("fork")
    answer = forked.SimpleQueue()
    child = forked.Process(target=lambda: answer.put(computer.run(lambda: 7)))
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert answer.get() == 7


def _here() -> tuple[str, int]:
    return threading.current_thread().name, torch.get_num_threads()
