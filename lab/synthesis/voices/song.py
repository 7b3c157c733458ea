"""Sung lines of m and held vowels, from a buzz through three resonances.

Its lips are known: shut during each m, open through each vowel. No engine that speaks here sounds
like it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from lab.synthesis.voices.phones import FRAME_RATE_HZ, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Phone

FORMANTS_HZ: Mapping[str, tuple[int, int, int]] = {
    **{"a": (750, 1_200, 2_500), "o": (450, 800, 2_600), "e": (450, 1_900, 2_600)},
    **{"u": (320, 750, 2_300), "i": (280, 2_250, 2_900), "m": (250, 1_000, 2_200)},
}
WIDTHS_HZ = (80, 100, 140)
PARTIALS = 19
HIGHEST_HZ = 7_500  # of a partial
PAUSE_FRAMES, MURMUR_FRAMES = 10, 5
MURMUR_LEVEL, LOUDEST = 0.25, 0.5
VIBRATO_HZ, VIBRATO_DEPTH = 5.5, 0.02
RAMP_S = 0.03
SUNG_PHONES: Mapping[str, str] = {"a": "AA", "o": "AO", "e": "EH", "u": "UW", "i": "IY"}
# Of singers drawn at random: least, most.
SIZES, TILTS, VIBRATOS_HZ, DEPTHS = (0.85, 1.25), (0.6, 1.6), (4.5, 7.0), (0.0, 0.03)
NOTES_HZ, NOTE_FRAMES = (85.0, 420.0), (8, 60)


@dataclass(frozen=True)
class Singer:
    """A throat: what all of its notes have in common."""

    size: float = 1.0
    """Of all resonances; above 1 for a smaller head."""
    tilt: float = 1.2
    """How fast partials become fainter."""
    vibrato_hz: float = VIBRATO_HZ
    depth: float = VIBRATO_DEPTH

    def note(self, vowel: str, note_hz: float, frames: int) -> np.ndarray:
        """An m and then ``vowel``, ``frames`` long with the m: float64 [640 frames]."""
        time_s = np.arange(frames * SAMPLES_PER_FRAME) / SAMPLE_RATE_HZ
        bend = 1.0 + self.depth * np.sin(2 * np.pi * self.vibrato_hz * time_s)
        phase = np.cumsum(note_hz * bend) / SAMPLE_RATE_HZ
        partials = range(1, min(PARTIALS, int(HIGHEST_HZ / note_hz)) + 1)
        buzz = np.sum([np.sin(2 * np.pi * k * phase) / k**self.tilt for k in partials], axis=0)
        is_m = time_s < MURMUR_FRAMES / FRAME_RATE_HZ
        murmur = MURMUR_LEVEL * _formed(buzz, "m", self.size)
        note = np.where(is_m, murmur, _formed(buzz, vowel, self.size))
        ramp = np.clip(np.minimum(time_s, time_s[::-1]) / RAMP_S, 0.0, 1.0)
        return LOUDEST * ramp * note / np.abs(note).max()


def song(vowels: str, note_hz: float, note_frames: int) -> np.ndarray:
    """An m of 0.2 s and a held vowel of ``note_frames`` for each of ``vowels``: float32 [S].

    A pause of 0.4 s stands before and after.
    """
    pause = np.zeros(PAUSE_FRAMES * SAMPLES_PER_FRAME)
    notes = [Singer().note(vowel, note_hz, MURMUR_FRAMES + note_frames) for vowel in vowels]
    return np.concatenate([pause, *notes, pause]).astype(np.float32)


def melody(rng: np.random.Generator, frames: int) -> tuple[np.ndarray, tuple[Phone, ...]]:
    """At least ``frames`` of notes by a singer drawn at random: float32 [S], and their phones."""
    singer = Singer(*(float(rng.uniform(*span)) for span in (SIZES, TILTS, VIBRATOS_HZ, DEPTHS)))
    note_hz = float(np.exp(rng.uniform(*np.log(NOTES_HZ))))
    notes: list[np.ndarray] = []
    phones: list[Phone] = []
    begin = 0
    while begin < frames:
        vowel = str(rng.choice(list(SUNG_PHONES)))
        count = MURMUR_FRAMES + int(rng.integers(*NOTE_FRAMES))
        step = float(2.0 ** (rng.integers(-5, 6) / 12))
        notes.append(singer.note(vowel, note_hz * step, count))
        times = np.array([begin, begin + MURMUR_FRAMES, begin + count]) / FRAME_RATE_HZ
        phones += [Phone("P", *times[:2]), Phone(SUNG_PHONES[vowel], *times[1:])]
        begin += count
    return np.concatenate(notes).astype(np.float32), tuple(phones)


def _formed(buzz: np.ndarray, sound: str, size: float) -> np.ndarray:
    """The buzz through the three resonances of a sound."""
    for usual_hz, width_hz in zip(FORMANTS_HZ[sound], WIDTHS_HZ, strict=True):
        hertz = size * usual_hz
        radius = np.exp(-np.pi * width_hz / SAMPLE_RATE_HZ)
        cosine = 2 * radius * np.cos(2 * np.pi * hertz / SAMPLE_RATE_HZ)
        buzz = lfilter([1 - cosine + radius**2], [1, -cosine, radius**2], buzz)
    return buzz
