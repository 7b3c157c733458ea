"""Other voices and gaps for the speech encoder's pre-training, made in its log-mel pictures.

Between :mod:`flashtalk.training.labelled_speech` (sound, slower or faster and degraded) and the
encoder. Labels stay valid: nothing here moves in time.
"""

from __future__ import annotations

import torch
from torch import Tensor

FORMANT_RANGE = 0.12  # how much longer or shorter a vocal tract may be
BANDS, BAND_SHARE = 2, 0.2  # hidden bands, and the share of all bins that the widest takes
GAPS_PER_S, GAP_FRAMES = 1.0, 8  # hidden stretches, and the longest of them in frames of 10 ms


def move_formants(log_mel: Tensor, factors: Tensor) -> Tensor:
    """Vocal tract length perturbation (Jaitly and Hinton 2013), along mel bins.

    log_mel [B, bins, T], factors [B]: what lay at bin k lies at k * factor. Above 1 a shorter
    tract, a smaller person. Where nothing is known the uppermost bin goes on.
    """
    bins = log_mel.shape[1]
    source = torch.arange(bins)[None] / factors[:, None]
    source = source.clamp(max=bins - 1.0)  # [B, bins]
    below = source.floor().long().clamp(max=bins - 2)
    share = (source - below)[:, :, None]
    rows = torch.arange(len(log_mel))[:, None]
    return (1.0 - share) * log_mel[rows, below] + share * log_mel[rows, below + 1]


def hide(log_mel: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Bands and short gaps replaced by the mean, each item's own (SpecAugment, Park et al. 2019).

    Gaps are shorter than most sounds, so what was said can still be told.
    """
    items, bins, frames = log_mel.shape
    gaps = max(1, round(GAPS_PER_S * frames / 100))
    hidden = _stretches(items, bins, BANDS, BAND_SHARE * bins, generator)[:, :, None]
    hidden = hidden | _stretches(items, frames, gaps, GAP_FRAMES, generator)[:, None]
    return torch.where(hidden, log_mel.mean(dim=(1, 2), keepdim=True), log_mel)


def other_voices(log_mel: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Both of the above with random numbers: [B, bins, T] -> the same."""
    drawn = torch.rand(len(log_mel), generator=generator)
    return hide(move_formants(log_mel, 1.0 + FORMANT_RANGE * (2.0 * drawn - 1.0)), generator)


def _stretches(
    items: int, length: int, count: int, longest: float, generator: torch.Generator | None
) -> Tensor:
    """Bool [items, length]: ``count`` stretches of up to ``longest``, which may overlap."""
    width = torch.rand(items, count, 1, generator=generator) * longest
    start = torch.rand(items, count, 1, generator=generator) * (length - width)
    place = torch.arange(length) + 0.5
    return ((place >= start) & (place < start + width)).any(dim=1)
