"""Somebody who is held comes to rest: back to a picture with shut lips, and there again at the end.

A held session computes nothing. But the pictures of the last chunks are there, and latents say how
far the mouth is open in each. So the person goes back the way that was shown, waits with shut lips,
and returns in time. The last picture is the one from which the next chunk goes on.
Letters: F frames, H x W pixels.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from flashtalk.stream.finisher import Pictures

SHUT = 0.3
"""Openings up to this one count as shut."""
MOST_FRAMES = 30
"""Longest way; beyond it the person rests with lips that are nearly shut."""


class WayToRest:
    """The pictures that were shown from the last one with shut lips on."""

    def __init__(self) -> None:
        self._ahead: np.ndarray | None = None
        self._openings = np.zeros(0)
        self._shown: list[Pictures] = []

    def begin(self, openings: Tensor | None) -> None:
        """A chunk begins, whose new frames have ``openings`` [F]; ``None``: nobody knows."""
        self._ahead = None if openings is None else openings.cpu().numpy()

    def add(self, pictures: Pictures) -> None:
        """Takes in the next pictures of the chunk [F, H, W, 3]."""
        if self._ahead is None:
            return
        count = len(pictures)
        openings = np.concatenate((self._openings, self._ahead[:count]))[-MOST_FRAMES:]
        self._ahead = self._ahead[count:]
        shown = np.concatenate((*self._shown, pictures))[-MOST_FRAMES:]
        rest = int(np.flatnonzero(openings <= max(openings.min(), SHUT))[-1])
        self._openings = openings[rest:]
        self._shown = [shown[rest:].copy()]  # a view would keep all of them in memory

    def there_and_back(self, last: Pictures, count: int) -> Pictures:
        """So many pictures [F, H, W, 3] after ``last`` [H, W, 3], which is the last of them."""
        if not self._shown:
            return np.repeat(last[None], count, axis=0)
        way = self._shown[0][::-1]  # from the newest picture to the rest
        steps = min(len(way) - 1, count // 2)
        indices = [*range(1, steps + 1), *[steps] * (count - 2 * steps), *reversed(range(steps))]
        return way[indices]
