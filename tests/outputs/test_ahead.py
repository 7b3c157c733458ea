"""One item ahead: the same items in the same order, errors where they belong, nothing left over."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flashtalk.outputs.ahead import Ahead, InTurn

Source = type[Ahead] | type[InTurn]
BOTH = pytest.mark.parametrize("kind", [Ahead, InTurn])
WAIT_S = 20


@BOTH
def test_items_come_in_order(kind: Source) -> None:
    made = list(kind(range(5), lambda: False))
    assert [each.item for each in made] == [0, 1, 2, 3, 4]
    assert all(each.begin_s <= each.end_s for each in made)


@BOTH
def test_an_error_comes_after_what_was_made(kind: Source) -> None:
    def broken() -> Iterator[int]:
        yield from (0, 1)
        raise RuntimeError("the device went away")

    seen = []
    with pytest.raises(RuntimeError, match="went away"):
        for made in kind(broken(), lambda: False):
            seen.append(made.item)
    assert seen == [0, 1]


def test_the_next_item_is_made_while_one_is_used() -> None:
    begun = [threading.Event() for _ in range(4)]

    def items() -> Iterator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    ahead = Ahead(items(), lambda: False)
    for made in ahead:
        following = made.item + 1
        if following < len(begun):
            assert begun[following].wait(WAIT_S)
        assert not any(event.is_set() for event in begun[following + 1 :])
    ahead.close()


@BOTH
def test_nothing_is_handed_out_after_a_stop(kind: Source) -> None:
    begun, stop = [], threading.Event()

    def items() -> Iterator[int]:
        for number in range(9):
            begun.append(number)
            yield number

    seen = []
    for made in kind(items(), stop.is_set):
        seen.append(made.item)
        if made.item == 2:
            stop.set()
    assert seen == [0, 1, 2] and len(begun) in (3, 4)


def test_closing_does_not_wait_and_ends_what_is_below() -> None:
    go, running, ended = threading.Event(), threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 0
            running.set()
            go.wait(WAIT_S)
            yield 1
        finally:
            ended.set()

    ahead = Ahead(items(), lambda: False)
    next(iter(ahead))
    assert running.wait(WAIT_S)
    ahead.close()  # the generator runs: closing it here would raise ValueError
    ahead.close()
    assert not ended.is_set()
    go.set()
    assert ended.wait(WAIT_S)
