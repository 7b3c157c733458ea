"""A voice that is still being spoken: pieces come in from one thread, another one listens.

It is heard like :class:`flashtalk.inputs.speech.Speech`, as far as it has come.
"""

from __future__ import annotations

import threading

import numpy as np
from scipy.signal import resample_poly

from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.inputs.speech import PLAYBACK_RATE_HZ

_RATIO = PLAYBACK_RATE_HZ // SPEECH_RATE_HZ
_REACH = 16  # samples on either side that resample_poly's filter looks at, and a few more


class LiveSpeech:
    """Mono speech at 16 kHz of up to ``limit_s`` seconds."""

    channels = 1
    playback_rate_hz = PLAYBACK_RATE_HZ

    def __init__(self, limit_s: float) -> None:
        self._changed = threading.Condition()
        self._kept = np.zeros(round(limit_s * SPEECH_RATE_HZ), np.float32)
        self._count = 0
        self._taken = 0
        self._ended = False

    @property
    def samples(self) -> np.ndarray:
        """[S] float32, all that has come."""
        return self._kept[: self._count]

    @property
    def taken_s(self) -> float:
        """Seconds that were taken by now."""
        return self._taken / SPEECH_RATE_HZ

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self._count == len(self._kept)

    @property
    def ended(self) -> bool:
        """Whether no sound will be added: by :meth:`end`, or because the limit is reached."""
        return self._ended or self.full

    def append(self, start: int, samples: np.ndarray) -> int:
        """Adds ``samples`` [S] float32 that begin at sample ``start``; the count of all by now.

        What is there already is not added again, so that a sender may repeat what it is unsure of.
        What comes after the end, after the limit or behind a gap is dropped: the count shows it.
        """
        with self._changed:
            new = samples[max(0, self._count - start) :]
            if start > self._count or self._ended:
                return self._count
            new = new[: len(self._kept) - self._count]
            self._kept[self._count : self._count + len(new)] = new
            self._count += len(new)
            self._changed.notify_all()
            return self._count

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
            self._changed.wait_for(lambda: self._count > self._taken or self.ended, patience_s)
            taken, self._taken = self._taken, self._count
            return self._kept[taken : self._taken].copy()

    def sound(self, start: int, count: int) -> np.ndarray:
        """What is heard during ``samples[start : start + count]``: [1, 3 x count] at 48 kHz.

        Parts that follow each other join without a seam.
        """
        first = max(0, start - _REACH)
        around = self.samples[first : start + count + _REACH]
        heard = resample_poly(around, _RATIO, 1).astype(np.float32)
        heard = heard[_RATIO * (start - first) :][: _RATIO * count]
        return np.clip(heard, -1.0, 1.0)[None]
