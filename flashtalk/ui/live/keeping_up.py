"""When live speech is too fast for the machine: the lag stays bounded, whatever the machine does.

A machine that makes less than a second of video in a second falls further and further behind. So
once too much speech waits, the last picture stays for the oldest part of it. Nothing is computed
for that part, and its sound is kept. The next chunk follows the speaker again. A machine that is
quick enough catches up by itself, as after a cut, and leaves out nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from flashtalk.stream.piece import VideoPiece
from flashtalk.stream.remembered_cost import RememberedCost

CATCH_UP_S = 8.0
"""A machine that catches up within this time is given it."""
CLEARLY = -0.4  # seconds caught up in each
_REMEMBERED_S = 1.0  # of video: less is no measure, and older speeds count for less than half

SLOW = (
    "This machine is slower than your speech, so the person rests in parts of it. The sound is "
    "whole."
)
HELD = (
    "{held:.1f} of {total:.1f} seconds show the person at rest: this machine was too slow for more."
)


class KeepingUp:
    """How fast one talk is made, and what of it is given up.

    Args:
        most_s: seconds of speech that may wait for their chunk.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._begun_s = time.monotonic()
        self._made = RememberedCost(_REMEMBERED_S)
        self.held_s = 0.0
        """Seconds that show the person at rest so far."""

    def begin(self) -> None:
        """Speech is heard from now on."""
        self._begun_s = time.monotonic()

    def gives_up(self, waiting_s: float, heard_s: float) -> bool:
        """Whether the oldest of ``waiting_s`` seconds of speech get no pictures of their own.

        They are the last of ``heard_s`` seconds. Who sends speech before its time waits, too.
        After few chunks, which say little, it takes a machine that is clearly too slow.
        """
        age_s = time.monotonic() - self._begun_s - (heard_s - waiting_s)
        late_s = min(waiting_s, age_s)
        if late_s <= self._most_s or not self._made.cost:
            return False
        gained = 1.0 / self._made.cost - 1.0  # seconds caught up in each
        if self._made.video_s < _REMEMBERED_S:
            return gained < CLEARLY
        return gained <= 0 or late_s / gained > CATCH_UP_S

    def measured(self, pieces: Iterable[VideoPiece]) -> Iterator[VideoPiece]:
        """``pieces``, whose making and sending is measured."""
        begin_s, video_s = time.perf_counter(), 0.0
        for piece in pieces:
            video_s += piece.duration_s
            yield piece
        if video_s:
            self._made.measure(video_s, time.perf_counter() - begin_s)
