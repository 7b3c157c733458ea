"""The speech of a session: what waits to be shown, and the window the encoder hears.

The window slides over the recording and begins as silence, whatever the slicing of the pushes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flashtalk.errors import FlashTalkError

Samples = NDArray[np.float32]


def checked_samples(samples: Sequence[float] | np.ndarray) -> Samples:
    """Mono float samples [S] as float32; raises :class:`FlashTalkError` for anything else."""
    array = np.asarray(samples)
    if array.ndim != 1:
        raise FlashTalkError(
            f"Speech must be one channel of samples, got an array of shape {array.shape}. "
            "Mix the channels down and pass a one-dimensional array at 16 kHz."
        )
    if not np.issubdtype(array.dtype, np.floating) and array.size:
        raise FlashTalkError(
            f"Speech samples must be floating point in -1..1, got {array.dtype}. "
            "Divide 16-bit samples by 32768 first."
        )
    if not np.isfinite(array).all():
        raise FlashTalkError(
            "Speech holds values that are not numbers (NaN or infinite). Check the recording."
        )
    return array.astype(np.float32)  # always a copy: callers reuse their microphone buffer


class SpeechBuffer:
    """Pending samples and the sliding window; plain arrays, no tensors."""

    def __init__(self, window_samples: int, ahead_samples: int = 0) -> None:
        """``ahead_samples`` of the window are not taken yet, only heard."""
        self._window: Samples = np.zeros(window_samples, np.float32)
        self._ahead = ahead_samples
        self._pending: Samples = np.zeros(0, np.float32)

    @property
    def pending_samples(self) -> int:
        """Samples that no chunk has consumed yet."""
        return len(self._pending)

    def append(self, samples: Samples) -> None:
        """Adds speech at the end."""
        self._pending = np.concatenate((self._pending, samples)) if len(self._pending) else samples

    def take(self, count: int) -> Samples:
        """Moves up to ``count`` pending samples into the window; returns those samples.

        The window advances by ``count`` in any case: what is missing at the end is silence.
        """
        taken, self._pending = self._pending[:count], self._pending[count:]
        silence = np.zeros(count - len(taken), np.float32)
        heard = np.concatenate((self._window, taken, silence))
        self._window = heard[-len(self._window) :]
        return taken

    @property
    def window(self) -> Samples:
        """What the encoder hears, [S]: the samples taken last, then those ahead of them.

        Silence before the start and beyond the end of what was appended.
        """
        if not self._ahead:
            return self._window
        ahead = self._pending[: self._ahead]
        silence = np.zeros(self._ahead - len(ahead), np.float32)
        return np.concatenate((self._window[self._ahead :], ahead, silence))
