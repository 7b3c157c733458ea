"""Sounds that are no speech: music, noise, breath and knocks, made of numbers alone.

Each function draws what it makes from ``rng`` and returns float32 samples at 16 kHz, about as loud
as speech. Notes are held, plucked or run up and down; some tremble as bowed strings do.
"""

from collections.abc import Callable, Mapping

import numpy as np

from lab.synthesis.voices.phones import SAMPLE_RATE_HZ

RMS = 0.08  # of what is made, as loud as speech is here
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
CHORDS = ((0, 2, 4), (0, 2, 4, 6), (0, 4), (0, 2, 4, 7))  # steps of a scale
HIGHEST_HZ = 7_500.0
PARTIALS = 16
LAYER_ODDS = 0.55


def music(rng: np.random.Generator, count: int) -> np.ndarray:
    """``count`` samples of a small band: any of chords, arpeggio, melody, bass and drums."""
    beat_s = 60.0 / rng.uniform(60.0, 150.0)
    root = rng.uniform(36.0, 60.0)  # MIDI
    scale = np.array(SCALES[int(rng.integers(len(SCALES)))])
    layers = [layer for layer in LAYERS if rng.random() < LAYER_ODDS]
    layers = layers or [LAYERS[int(rng.integers(len(LAYERS)))]]
    sound = np.zeros(count)
    for layer in layers:
        sound += layer(rng, count, beat_s, root, scale) * 10.0 ** (rng.uniform(-9.0, 3.0) / 20.0)
    return _leveled(_colored(rng, sound))


def breath(rng: np.random.Generator, count: int) -> np.ndarray:
    """A few breaths, each of noise in two or three bands."""
    sound = np.zeros(count)
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    for _ in range(max(1, round(count / SAMPLE_RATE_HZ / rng.uniform(1.5, 4.0)))):
        begin_s, length_s = rng.uniform(0.0, time_s[-1]), rng.uniform(0.15, 0.9)
        shape = np.sin(np.pi * np.clip((time_s - begin_s) / length_s, 0.0, 1.0)) ** rng.uniform(
            0.7, 2.0
        )
        bands = [(rng.uniform(300.0, 5_000.0), rng.uniform(200.0, 2_500.0)) for _ in range(3)]
        sound += shape * _banded(rng, count, bands)
    return _leveled(sound) * np.float32(rng.uniform(0.1, 1.0))


def knocks(rng: np.random.Generator, count: int) -> np.ndarray:
    """Knocks, clicks and taps: short ringing of a few resonances."""
    sound = np.zeros(count)
    for _ in range(max(1, round(count / SAMPLE_RATE_HZ * rng.uniform(0.5, 4.0)))):
        length = min(count, int(0.3 * SAMPLE_RATE_HZ))
        after_s = np.arange(length) / SAMPLE_RATE_HZ
        hit = sum(
            rng.uniform(0.2, 1.0)
            * np.exp(-after_s * rng.uniform(25.0, 200.0))
            * np.sin(2 * np.pi * rng.uniform(80.0, 2_500.0) * after_s)
            for _ in range(int(rng.integers(1, 5)))
        )
        hit = hit + rng.uniform(0.0, 0.5) * np.exp(-after_s * 300.0) * rng.standard_normal(length)
        begin = int(rng.integers(0, count - length + 1))
        sound[begin : begin + length] += rng.uniform(0.3, 1.0) * hit
    return (0.5 * rng.uniform(0.2, 1.0) * sound / (np.abs(sound).max() + 1e-9)).astype(np.float32)


def noise(rng: np.random.Generator, count: int) -> np.ndarray:
    """Steady or swelling noise of any color, sometimes with the hum of mains."""
    hertz = np.fft.rfftfreq(count, 1.0 / SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    sound = np.fft.irfft(spectrum * np.maximum(hertz, 40.0) ** -rng.uniform(0.0, 1.2), count)
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    if rng.random() < 0.4:
        rate_hz = rng.uniform(0.1, 6.0)
        sound *= 1.0 + rng.uniform(0.2, 0.9) * np.sin(2 * np.pi * (rate_hz * time_s + rng.random()))
    sound /= sound.std() + 1e-9
    if rng.random() < 0.3:
        mains_hz = float(rng.choice((50.0, 60.0)))
        for harmonic in (1, 2, 3, 5):
            sound += (
                rng.uniform(0.2, 2.0) / harmonic * np.sin(2 * np.pi * mains_hz * harmonic * time_s)
            )
    return _leveled(sound) * np.float32(rng.uniform(0.05, 1.0))


OTHER_SOUNDS: Mapping[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "music": music,
    "breath": breath,
    "knocks": knocks,
    "noise": noise,
}
"""By name; each makes so many samples."""


# --- parts of music -------------------------------------------------------------------------------
def _chords(
    rng: np.random.Generator, count: int, beat_s: float, root: float, scale: np.ndarray
) -> np.ndarray:
    """Chords that are held for a bar or two."""
    steps = CHORDS[int(rng.integers(len(CHORDS)))]
    length_s = beat_s * float(rng.choice((2, 4, 8)))
    voice = _Voice.drawn(rng, held=rng.random() < 0.7)
    sound = np.zeros(count)
    for number in range(int(count / SAMPLE_RATE_HZ / length_s) + 1):
        degree = int(rng.integers(7))
        for step in steps:
            _add(
                sound,
                number * length_s,
                voice.note(rng, _pitch(root + 12, scale, degree + step), length_s),
            )
    return sound


def _arpeggio(
    rng: np.random.Generator, count: int, beat_s: float, root: float, scale: np.ndarray
) -> np.ndarray:
    """Quick notes up and down a chord."""
    steps = CHORDS[int(rng.integers(len(CHORDS)))]
    length_s = beat_s / float(rng.choice((1, 2, 3, 4)))
    voice = _Voice.drawn(rng, held=rng.random() < 0.25)
    sound = np.zeros(count)
    order = (*steps, *steps[-2:0:-1])
    degree = 0
    for number in range(int(count / SAMPLE_RATE_HZ / length_s) + 1):
        if number % 8 == 0:
            degree = int(rng.integers(7))
        pitch = _pitch(root + 12, scale, degree + order[number % len(order)])
        _add(sound, number * length_s, voice.note(rng, pitch, length_s))
    return sound


def _melody(
    rng: np.random.Generator, count: int, beat_s: float, root: float, scale: np.ndarray
) -> np.ndarray:
    """One line, held or plucked, that wanders by small steps and rests at times."""
    voice = _Voice.drawn(rng, held=rng.random() < 0.6)
    sound = np.zeros(count)
    now_s, degree = 0.0, int(rng.integers(7, 14))
    while now_s * SAMPLE_RATE_HZ < count:
        length_s = beat_s * float(rng.choice((0.5, 1, 1, 2, 3)))
        degree = int(np.clip(degree + rng.integers(-3, 4), 4, 18))
        if rng.random() > 0.15:
            _add(sound, now_s, voice.note(rng, _pitch(root, scale, degree), length_s))
        now_s += length_s
    return sound


def _bass(
    rng: np.random.Generator, count: int, beat_s: float, root: float, scale: np.ndarray
) -> np.ndarray:
    """A low note on each beat, or on every other."""
    voice = _Voice.drawn(rng, held=rng.random() < 0.5)
    length_s = beat_s * float(rng.choice((0.5, 1, 2)))
    sound = np.zeros(count)
    for number in range(int(count / SAMPLE_RATE_HZ / length_s) + 1):
        _add(
            sound,
            number * length_s,
            voice.note(rng, _pitch(root - 12, scale, int(rng.integers(7))), length_s),
        )
    return sound


def _drums(
    rng: np.random.Generator, count: int, beat_s: float, root: float, scale: np.ndarray
) -> np.ndarray:
    """Drum, snare and cymbal."""
    after_s = np.arange(int(0.25 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    kick = np.sin(2 * np.pi * (50.0 * after_s + 4.0 * (1.0 - np.exp(-after_s * 30.0))))
    kick *= np.exp(-after_s * 14.0)
    hiss = np.diff(rng.standard_normal(len(after_s) + 1))
    snare = 0.5 * hiss * np.exp(-after_s * 22.0) + 0.5 * np.sin(
        2 * np.pi * 190.0 * after_s
    ) * np.exp(-after_s * 30.0)
    cymbal = 0.25 * np.diff(hiss, prepend=0.0) * np.exp(-after_s * 60.0)
    sound = np.zeros(count)
    for number in range(int(count / SAMPLE_RATE_HZ / beat_s * 2) + 1):
        at_s = number * beat_s / 2
        _add(sound, at_s, rng.uniform(0.5, 1.0) * cymbal)
        if number % 4 == 0 or rng.random() < 0.1:
            _add(sound, at_s, kick)
        if number % 4 == 2:
            _add(sound, at_s, snare)
    return 3.0 * sound


LAYERS = (_chords, _arpeggio, _melody, _bass, _drums)


class _Voice:
    """An instrument: how its partials fall off, swell, fade and tremble."""

    def __init__(
        self, falloff: float, odd: bool, fade: float, rise_s: float, tremble: float
    ) -> None:
        self.gains = np.arange(1, PARTIALS + 1) ** -falloff
        if odd:
            self.gains[1::2] *= 0.1
        self.fade, self.rise_s, self.tremble = fade, rise_s, tremble

    @classmethod
    def drawn(cls, rng: np.random.Generator, held: bool) -> "_Voice":
        """Any instrument; a held one does not fade."""
        return cls(
            falloff=rng.uniform(0.6, 2.0),
            odd=rng.random() < 0.2,
            fade=0.0 if held else rng.uniform(2.0, 9.0),
            rise_s=rng.uniform(0.02, 0.15) if held else rng.uniform(0.002, 0.01),
            tremble=rng.uniform(0.0, 0.012) if held and rng.random() < 0.4 else 0.0,
        )

    def note(self, rng: np.random.Generator, pitch: float, length_s: float) -> np.ndarray:
        """A note of ``length_s`` and its end."""
        hertz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
        after_s = np.arange(int((length_s + 0.1) * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        phase = 2 * np.pi * hertz * after_s
        if self.tremble:
            rate_hz = rng.uniform(4.0, 7.0)
            phase -= self.tremble * hertz / rate_hz * np.cos(2 * np.pi * rate_hz * after_s)
        used = max(1, min(PARTIALS, int(HIGHEST_HZ / hertz)))
        wave = np.zeros_like(after_s)
        for partial in range(1, used + 1):
            fading = np.exp(-after_s * self.fade * (0.5 + 0.5 * partial)) if self.fade else 1.0
            wave += (
                self.gains[partial - 1] * fading * np.sin(partial * phase + rng.uniform(0, 6.28))
            )
        rise = np.clip(after_s / self.rise_s, 0.0, 1.0)
        end = np.clip((length_s + 0.1 - after_s) / 0.1, 0.0, 1.0)
        return wave * rise * end


def _pitch(root: float, scale: np.ndarray, degree: int) -> float:
    octave, step = divmod(degree, len(scale))
    return root + 12.0 * octave + float(scale[step])


def _add(sound: np.ndarray, at_s: float, note: np.ndarray) -> None:
    """Adds a note in place; what is beyond the end is lost."""
    begin = int(at_s * SAMPLE_RATE_HZ)
    end = min(begin + len(note), len(sound))
    sound[begin:end] += note[: max(end - begin, 0)]


def _banded(rng: np.random.Generator, count: int, bands: list[tuple[float, float]]) -> np.ndarray:
    """Noise around some frequencies, each (middle, width) in hertz."""
    hertz = np.fft.rfftfreq(count, 1.0 / SAMPLE_RATE_HZ)
    gain = sum(np.exp(-(((hertz - middle) / width) ** 2)) for middle, width in bands)
    sound = np.fft.irfft(np.fft.rfft(rng.standard_normal(count)) * gain, count)
    return sound / (sound.std() + 1e-9)


def _colored(rng: np.random.Generator, sound: np.ndarray) -> np.ndarray:
    """The same through a box with a few broad resonances."""
    hertz = np.fft.rfftfreq(len(sound), 1.0 / SAMPLE_RATE_HZ)
    gain = np.full(len(hertz), 0.3)
    for _ in range(3):
        middle, width = rng.uniform(150.0, 4_000.0), rng.uniform(200.0, 1_500.0)
        gain += rng.uniform(0.0, 1.5) * np.exp(-(((hertz - middle) / width) ** 2))
    return np.fft.irfft(np.fft.rfft(sound) * gain, len(sound))


def _leveled(sound: np.ndarray) -> np.ndarray:
    sound = sound * (RMS / (np.sqrt(np.mean(np.square(sound))) + 1e-9))
    return np.clip(sound, -1.0, 1.0).astype(np.float32)
