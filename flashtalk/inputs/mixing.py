"""Any number of channels -> at most two, and the center apart: what listeners' devices play.

The gains are those of ITU-R BS.775: center and surrounds at -3 dB, the low-frequency channel left
out. Dialog of films is in the center, which therefore stays available to the model by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

MINUS_3_DB = 0.5**0.5

# Channels of files that do not say which are which, in the order of WAV files.
_BY_COUNT = {
    1: "FC",
    2: "FL FR",
    3: "FL FR FC",
    4: "FL FR BL BR",
    5: "FL FR FC BL BR",
    6: "FL FR FC LFE BL BR",
    7: "FL FR FC LFE BC SL SR",
    8: "FL FR FC LFE BL BR SL SR",
}
_FRONT = {"FL": (1.0, 0.0), "FR": (0.0, 1.0), "DL": (1.0, 0.0), "DR": (0.0, 1.0)}
_LOW = ("LFE", "LFE2")


@dataclass(frozen=True, eq=False)
class Mixed:
    """A block of sound for listeners, and its center."""

    samples: np.ndarray
    """[1 or 2, samples] float32."""
    center: np.ndarray | None = None
    """[samples], where there is a center beside other channels."""
    loudest: float = 0.0
    """Largest sample of the channels it was mixed from; 0 if none were mixed."""

    def like(self, first: Mixed) -> Mixed:
        """The same, as loud, with as many channels as the ``first`` block of the sound."""
        middle = self.samples.mean(axis=0)
        samples = self.samples
        if len(samples) != len(first.samples):
            samples = np.stack([middle] * len(first.samples))
        if first.center is None:
            return replace(self, samples=samples, center=None)
        return replace(self, samples=samples, center=middle if self.center is None else self.center)

    def within_full_scale(self) -> Mixed:
        """Turned down as a whole where only the sum of channels exceeds full scale."""
        peak = float(np.abs(self.samples).max())
        if self.loudest == 0.0 or peak <= max(1.0, self.loudest):
            return self
        return replace(self, samples=self.samples * np.float32(max(1.0, self.loudest) / peak))


def mix(block: np.ndarray, names: tuple[str, ...] = ()) -> Mixed:
    """A ``block`` [channels, samples] as listeners hear it.

    ``names`` are the channels' as FFmpeg has them; without, or unknown, those of WAV files.
    """
    count = len(block)
    if count <= 2:
        return Mixed(block)
    names = names if len(names) == count and set(names) != {"NONE"} else _usual(count)
    with np.errstate(over="ignore", invalid="ignore"):  # muted later, with a sentence
        samples = _gains(names).astype(block.dtype) @ block
    center = block[names.index("FC")] if "FC" in names else None
    return Mixed(samples, center, float(np.abs(np.nan_to_num(block, posinf=0, neginf=0)).max()))


def _usual(count: int) -> tuple[str, ...]:
    return tuple(_BY_COUNT[count].split()) if count in _BY_COUNT else ("",) * count


@cache
def _gains(names: tuple[str, ...]) -> np.ndarray:
    """[2, channels]."""
    return np.array([_gain(name) for name in names]).T


def _gain(name: str) -> tuple[float, float]:
    """Gains of one channel into left and right."""
    if name in _FRONT:
        return _FRONT[name]
    if name in _LOW:
        return 0.0, 0.0
    if name.endswith("L"):
        return MINUS_3_DB, 0.0
    if name.endswith("R"):
        return 0.0, MINUS_3_DB
    return MINUS_3_DB, MINUS_3_DB  # in the middle, or nobody knows where
