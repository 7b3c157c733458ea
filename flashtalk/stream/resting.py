"""Somebody who is held comes to rest: back to pictures with shut lips, and there again at the end.

A held session computes nothing. But the pictures of the last chunks are there, and latents say how
far the mouth is open in each. So the person goes back the way that was shown, idles with shut lips,
and returns in time. The last picture is the one from which the next chunk goes on.

Idling is the latest run of shut lips, shown forth and back: the person goes on breathing.
Each picture is a neighbor of the one before it, so there is no seam anywhere.
Letters: F frames, H x W pixels.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from torch import Tensor

from flashtalk.stream.finisher import Pictures

SHUT = 0.3
"""Openings up to this one count as shut."""
MOST_FRAMES = 30
"""Longest way; beyond it the person rests with lips that are nearly shut."""
MOST_IDLE = 25
"""Pictures with shut lips that are kept for idling: a second."""
LEAST_IDLE = 4
"""With fewer of them one picture stays."""
SLOW_IDLE = 8
"""Fewer than these are shown for two frames each, or the person would tremble."""
WORTH_FRAMES = 25
"""Idling for less does not pay for a longer way: the nearest picture with shut lips does."""


class WayToRest:
    """The pictures that were shown from the last run of shut lips on."""

    def __init__(self) -> None:
        self._ahead: np.ndarray | None = None
        self._shown: deque[tuple[float, Pictures]] = deque(maxlen=MOST_FRAMES + MOST_IDLE)

    def begin(self, openings: Tensor | None) -> None:
        """A chunk begins, whose new frames have ``openings`` [F]; ``None``: nobody knows."""
        self._ahead = None if openings is None else openings.cpu().numpy()

    def add(self, pictures: Pictures) -> None:
        """Takes in the next pictures of the chunk [F, H, W, 3]."""
        if self._ahead is None:
            return
        for opening, picture in zip(self._ahead, pictures, strict=False):
            # a view would keep all of its chunk in memory
            self._shown.append((float(opening), picture.copy()))
        self._ahead = self._ahead[len(pictures) :]
        for _ in range(self._rests()[-1][0]):
            self._shown.popleft()

    def there_and_back(self, last: Pictures, count: int) -> Pictures:
        """So many pictures [F, H, W, 3] after ``last`` [H, W, 3], which is the last of them."""
        if not self._shown:
            return np.repeat(last[None], count, axis=0)
        newest = len(self._shown) - 1
        nearest, idle = self._rests()
        first, rest = idle if count - 2 * (newest - idle[1]) >= WORTH_FRAMES else nearest
        steps = min(newest - rest, count // 2)
        place = newest - steps
        idling = forth_and_back(place - first, count - 2 * steps)
        way = [*range(newest - 1, place - 1, -1), *(place - each for each in idling)]
        way += range(place + 1, newest + 1)
        return np.stack([self._shown[index][1] for index in way])

    def _rests(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Indices of the first and the last picture of two rests: the nearest, one to idle in.

        They are one and the same where no run of shut lips is long enough for idling.
        """
        openings = np.array([opening for opening, _ in self._shown])
        earliest = max(len(openings) - MOST_FRAMES, 0)  # where a way may end
        within = openings[earliest:]
        last = earliest + int(np.flatnonzero(within <= max(within.min(), SHUT))[-1])
        nearest, run = (last, last), 0
        runs = []
        for index, opening in enumerate(openings):
            run = run + 1 if opening <= SHUT else 0
            if run:
                runs.append((index - min(run, MOST_IDLE) + 1, index))
        if runs and runs[-1][1] == last:
            nearest = runs[-1]
        long = [
            each for each in runs if each[1] >= earliest and each[1] - each[0] + 1 >= LEAST_IDLE
        ]
        return nearest, long[-1] if long else nearest


def forth_and_back(reach: int, count: int) -> list[int]:
    """``count`` places after 0, at most ``reach`` away and a step apart, that end at 0.

    >>> forth_and_back(7, 20)
    [1, 2, 3, 4, 5, 6, 7, 7, 6, 5, 4, 3, 2, 1, 0, 0, 1, 2, 1, 0]
    """
    if reach + 1 < LEAST_IDLE:
        return [0] * count
    pace = 1 if reach + 1 >= SLOW_IDLE else 2
    period = 2 * (reach + 1)  # both turns take two pictures
    phases = [(now // pace % period, count - now) for now in range(1, count + 1)]
    return [min(phase, period - 1 - phase, left) for phase, left in phases]
