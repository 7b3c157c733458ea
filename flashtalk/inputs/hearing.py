"""Which channel the model hears: the one with the voice.

Usually the mean of left and right. But channels may cancel each other. One may hold the voice and
the other nothing, hum or music. Films have their dialog in the center. A voice is told by its
syllables. Within 250 to 4,000 Hz it rises and falls some two to eight times a second. Music does
so as well. So a network that knows voices is asked first, where channels differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from flashtalk.inputs.voiced import LEAST_VOICE_S, voiced_s

_FRAME_S = 0.02
_VOICE_HZ = (250.0, 4_000.0)
_SYLLABLE_FRAMES = 3  # shorter changes are no syllables
_PHRASE_FRAMES = 25  # nor are slower ones
_FRAMES_AT_ONCE = 4_096

MEAN_ENOUGH = 0.6  # of the best channel's voice; two voices that alternate leave the mean 0.7
CENTER_ENOUGH = 0.5
_HARDLY_SPOKEN = 0.2  # of the seconds of voice in another channel
_ALIKE = 0.1  # difference of channels over their mean
_CANCELED = 0.3  # of a channel's loudness, left in the mean of two loud ones


@dataclass(frozen=True, eq=False)
class Heard:
    """A sound as the model hears it."""

    samples: np.ndarray
    """[samples]"""
    canceled: bool = False
    """Left and right cancel each other, and one of them was chosen."""


def choose(channels: Sequence[np.ndarray], rate_hz: int, center: np.ndarray | None = None) -> Heard:
    """The one with the voice of ``channels`` (one or two, each [samples]) and their mean.

    Where a ``center`` has a voice, it is chosen before all others.
    """
    if len(channels) == 1:
        return Heard(channels[0])
    left, right = channels
    mean = (left + right) / 2
    every = [left, right, mean] if center is None else [left, right, mean, center]
    if center is None:
        spoken_in = _only_spoken_in(left, right, rate_hz)
        if spoken_in is not None:
            return Heard(spoken_in)
    elif _is_spoken_in(center, [left, right], rate_hz):
        return Heard(center)
    voices, loudness = zip(*(voice_of(channel, rate_hz) for channel in every), strict=True)
    if max(voices) <= 0.0:  # steady tones
        voices = loudness
    best = max(voices[:3])
    if center is not None and voices[3] > 0 and voices[3] >= CENTER_ENOUGH * best:
        return Heard(center)
    if voices[2] >= MEAN_ENOUGH * best:
        return Heard(mean)
    chosen = int(voices[1] > voices[0])
    canceled = loudness[2] < _CANCELED * min(loudness[:2])
    return Heard(channels[chosen], canceled)


def _only_spoken_in(left: np.ndarray, right: np.ndarray, rate_hz: int) -> np.ndarray | None:
    """The side in which there is a voice, if there is hardly any in the other."""
    if _loudness(left - right) < _ALIKE * _loudness((left + right) / 2):
        return None
    more, less = sorted([(voiced_s(left, rate_hz), 0), (voiced_s(right, rate_hz), 1)])[::-1]
    if more[0] < LEAST_VOICE_S or less[0] > _HARDLY_SPOKEN * more[0]:
        return None
    return (left, right)[more[1]]


def _is_spoken_in(center: np.ndarray, sides: Sequence[np.ndarray], rate_hz: int) -> bool:
    """Whether dialog is in the center, which the ``sides`` hold as well."""
    spoken_s = voiced_s(center, rate_hz)
    if spoken_s < LEAST_VOICE_S:
        return False
    return spoken_s >= CENTER_ENOUGH * max(voiced_s(side, rate_hz) for side in sides)


def _loudness(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples)))) if samples.size else 0.0


def voice_of(samples: np.ndarray, rate_hz: int) -> tuple[float, float]:
    """How much voice is in ``samples`` [samples], and how loud its band is.

    Voice is loudness times the square of how deeply syllables modulate it: 0 for steady sounds.
    """
    envelope = _envelope(samples, rate_hz)
    loudness = float(np.sqrt(np.mean(np.square(envelope)))) if envelope.size else 0.0
    if loudness < 1e-7:
        return 0.0, 0.0
    syllables = uniform_filter1d(envelope, _SYLLABLE_FRAMES, mode="nearest")
    phrases = uniform_filter1d(envelope, _PHRASE_FRAMES, mode="nearest")
    depth = float(np.std(syllables - phrases)) / loudness
    return loudness * depth**2 if depth > 0.05 else 0.0, loudness


def _envelope(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """Amplitude of the voice's band in each frame [frames]; a shorter rest is left out."""
    length = round(rate_hz * _FRAME_S)
    count = samples.size // length
    frames = samples[: count * length].reshape(count, length)
    frequencies = np.fft.rfftfreq(length, 1.0 / rate_hz)
    band = (frequencies >= _VOICE_HZ[0]) & (frequencies <= _VOICE_HZ[1])
    window = np.hanning(length).astype(np.float32)
    power = [
        np.square(np.abs(np.fft.rfft(frames[start : start + _FRAMES_AT_ONCE] * window)[:, band]))
        for start in range(0, count, _FRAMES_AT_ONCE)
    ]
    total = np.concatenate([part.sum(axis=1) for part in power]) if power else np.zeros(0)
    return np.sqrt(total) / length
