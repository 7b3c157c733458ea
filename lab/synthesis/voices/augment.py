"""Makes clean synthetic speech sound recorded: other pitches, rooms, noise, microphones, codecs.

Nothing here moves sound in time, so phone and mouth labels stay valid. Tempo and formants are left
alone, and filters have zero phase. A room keeps its direct sound at delay zero, and a codec's delay
is taken out. Most effects are a handful of FFTs over the clip. Lossy codecs and another pitch cost
some ten times as much and are rare for that. On average it takes about 2 ms of one core per second
of sound.

Used while training only: what `factory` and `corpus` write is clean.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft

from lab.synthesis.voices.lossy import LOSSY_CODECS, through_codec
from lab.synthesis.voices.phones import SAMPLE_RATE_HZ
from lab.synthesis.voices.pitch import shift_pitch

MU = 255.0  # of the mu-law companding in telephony (ITU-T G.711)


@dataclass(frozen=True)
class Degradation:
    """How likely each effect is (0..1) and how strong it may get (lowest, highest)."""

    pitch_odds: float = 0.1
    pitch_semitones: tuple[float, float] = (-2.0, 2.0)
    room_odds: float = 0.45
    room_decay_s: tuple[float, float] = (0.08, 0.6)  # time to fall by 60 dB
    room_level: tuple[float, float] = (0.1, 0.6)  # reverberant over direct amplitude
    tone_odds: float = 0.6
    tone_db_per_octave: tuple[float, float] = (-2.5, 2.5)
    curve_odds: float = 0.5
    curve_db: tuple[float, float] = (1.0, 8.0)  # how far an uneven microphone or voice may go
    band_odds: float = 0.35
    band_hz: tuple[float, ...] = (3400.0, 4000.0, 5500.0, 7200.0)  # upper edge of the line
    noise_odds: float = 0.6
    noise_snr_db: tuple[float, float] = (10.0, 40.0)
    mu_law_odds: float = 0.2  # telephony
    lossy_odds: float = 0.1  # Opus, MP3 or AAC at a low rate
    gain_db: tuple[float, float] = (-18.0, 6.0)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.endswith("_odds") and not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}; it must lie in 0..1.")


STANDARD = Degradation()


def augment(
    audio: np.ndarray, rng: np.random.Generator, degradation: Degradation = STANDARD
) -> np.ndarray:
    """A degraded copy of clean 16 kHz speech: float32 [S] -> float32 [S], within -1..1.

    Everything that is drawn comes from `rng`: the same state gives the same copy.
    """
    samples = len(audio)
    if rng.random() < degradation.pitch_odds:
        audio = shift_pitch(audio, rng.uniform(*degradation.pitch_semitones))
    tail = SAMPLE_RATE_HZ // 2  # room for echoes, so that they do not wrap around
    size = fft.next_fast_len(samples + tail, real=True)
    spectrum = fft.rfft(audio.astype(np.float32), size)
    hz = fft.rfftfreq(size, 1.0 / SAMPLE_RATE_HZ).astype(np.float32)
    if rng.random() < degradation.room_odds:
        spectrum *= _room(rng, degradation, size)
    if rng.random() < degradation.tone_odds:
        slope = rng.uniform(*degradation.tone_db_per_octave)
        spectrum *= _tilt(hz, slope)
    if rng.random() < degradation.curve_odds:
        spectrum *= _curve(rng, degradation, hz)
    if rng.random() < degradation.noise_odds:
        spectrum += _noise(rng, degradation, audio, hz, size)
    if rng.random() < degradation.band_odds:
        upper_hz = float(rng.choice(degradation.band_hz))
        lower_hz = rng.uniform(50.0, 300.0)
        spectrum *= _band(hz, lower_hz, upper_hz)
    heard = fft.irfft(spectrum, size)[:samples]
    gain = 10.0 ** (rng.uniform(*degradation.gain_db) / 20.0)
    heard = np.clip(heard * np.float32(gain), -1.0, 1.0)
    if rng.random() < degradation.mu_law_odds:
        heard = _mu_law(heard, levels=int(2 ** rng.integers(6, 9)))
    if rng.random() < degradation.lossy_odds:
        codec = LOSSY_CODECS[rng.integers(len(LOSSY_CODECS))]
        heard = through_codec(heard, codec, int(rng.choice(codec.bit_rates_bps))).clip(-1.0, 1.0)
    return heard.astype(np.float32)


def _room(rng: np.random.Generator, degradation: Degradation, size: int) -> np.ndarray:
    """Response of a room: a unit at delay zero and exponentially decaying noise, [size//2+1]."""
    decay_s = rng.uniform(*degradation.room_decay_s)
    length = min(int(decay_s * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ // 2)
    times_s = np.arange(length, dtype=np.float32) / SAMPLE_RATE_HZ
    echoes = rng.standard_normal(length, dtype=np.float32)
    echoes *= np.exp(np.float32(-6.9 / decay_s) * times_s)
    echoes[: int(rng.uniform(0.001, 0.01) * SAMPLE_RATE_HZ)] = 0.0  # the first wall is some way off
    echoes *= rng.uniform(*degradation.room_level) / (np.linalg.norm(echoes) + 1e-6)
    echoes[0] = 1.0
    return fft.rfft(echoes, size)


def _tilt(hz: np.ndarray, db_per_octave: float) -> np.ndarray:
    """Gain that falls or rises by `db_per_octave` around 1 kHz, at most 12 dB either way."""
    octaves = np.log2(np.maximum(hz, 60.0) / 1000.0)
    return np.float32(10.0) ** (np.clip(db_per_octave * octaves, -12.0, 12.0) / 20.0)


def _curve(rng: np.random.Generator, degradation: Degradation, hz: np.ndarray) -> np.ndarray:
    """Gain that rises and falls smoothly over the octaves, in a way of its own each time."""
    octaves = np.log2(np.maximum(hz, 60.0) / 60.0)
    waves = rng.uniform(0.1, 0.7, 4)  # per octave
    phases, shares = rng.uniform(0.0, 2 * np.pi, 4), rng.standard_normal(4)
    curve = sum(
        share * np.sin(2 * np.pi * wave * octaves + phase)
        for wave, phase, share in zip(waves, phases, shares, strict=True)
    )
    strength_db = rng.uniform(*degradation.curve_db) / np.linalg.norm(shares)
    return (np.float32(10.0) ** (strength_db * curve / 20.0)).astype(np.float32)


def _band(hz: np.ndarray, lower_hz: float, upper_hz: float) -> np.ndarray:
    """Gain of a line that carries only the band between two frequencies."""
    low = 1.0 / (1.0 + (lower_hz / np.maximum(hz, 1.0)) ** 6)
    high = 1.0 / (1.0 + (hz / upper_hz) ** 24)
    return (low * high).astype(np.float32)


def _noise(
    rng: np.random.Generator,
    degradation: Degradation,
    audio: np.ndarray,
    hz: np.ndarray,
    size: int,
) -> np.ndarray:
    """Spectrum of colored background noise: white to brown, sometimes with mains hum."""
    phases = rng.standard_normal((2, len(hz)), dtype=np.float32)
    color = np.maximum(hz, 40.0) ** np.float32(-rng.uniform(0.0, 1.2))
    noise = (phases[0] + 1j * phases[1]) * color
    if rng.random() < 0.15:
        mains = float(rng.choice((50.0, 60.0)))
        for harmonic in (1, 2, 3, 5):
            line = round(mains * harmonic * size / SAMPLE_RATE_HZ)
            noise[line] += np.abs(noise[:2000]).max() * rng.uniform(2.0, 12.0) / harmonic
    loud = audio[np.abs(audio) > 0.02]
    level = float(np.sqrt(np.mean(loud**2))) if len(loud) else 0.05
    target = level * 10.0 ** (-rng.uniform(*degradation.noise_snr_db) / 20.0)
    rms = np.sqrt(2.0 * np.sum(np.abs(noise) ** 2)) / size  # Parseval, one-sided
    return noise * np.float32(target / (rms + 1e-12))


@lru_cache(maxsize=4)
def _mu_law_table(levels: int) -> np.ndarray:
    """Each 16-bit amplitude under mu-law with `levels` steps: float32 [65536]."""
    amplitudes = np.linspace(-1.0, 1.0, 65_536)
    squeezed = np.sign(amplitudes) * np.log1p(MU * np.abs(amplitudes)) / np.log1p(MU)
    stepped = np.round(squeezed * (levels / 2)) / (levels / 2)
    return (np.sign(stepped) * np.expm1(np.abs(stepped) * np.log1p(MU)) / MU).astype(np.float32)


def _mu_law(samples: np.ndarray, levels: int) -> np.ndarray:
    """Companded quantization to `levels` steps, as telephones and old codecs do."""
    return _mu_law_table(levels)[((samples + 1.0) * 32_767.5).astype(np.uint16)]
