"""Who is let in, who waits, and what those who wait are told."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from threading import Thread

import numpy as np
import pytest

from flashtalk.errors import FlashTalkError
from flashtalk.stream.admission import Admission, Place, Seat
from flashtalk.stream.contracts import EngineState
from flashtalk.stream.piece import VideoPiece

CHUNK_S = 1.12
NOW = 0.0


def alone(cost: float | None) -> Callable[[], dict[str, EngineState]]:
    """One engine, which was measured so."""
    return lambda: {"engine": EngineState(cost)}


def made(seat: Seat, cost: float, chunks: int = 1) -> None:
    """``seat`` gets so many chunks of video that cost ``cost`` seconds a second."""
    frames, samples = np.zeros((28, 2, 2, 3), np.uint8), np.zeros(17_920, np.float32)
    for _ in range(chunks):
        seat.made(VideoPiece(0, frames, samples, 0.0, compute_s=cost * CHUNK_S))


def let_in(stack: ExitStack, admission: Admission, cost: float, **options: float) -> bool:
    """Whether one more visitor is let in at once; if so, it makes some video."""
    seat = stack.enter_context(admission.seat(10.0, **options))
    if seat.wait(NOW) is not None:
        return False
    made(seat, cost, 2)
    return True


@pytest.mark.parametrize(("cost", "talks"), [(0.8, 1), (0.44, 1), (0.43, 2), (0.2, 4), (6.0, 1)])
def test_as_many_talk_as_stay_in_real_time(cost: float, talks: int) -> None:
    with ExitStack() as stack:
        admission = Admission(alone(cost))
        assert [let_in(stack, admission, cost) for _ in range(6)].count(True) == talks
        assert (admission.talking, admission.waiting) == (talks, 6 - talks)


def test_a_deployment_may_let_in_fewer() -> None:
    with ExitStack() as stack:
        admission = Admission(alone(0.1), most=2)
        assert [let_in(stack, admission, 0.1) for _ in range(3)] == [True, True, False]


def test_nobody_comes_before_the_last_one_is_measured() -> None:
    admission = Admission(alone(0.3))
    with admission.seat() as first, admission.seat() as second:
        assert first.wait(NOW) is None
        assert second.wait(NOW) is not None
        made(first, 0.3)
        assert second.wait(NOW) is None


def test_who_steps_aside_lets_those_in_who_wait_and_comes_back_after_them() -> None:
    admission = Admission(alone(0.3), most=1)
    with admission.seat() as patient:
        assert patient.wait(NOW) is None
        patient.step_aside()
        assert patient.wait(NOW) is None, "nobody waits"
        with admission.seat() as visitor:
            assert visitor.wait(NOW) is not None
            patient.step_aside()
            assert visitor.wait(NOW) is None
            assert patient.wait(NOW) is not None
        assert patient.wait(NOW) is None


def test_who_stepped_aside_returns_to_its_engine_and_holds_up_nobody() -> None:
    states = {name: EngineState(0.9) for name in ("one", "two")}
    admission = Admission(lambda: states)
    with admission.seat() as patient, ExitStack() as first, ExitStack() as second:
        assert patient.wait(NOW) is None
        place = patient.engine
        others = [first.enter_context(admission.seat()), second.enter_context(admission.seat())]
        assert others[0].wait(NOW) is None
        patient.step_aside()
        assert admission.waiting == 1, "a visitor"
        assert others[1].wait(NOW) is None
        assert others[1].engine == place

        assert patient.wait(NOW) is not None
        first.close()
        assert patient.wait(NOW) is not None, "the other engine is free, and not its own"
        with admission.seat() as visitor:
            assert visitor.wait(NOW) is None
        second.close()
        assert patient.wait(NOW) is None
        assert patient.engine == place


def test_who_stepped_aside_from_an_engine_that_is_gone_learns_it_there() -> None:
    states = {"one": EngineState(0.9)}
    admission = Admission(lambda: states)
    with admission.seat() as patient:
        assert patient.wait(NOW) is None
        with admission.seat() as visitor:
            patient.step_aside()
            assert visitor.wait(NOW) is None
        del states["one"]
        assert admission.talks == {}
        assert patient.wait(NOW) is None
        assert patient.engine == "one"
    assert admission.talks == {}


def test_what_is_made_in_a_way_of_its_own_says_nothing_about_talks() -> None:
    admission = Admission(alone(0.3))
    with admission.seat(measured=False) as seat:
        assert seat.wait(NOW) is None
        made(seat, 5.0, 10)
        assert admission.cost == pytest.approx(0.3)
        assert seat.made_s > 10


def test_an_engine_that_was_never_measured_lets_one_in() -> None:
    admission = Admission(alone(None))
    assert admission.cost is None
    with admission.seat() as first, admission.seat() as second:
        assert first.wait(NOW) is None
        assert second.wait(NOW) == Place(1, None)
        made(first, 0.25)
        assert admission.cost == pytest.approx(0.25)
        assert second.wait(NOW) is None


def test_running_talks_measure_anew() -> None:
    """A warm-up in a fast hour does not let two in during a slow one."""
    admission = Admission(alone(0.3))
    with admission.seat() as first, admission.seat() as second:
        assert first.wait(NOW) is None
        made(first, 0.9, 20)
        assert admission.cost == pytest.approx(0.9, rel=0.15)
        assert second.wait(NOW) is not None


def test_a_talk_that_costs_more_takes_more_room() -> None:
    """Twelve times the denoising steps in one turn would stall everybody else."""
    admission = Admission(alone(0.2))
    with ExitStack() as stack:
        assert let_in(stack, admission, 0.2)
        assert not let_in(stack, admission, 2.4, weight=12.0)
    with ExitStack() as stack:
        assert let_in(stack, admission, 2.4, weight=12.0)
        assert admission.cost == pytest.approx(0.2), "per second at the preset's settings"
        assert not let_in(stack, admission, 0.2)


def test_a_place_is_given_back_whatever_ends_the_talk() -> None:
    admission = Admission(alone(0.8))
    with pytest.raises(RuntimeError), admission.seat() as seat:
        seat.wait(NOW)
        raise RuntimeError
    with admission.seat(), pytest.raises(GeneratorExit), admission.seat():
        assert admission.waiting == 2
        raise GeneratorExit
    assert (admission.talking, admission.waiting) == (0, 0)


def test_the_line_moves_in_order() -> None:
    admission, order = Admission(alone(0.8)), []

    def visit(name: int, seat: Seat) -> None:
        while seat.wait(10.0) is not None:
            pass
        order.append(name)

    with ExitStack() as stack:
        contexts = [admission.seat() for _ in range(4)]
        seats = [context.__enter__() for context in contexts]
        assert seats[0].wait(NOW) is None
        assert [seat.wait(NOW).number for seat in seats[1:]] == [1, 2, 3]
        threads = [Thread(target=visit, args=(name, seats[name])) for name in (3, 2, 1)]
        for thread in threads:
            thread.start()
        for context, thread in zip(contexts, reversed(threads), strict=False):
            context.__exit__(None, None, None)
            thread.join(20)
        stack.callback(contexts[-1].__exit__, None, None, None)
    assert order == [1, 2, 3]


def test_the_wait_is_reckoned_from_what_is_left() -> None:
    admission = Admission(alone(0.8))
    with admission.seat(12.24) as first, admission.seat(5.0) as second, admission.seat() as third:
        assert first.wait(NOW) is None
        made(first, 0.8, 2)
        assert second.wait(NOW).wait_s == pytest.approx(0.8 * 10.0)
        assert third.wait(NOW).wait_s == pytest.approx(0.8 * 15.0)
    with admission.seat(12.24, paced=True) as first, admission.seat() as second:
        assert first.wait(NOW) is None
        made(first, 0.8, 2)
        assert second.wait(NOW).wait_s == pytest.approx(10.0), "as fast as somebody speaks"
    with admission.seat(math.inf) as first, admission.seat() as second:
        assert first.wait(NOW) is None
        assert second.wait(NOW) == Place(1, None), "nobody knows how long somebody will speak"


def test_a_full_line_is_a_sentence() -> None:
    admission = Admission(alone(None), line=2)
    with admission.seat() as talking:
        assert talking.wait(NOW) is None
        with admission.seat(), admission.seat(), pytest.raises(FlashTalkError, match="2 visitors"):
            admission.seat().__enter__()
    assert admission.waiting == 0


def test_each_engine_takes_as_many_as_it_keeps_in_real_time() -> None:
    engines = {"quick": EngineState(0.4), "slow": EngineState(0.8)}
    with ExitStack() as stack:
        admission = Admission(lambda: engines)
        seats = [stack.enter_context(admission.seat(10.0)) for _ in range(4)]
        for seat, name in zip(seats, ("quick", "slow", "quick", ""), strict=True):
            assert (seat.wait(NOW) is None) is bool(name)
            assert seat.engine == name
            if name:
                made(seat, engines[name].cost, 2)
        assert admission.talks == {"quick": 2, "slow": 1}
        assert admission.costs == pytest.approx({"quick": 0.4, "slow": 0.8})
        engines["new"] = EngineState(0.8)
        assert seats[3].wait(NOW) is None
        assert seats[3].engine == "new"


def test_an_engine_that_drains_or_starts_takes_nobody() -> None:
    engines = {"one": EngineState(0.8)}
    admission = Admission(lambda: engines)
    with ExitStack() as stack:
        first, second = (stack.enter_context(admission.seat(10.0)) for _ in range(2))
        assert first.wait(NOW) is None
        engines |= {"one": EngineState(0.8, "draining"), "two": EngineState(None, "starting")}
        assert second.wait(NOW) == Place(1, None), "nobody knows when an engine will be ready"
        made(first, 0.8)  # who talks there goes on
        assert admission.talks == {"one": 1}
        engines["two"] = EngineState(0.8)
        assert second.wait(NOW) is None
        assert second.engine == "two"


def test_an_engine_that_is_gone_is_forgotten_once_its_talks_have_ended() -> None:
    engines = {"one": EngineState(0.8)}
    admission = Admission(lambda: engines)
    with admission.seat() as seat:
        assert seat.wait(NOW) is None
        engines.clear()
        made(seat, 0.8)  # its last piece was on its way
        assert admission.talks == {"one": 1}
        assert admission.cost is None
    assert admission.talks == {}


def test_the_longest_live_talk_makes_way_for_somebody_who_waits() -> None:
    admission = Admission(alone(0.43))
    with ExitStack() as stack:
        longer, shorter = (stack.enter_context(admission.seat(2.0, paced=True)) for _ in range(2))
        for seat, chunks in ((longer, 3), (shorter, 2)):
            assert seat.wait(NOW) is None
            made(seat, 0.43, chunks)
        assert not longer.makes_way(2.0), "nobody waits"
        waiting = stack.enter_context(admission.seat(10.0))
        assert waiting.wait(NOW) is not None
        assert longer.makes_way(2.0)
        assert not shorter.makes_way(2.0), "one place is enough"
        assert not longer.makes_way(5.0), "it has that long"
