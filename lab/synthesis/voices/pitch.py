"""Another pitch for a voice, with its timing and its mouth as they were.

Below `augment`. A phase vocoder stretches the sound and resampling brings it back to its length.
First, every spectrum's envelope is bent the other way. So the formants, which the shape of the
mouth makes, stay where they are. About 8 ms of one core per second of sound.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft
from scipy.signal import resample

WINDOW = 512  # samples, 32 ms; twice that keeps low harmonics apart, but blurs the sounds in time
HOP = WINDOW // 4
ENVELOPE_TERMS = 45  # of the cepstrum: finer detail than these is the harmonics of the voice
ONSET = 1.5  # a spectrum so many times louder than the one before begins a sound
MOST_GAIN = np.log(4.0)  # 12 dB; what is hardly there is not pulled up without end


def shift_pitch(samples: np.ndarray, semitones: float) -> np.ndarray:
    """`samples` float32 [S] at 16 kHz, spoken higher or lower by `semitones`: float32 [S]."""
    ratio = 2.0 ** (semitones / 12.0)
    hann = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    padded = np.pad(samples.astype(np.float32), WINDOW)
    spectra = fft.rfft(sliding_window_view(padded, WINDOW)[::HOP] * hann, axis=1)  # [K, bins]
    stretched = _stretched(spectra * _formant_gain(np.abs(spectra), ratio), ratio, hann)
    # windows are counted by their starts, but speak for their centers
    start = round((ratio + 1) * WINDOW / 2)
    length = round(ratio * len(samples))
    shifted = resample(stretched[start : start + length], len(samples)).astype(np.float32)
    # where windows do not quite agree, they cancel in part
    loss = np.linalg.norm(shifted) / (np.linalg.norm(samples) + 1e-9)
    return shifted / np.float32(loss + 1e-9)


def _formant_gain(magnitude: np.ndarray, ratio: float) -> np.ndarray:
    """Gain [K, bins] that moves every envelope of [K, bins] by 1 / `ratio` in frequency."""
    floor = np.float32(1e-4) * magnitude.max() + np.float32(1e-9)
    cepstrum = fft.irfft(np.log(magnitude + floor), axis=1)
    cepstrum[:, ENVELOPE_TERMS : 1 - ENVELOPE_TERMS] = 0.0
    envelope = fft.rfft(cepstrum, axis=1).real
    bins = np.arange(envelope.shape[1])
    wanted = np.clip(bins * ratio, 0, bins[-1]).astype(np.float32)
    below = np.minimum(wanted.astype(int), bins[-2])
    share = wanted - below
    bent = (1 - share) * envelope[:, below] + share * envelope[:, below + 1]
    return np.exp(np.clip(bent - envelope, -MOST_GAIN, MOST_GAIN))


def _stretched(spectra: np.ndarray, ratio: float, hann: np.ndarray) -> np.ndarray:
    """Sound of `spectra` [K, bins], `ratio` times slower at the same pitch: [about ratio K HOP]."""
    magnitude, phase = np.abs(spectra), np.angle(spectra)
    expected = np.float32(2 * np.pi * HOP / WINDOW) * np.arange(spectra.shape[1], dtype=np.float32)
    surplus = np.diff(phase, axis=0) - expected
    advance = expected + surplus - 2 * np.pi * np.round(surplus / (2 * np.pi))
    places = np.arange(0, len(spectra) - 1, 1 / ratio)
    before = places.astype(int)
    share = (places - before).astype(np.float32)[:, None]
    level = (1 - share) * magnitude[before] + share * magnitude[before + 1]
    turn = np.exp(1j * advance).astype(np.complex64)[before]
    given = np.exp(1j * phase).astype(np.complex64)[before]
    loud = level.mean(axis=1)
    onset = np.r_[True, loud[1:] > ONSET * loud[:-1]]
    frames = np.empty((len(places), spectra.shape[1]), np.complex64)
    direction = given[0]
    for k, frame in enumerate(frames):
        if onset[k]:  # what begins here has no earlier phase to follow
            direction = given[k]
        np.multiply(level[k] + np.float32(1e-7), direction, out=frame)
        # a harmonic fills some bins, which turn in alternation; if each went its own way, they
        # would drift apart and the voice would sound as from a barrel (Puckette 1995)
        locked = frame.copy()
        locked[1:] -= frame[:-1]
        locked[:-1] -= frame[1:]
        direction = turn[k] * locked / (np.abs(locked) + np.float32(1e-12))
    windows = fft.irfft(frames, axis=1).astype(np.float32) * hann
    sound = np.zeros((len(windows) + WINDOW // HOP - 1, HOP), np.float32)
    for part in range(WINDOW // HOP):
        sound[part : part + len(windows)] += windows[:, part * HOP : (part + 1) * HOP]
    return sound.ravel() / np.float32(1.5)  # four squared Hann windows add up to that
