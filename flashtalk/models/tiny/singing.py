"""Where somebody sings: one pitch that is held, but never as still as an instrument's.

Voice activity detectors are trained on speech and miss held notes. A sung note is periodic with
one period, unlike chords, breaths and knocks. And it wanders by several cents all the time
(vibrato, flutter), unlike the notes of keys and plucked strings. Bowed strings and flutes that are
played alone are taken for singers. Used by :mod:`flashtalk.models.tiny.voice_gate`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.inputs.voice_activity import FRAME_SAMPLES, in_frames

_VIEW_SAMPLES = 1_024  # 64 ms: five periods of the lowest note
_PERIODS = (20, 200)  # samples: notes of 800 to 80 Hz
_PERIODIC = 0.92  # least correlation with itself, one period later
_SHORTEST = 0.97  # of the best correlation: multiples of a period correlate as well
_NEIGHBORS = 9  # frames, 0.29 s, over which a pitch is held
_STILL, _USUAL = 2, 4  # of their steps in order: a still one, and the median
_LEAST_CENTS = 3.5  # of a still step: singers make 4 to 10 from frame to frame, keys 0 to 3
_MOST_CENTS = 100.0  # of a usual step
_INAUDIBLE = 1e-5  # energy of a view, of samples in -1..1; about 80 dB below full scale
_JUMP_CENTS = 1e4  # to and from frames without a pitch


def sung_frames(samples: Tensor) -> Tensor:
    """Sound [B, S] at 16 kHz -> [B, ceil(S / 512)], whether a note is sung there."""
    periodic, cents = _pitches(samples)
    step = (cents[:, 1:] - cents[:, :-1]).abs()
    step = F.pad(step, (1, 0)).where(periodic, _JUMP_CENTS)
    reach = _NEIGHBORS // 2
    around = F.pad(step[:, None], (reach, reach), mode="replicate")[:, 0]
    steps = around.unfold(1, _NEIGHBORS, 1).sort(dim=-1).values
    return (steps[..., _STILL] > _LEAST_CENTS) & (steps[..., _USUAL] < _MOST_CENTS)


def _pitches(samples: Tensor) -> tuple[Tensor, Tensor]:
    """For each frame whether it has one period, and its pitch in cents above 1 Hz: [B, N] both."""
    lowest, highest = _PERIODS
    correlation = _self_correlation(samples, highest + 1)
    inner = correlation[..., lowest:-1]
    peaks = (inner >= correlation[..., lowest - 1 : -2]) & (inner > correlation[..., lowest + 1 :])
    heights = inner.where(peaks, 0.0)
    best = heights.amax(dim=-1, keepdim=True)
    first = (heights >= _SHORTEST * best).to(torch.uint8).argmax(dim=-1) + lowest  # [B, N]
    left, middle, right = (
        correlation.gather(-1, (first + offset)[..., None])[..., 0] for offset in (-1, 0, 1)
    )
    curve = (left - 2.0 * middle + right).clamp(max=-1e-6)
    period = first + (0.5 * (left - right) / curve).clamp(-0.5, 0.5)
    return best[..., 0] > _PERIODIC, 1_200.0 * torch.log2(SPEECH_RATE_HZ / period)


def _self_correlation(samples: Tensor, most: int) -> Tensor:
    """Normalized correlation [B, N, 1 + most] of each frame's view with itself, by lag."""
    before = (_VIEW_SAMPLES - FRAME_SAMPLES) // 2  # the view is centered on its frame
    views = in_frames(samples, before, _VIEW_SAMPLES - before)
    views = views - views.mean(dim=-1, keepdim=True)
    power = torch.fft.rfft(views, 2 * _VIEW_SAMPLES).abs().square()
    products = torch.fft.irfft(power, 2 * _VIEW_SAMPLES)[..., : most + 1]
    energy = F.pad(views.square().cumsum(dim=-1), (1, 0))
    lags = torch.arange(most + 1, device=samples.device)
    early, late = energy[..., _VIEW_SAMPLES - lags], energy[..., -1:] - energy[..., lags]
    return products / ((early * late).sqrt() + _INAUDIBLE)
