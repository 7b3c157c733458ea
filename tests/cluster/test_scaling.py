"""When workers are added and removed, without any."""

from __future__ import annotations

import pytest

from flashtalk.cluster.scaling import Bounds, Scaling


def scaling(least: int = 1, most: int = 4) -> Scaling:
    return Scaling(Bounds(least, most), up_s=3.0, down_s=60.0)


def test_there_are_never_fewer_than_the_fewest() -> None:
    assert scaling(least=2).missing(0.0, 0, ready=0, starting=0) == 2
    assert scaling(least=2).missing(0.0, 0, ready=0, starting=1) == 1
    assert scaling(least=2).missing(0.0, 0, ready=2, starting=0) == 0


def test_one_is_added_for_each_who_has_waited_for_long() -> None:
    rule = scaling()
    assert rule.missing(10.0, 2, ready=1, starting=0) == 0
    assert rule.missing(12.9, 2, ready=1, starting=0) == 0
    assert rule.missing(13.0, 2, ready=1, starting=0) == 2
    assert rule.missing(13.5, 2, ready=1, starting=2) == 0, "those are on their way"
    assert rule.missing(14.0, 9, ready=3, starting=0) == 1, "no more than the most"
    assert rule.missing(15.0, 0, ready=3, starting=0) == 0
    assert rule.missing(15.5, 5, ready=3, starting=0) == 0, "somebody new waits from now on"


def test_one_that_was_idle_for_long_is_removed() -> None:
    rule = scaling()
    busy, idle = {"w1": 1, "w2": 1}, {"w1": 1, "w2": 0}
    assert rule.superfluous(0.0, 0, busy, ()) is None
    assert rule.superfluous(10.0, 0, idle, ()) is None
    assert rule.superfluous(69.9, 0, idle, ()) is None
    assert rule.superfluous(70.0, 0, idle, ()) == "w2"


def test_work_or_a_line_makes_idle_time_begin_anew() -> None:
    for waiting, talks in ((1, {"w1": 0, "w2": 0}), (0, {"w1": 1, "w2": 1})):
        rule = scaling()
        assert rule.superfluous(0.0, 0, {"w1": 0, "w2": 0}, ()) is None
        assert rule.superfluous(50.0, waiting, talks, ()) is None
        assert rule.superfluous(100.0, 0, {"w1": 0, "w2": 0}, ()) is None
        assert rule.superfluous(160.0, 0, {"w1": 0, "w2": 0}, ()) in talks


def test_the_fewest_stay_and_those_that_never_began_go_first() -> None:
    rule = scaling(least=2)
    assert rule.superfluous(0.0, 0, {"w1": 0, "w2": 0}, ["w3"]) is None
    assert rule.superfluous(60.0, 0, {"w1": 0, "w2": 0}, ["w3"]) == "w3"
    assert rule.superfluous(90.0, 0, {"w1": 0, "w2": 0}, ()) is None


@pytest.mark.parametrize("bounds", [(0, 1), (3, 2)])
def test_bounds_that_cannot_be(bounds: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="least <= most"):
        Bounds(*bounds)
