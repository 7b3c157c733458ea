"""What a visitor of a served page gets, as reckoned from when it came."""

from __future__ import annotations

import pytest

from lab.load.__main__ import HEAD, row
from lab.load.visit import HOLD_S, Visit, stalls_of


@pytest.mark.parametrize(
    ("arrivals", "stalls"),
    [
        ((), []),
        (((1.0, 0.3), (1.4, 1.1), (2.2, 2.2)), []),
        (((1.0, 0.3), (2.0, 1.1), (2.2, 2.2)), [0.4]),  # 0.3 s held and 0.3 s of video lasted
        (((1.0, 0.16), (1.7, 1.1), (2.7, 2.2)), []),  # too little to begin with
        (((1.0, 1.0), (3.0, 2.0), (4.5, 3.0)), [0.7, 0.5]),
    ],
)
def test_a_playback_stalls_when_it_has_played_what_came(arrivals, stalls: list[float]) -> None:
    assert HOLD_S == 0.3
    assert stalls_of(arrivals) == pytest.approx(stalls)


def test_a_row_sums_up_what_visitors_got() -> None:
    visits = [
        Visit(((1.0, 0.5), (1.5, 3.0)), ended=True),
        Visit(((5.0, 0.5), (9.0, 1.0)), waited_s=4.0, ended=True),
        Visit(refusal="The line is full."),
    ]
    cells = row(3, visits, [(0.0, 500.0)]).split("|")[1:-1]
    assert len(cells) == HEAD.splitlines()[0].count("|") - 1
    assert [cell.strip() for cell in cells] == [
        *("3", "2", "1", "1", "0.20", "1", "3.20", "1.00", "1.00", "4.00", "500"),
    ]
