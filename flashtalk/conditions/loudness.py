"""Speech of any level -> the loudness that the published model hears.

Applied by the session to the encoder's whole window (integrated loudness, ITU-R BS.1770-4). The
window starts as silence, which the measurement's gate leaves out. So a quiet voice is lifted from
its first chunk on. What the visitor hears is never changed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

INAUDIBLE_LUFS = 100.0  # beyond +-100 LUFS there is nothing to measure: silence is -infinity


class LoudnessNormalizer:
    """Brings mono speech to ``target_lufs``; the meter's filters are built once."""

    def __init__(self, target_lufs: float, sample_rate_hz: int) -> None:
        import pyloudnorm  # only models that ask for a loudness need it

        self._target_lufs = target_lufs
        self._meter = pyloudnorm.Meter(sample_rate_hz)
        self._shortest = math.ceil(self._meter.block_size * sample_rate_hz)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Samples [S] -> [S] at the target loudness, float32, not clipped.

        Silence and speech shorter than one measured block (0.4 s) come back as they are.
        """
        if len(samples) < self._shortest:
            return samples
        loudness = float(self._meter.integrated_loudness(samples.astype(np.float64)))
        if not math.isfinite(loudness) or abs(loudness) > INAUDIBLE_LUFS:
            return samples
        gain = 10.0 ** ((self._target_lufs - loudness) / 20.0)
        return (samples * gain).astype(np.float32)
