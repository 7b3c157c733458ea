"""A sung line of m and held vowels, from a buzz through three resonances.

Its lips are known: shut during each m, open through each vowel. No engine that speaks here sounds
like it.
"""

from collections.abc import Mapping

import numpy as np
from scipy.signal import lfilter

from lab.synthesis.voices.phones import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

FORMANTS_HZ: Mapping[str, tuple[int, int, int]] = {
    **{"a": (750, 1_200, 2_500), "o": (450, 800, 2_600), "e": (450, 1_900, 2_600)},
    **{"u": (320, 750, 2_300), "i": (280, 2_250, 2_900), "m": (250, 1_000, 2_200)},
}
WIDTHS_HZ = (80, 100, 140)
PARTIALS = 19
PAUSE_FRAMES, MURMUR_FRAMES = 10, 5
MURMUR_LEVEL, LOUDEST = 0.25, 0.5
VIBRATO_HZ, VIBRATO_DEPTH = 5.5, 0.02
RAMP_S = 0.03


def song(vowels: str, note_hz: float, note_frames: int) -> np.ndarray:
    """An m of 0.2 s and a held vowel of ``note_frames`` for each of ``vowels``: float32 [S].

    A pause of 0.4 s stands before and after.
    """
    count = (MURMUR_FRAMES + note_frames) * SAMPLES_PER_FRAME
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    bend = 1.0 + VIBRATO_DEPTH * np.sin(2 * np.pi * VIBRATO_HZ * time_s)
    phase = np.cumsum(note_hz * bend) / SAMPLE_RATE_HZ
    buzz = np.sum([np.sin(2 * np.pi * k * phase) / k**1.2 for k in range(1, PARTIALS + 1)], axis=0)
    murmur = MURMUR_LEVEL * _formed(buzz, "m")
    ramp = np.clip(np.minimum(time_s, time_s[::-1]) / RAMP_S, 0.0, 1.0)
    pause = np.zeros(PAUSE_FRAMES * SAMPLES_PER_FRAME)
    notes = []
    for vowel in vowels:
        is_m = time_s < MURMUR_FRAMES / FRAME_RATE_HZ
        note = np.where(is_m, murmur, _formed(buzz, vowel))
        notes.append(LOUDEST * ramp * note / np.abs(note).max())
    return np.concatenate([pause, *notes, pause]).astype(np.float32)


def _formed(buzz: np.ndarray, sound: str) -> np.ndarray:
    """The buzz through the three resonances of a sound."""
    for hertz, width_hz in zip(FORMANTS_HZ[sound], WIDTHS_HZ, strict=True):
        radius = np.exp(-np.pi * width_hz / SAMPLE_RATE_HZ)
        cosine = 2 * radius * np.cos(2 * np.pi * hertz / SAMPLE_RATE_HZ)
        buzz = lfilter([1 - cosine + radius**2], [1, -cosine, radius**2], buzz)
    return buzz
