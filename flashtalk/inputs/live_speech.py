"""A voice that is still being spoken: pieces come in from one thread, another one listens.

It is heard like :class:`flashtalk.inputs.speech.Speech`, as far as it has come.
"""

from __future__ import annotations

import math
import threading

import numpy as np
from scipy.signal import resample_poly

from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.inputs.speech import PLAYBACK_RATE_HZ

_RATIO = PLAYBACK_RATE_HZ // SPEECH_RATE_HZ
MOST_AHEAD_S = 120.0
"""Speech that may be there before its pictures."""
_REACH = 16  # samples on either side that resample_poly's filter looks at, and a few more


class LiveSpeech:
    """Mono speech at 16 kHz, of which only what may be asked for again stays in memory.

    Args:
        limit_s: seconds that are taken at most; ``None``: as long as somebody speaks.
    """

    channels = 1
    playback_rate_hz = PLAYBACK_RATE_HZ

    def __init__(self, limit_s: float | None = None) -> None:
        self._changed = threading.Condition()
        self._limit = math.inf if limit_s is None else round(limit_s * SPEECH_RATE_HZ)
        self._kept = np.zeros(0, np.float32)
        self._first = 0  # number of the first sample that is kept
        self._taken = self._sounded = 0
        self._ended = False

    @property
    def sample_count(self) -> int:
        """Samples that have come."""
        return self._first + len(self._kept)

    @property
    def taken_s(self) -> float:
        """Seconds that were taken by now."""
        return self._taken / SPEECH_RATE_HZ

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self.sample_count >= self._limit

    @property
    def ended(self) -> bool:
        """Whether no sound will be added: by :meth:`end`, or because the limit is reached."""
        return self._ended or self.full

    def append(self, start: int, samples: np.ndarray) -> int:
        """Adds ``samples`` [S] float32 that begin at sample ``start``; the count of all by now.

        What is there already is not added again, so that a sender may repeat what it is unsure of.
        What comes after the end, after the limit, behind a gap or far ahead of the pictures is
        dropped: the count shows it.
        """
        with self._changed:
            count = self.sample_count
            if start > count or self._ended:
                return count
            ahead = self._sounded + round(MOST_AHEAD_S * SPEECH_RATE_HZ)
            new = samples[count - start :]
            new = new[: int(min(len(new), max(0, min(self._limit, ahead) - count)))]
            asked_again = min(self._taken, self._sounded - _REACH)
            dropped = max(0, asked_again - self._first)
            self._kept = np.concatenate((self._kept[dropped:], new))
            self._first += dropped
            self._changed.notify_all()
            return self.sample_count

    def end(self) -> None:
        """No more sound comes; may be called twice."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def take(self, patience_s: float) -> np.ndarray:
        """Samples that were not taken yet; waits up to ``patience_s`` for some.

        Empty at the end, or if none came in time.
        """
        with self._changed:
            self._changed.wait_for(self._has_news, patience_s)
            taken, self._taken = self._taken, self.sample_count
            return self._kept[taken - self._first :].copy()

    def _has_news(self) -> bool:
        return self.sample_count > self._taken or self.ended

    def sound(self, start: int, count: int) -> np.ndarray:
        """What is heard during ``count`` samples from ``start`` on: [1, 3 x count] at 48 kHz.

        Parts that follow each other join without a seam. What came before them is forgotten.

        Raises:
            ValueError: for a part that is forgotten.
        """
        with self._changed:
            first = max(0, start - _REACH)
            if first < self._first:
                raise ValueError(f"sound before sample {self._first} is forgotten, got {start}")
            around = self._kept[first - self._first :][: start - first + count + _REACH]
            self._sounded = start + count
        heard = resample_poly(around, _RATIO, 1).astype(np.float32)
        heard = heard[_RATIO * (start - first) :][: _RATIO * count]
        return np.clip(heard, -1.0, 1.0)[None]
