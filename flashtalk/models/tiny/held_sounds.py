"""Held sounds are heard as short ones: a vowel that is sung for seconds keeps its mouth open.

The embedded speech encoder learned from speech, whose vowels last about 0.2 s. It takes a sound
that stays the same for longer for a pause. So the middle of a held sound is cut out before it is
encoded. The features before the cut then last as long as the sound does. Speech has no such middle
and is encoded as it is.

Letters: B recordings, D mel bins, F frames at the video rate, n spectra in each of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_LAG_FRAMES = 3  # 0.12 s: over which a held sound is compared with itself
_MOST_CHANGE = 0.35  # in log-mel units, 7 dB; in speech some band changes by more than this
_SMOOTHED_BINS = 7  # harmonics of a trembling voice move by as many
_AUDIBLE = -0.3  # log-mel of the loudest band; speech reaches 0.5
_VOICED = 0.5  # 10 dB, by which a voice is louder below 0.95 kHz than above 3.6; noise is not
_KEPT_BEGIN, _KEPT_END = 1, 3  # steady frames that are heard: with the onset 0.28 s


@dataclass(frozen=True)
class HeldSounds:
    """Which frames are heard, and whose features each frame has."""

    order: Tensor
    """[B, F] first the frames that are cut out, then those that are heard."""
    cut: Tensor
    """[B, F] bool, whether a place of ``order`` holds a frame that is cut out."""
    place: Tensor
    """[B, F] where in ``order`` the features of a frame are."""

    @classmethod
    def of(cls, levels: Tensor, per_frame: int) -> HeldSounds:
        """The held sounds of log-mel ``levels`` [B, D, F * n], n = ``per_frame``."""
        kept = ~_middles(_steady(F.avg_pool1d(levels, per_frame)))  # [B, F]
        from_here = kept.long().flip(1).cumsum(1).flip(1)
        place = kept.shape[1] - from_here - (~kept).long()
        order = torch.argsort(kept.to(torch.uint8), dim=1, stable=True)
        return cls(order=order, cut=~kept.gather(1, order), place=place.clamp(min=0))

    def shorten(self, levels: Tensor, silence: float) -> Tensor:
        """Levels [B, D, F * n] without the middles; as much ``silence`` is put before them."""
        frames = levels.unflatten(2, (self.order.shape[1], -1))  # [B, D, F, n]
        chosen = frames.gather(2, self.order[:, None, :, None].expand_as(frames))
        return chosen.masked_fill(self.cut[:, None, :, None], silence).flatten(2)

    def lengthen(self, features: Tensor) -> Tensor:
        """Features [B, D, F] of shortened levels -> of all frames."""
        return features.gather(2, self.place[:, None].expand_as(features))


def _steady(levels: Tensor) -> Tensor:
    """Levels [B, D, F] -> [B, F] bool: voiced frames like the one three frames before."""
    reach = _SMOOTHED_BINS // 2
    smooth = F.avg_pool1d(
        levels.transpose(1, 2), _SMOOTHED_BINS, 1, reach, count_include_pad=False
    )  # [B, F, D]
    change = (smooth[:, _LAG_FRAMES:] - smooth[:, :-_LAG_FRAMES]).abs().amax(dim=2)
    alike = F.pad(change < _MOST_CHANGE, (_LAG_FRAMES, 0))
    third = levels.shape[1] // 3
    low, high = levels[:, :third].amax(dim=1), levels[:, -third:].amax(dim=1)
    return alike & (low > _AUDIBLE) & (low - high > _VOICED)


def _middles(steady: Tensor) -> Tensor:
    """[B, F] -> the same without the first and the last frames of each run."""
    padded = F.pad(steady.float(), (_KEPT_BEGIN, _KEPT_END))[:, None]
    return -F.max_pool1d(-padded, _KEPT_BEGIN + _KEPT_END + 1, 1)[:, 0] > 0.5
