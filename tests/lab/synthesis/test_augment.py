"""Each effect alone: that it does what it says, and that nothing moves in time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import signal

from flashtalk.errors import FlashTalkError
from lab.synthesis.voices.augment import STANDARD, Degradation, augment
from lab.synthesis.voices.lossy import LOSSY_CODECS, LossyCodec, through_codec
from lab.synthesis.voices.pitch import shift_pitch

RATE_HZ = 16_000
ODDS = tuple(name for name in vars(STANDARD) if name.endswith("_odds"))
NOTHING = replace(STANDARD, **dict.fromkeys(ODDS, 0.0), gain_db=(0.0, 0.0))
FORMANTS_HZ = (700, 1200, 2600)
SEEDS = range(6)


def alone(effect: str, **changed: object) -> Degradation:
    """`effect` always, everything else never."""
    return replace(NOTHING, **{f"{effect}_odds": 1.0} | changed)


def vowel(pitch_hz: float, seconds: float = 2.0) -> np.ndarray:
    """A held AA: pulses through three formants."""
    sound = np.zeros(round(seconds * RATE_HZ))
    sound[np.arange(0, len(sound), RATE_HZ / pitch_hz).astype(int)] = 1.0
    for hz in FORMANTS_HZ:
        radius = np.exp(-np.pi * 110 / RATE_HZ)
        turn = 2 * np.pi * hz / RATE_HZ
        sound = signal.lfilter([1], [1, -2 * radius * np.cos(turn), radius**2], sound)
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def speech() -> np.ndarray:
    """Two seconds of syllables at no regular distance, each a vowel and a hiss."""
    rng = np.random.default_rng(5)
    sound, start = np.zeros(2 * RATE_HZ), 2000
    while start < 27_000:
        length = int(rng.integers(1500, 3000))
        voiced = vowel(rng.uniform(100, 220), 0.3)[:length] * np.hanning(length)
        hiss = 0.03 * rng.standard_normal(600) * np.hanning(600)
        sound[start : start + length] += voiced
        sound[start + length : start + length + 600] += hiss
        start += length + 600 + int(rng.integers(300, 1800))
    return sound.astype(np.float32)


SPEECH = speech()


def lag(heard: np.ndarray, said: np.ndarray) -> int:
    """By how many samples `heard` is late."""
    agreement = signal.correlate(heard, said, "full", "fft")
    return int(np.argmax(agreement)) - (len(said) - 1)


def level_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    """Mean power of a band."""
    hz, power = signal.welch(samples, RATE_HZ, nperseg=1024)
    return 10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].mean() + 1e-20)


def white() -> np.ndarray:
    return np.random.default_rng(9).normal(0, 0.05, 4 * RATE_HZ).astype(np.float32)


def click() -> np.ndarray:
    sound = np.zeros(RATE_HZ, np.float32)
    sound[4000] = 0.9
    return sound


def test_without_effects_the_sound_is_what_it_was() -> None:
    np.testing.assert_allclose(
        augment(SPEECH, np.random.default_rng(0), NOTHING), SPEECH, atol=1e-5
    )
    assert all(getattr(STANDARD, name) > 0 for name in ODDS)


@pytest.mark.parametrize("effect", [name.removesuffix("_odds") for name in ODDS])
def test_an_effect_changes_the_sound_and_moves_nothing(effect: str) -> None:
    for seed in SEEDS:
        heard = augment(SPEECH, np.random.default_rng(seed), alone(effect))
        assert heard.shape == SPEECH.shape and heard.dtype == np.float32
        assert np.abs(heard).max() <= 1.0
        change = np.linalg.norm(heard - SPEECH) / np.linalg.norm(SPEECH)
        assert change > 3e-3, "the effect is missing"
        if effect == "pitch":  # its waveform is another one: see below
            continue
        assert abs(lag(heard, SPEECH)) <= (1 if effect == "lossy" else 0)


def test_everything_at_once_is_bounded_and_repeatable() -> None:
    copies = [augment(SPEECH, np.random.default_rng(seed)) for seed in range(40)]
    for seed, heard in enumerate(copies):
        assert heard.shape == SPEECH.shape and heard.dtype == np.float32
        assert np.all(np.isfinite(heard)) and np.abs(heard).max() <= 1.0
        assert not np.array_equal(heard, copies[seed - 1])
        assert np.array_equal(heard, augment(SPEECH, np.random.default_rng(seed)))
    silence = np.zeros(RATE_HZ, np.float32)
    assert np.abs(augment(silence, np.random.default_rng(1), alone("pitch"))).max() < 1e-6


def test_a_room_answers_after_the_sound_and_not_before() -> None:
    for seed in SEEDS:
        heard = augment(click(), np.random.default_rng(seed), alone("room"))
        assert heard[4000] == pytest.approx(0.9, abs=1e-3)
        assert np.abs(heard[:4000]).max() < 1e-3
        echo = np.linalg.norm(heard[4016:]) / 0.9
        assert 0.08 < echo < 0.65
        assert np.linalg.norm(heard[4016:8000]) > np.linalg.norm(heard[8000:12_000])


def test_tone_tilts_the_spectrum_on_both_sides_of_a_click_alike() -> None:
    tilted = alone("tone", tone_db_per_octave=(2.0, 2.0))
    heard = augment(white(), np.random.default_rng(0), tilted)
    rise = level_db(heard, 3500, 4500) - level_db(heard, 450, 550)
    before = level_db(white(), 3500, 4500) - level_db(white(), 450, 550)
    assert rise - before == pytest.approx(6.0, abs=0.5), "three octaves"
    symmetric = augment(click(), np.random.default_rng(0), tilted)
    np.testing.assert_allclose(symmetric[3900:4000], symmetric[4100:4000:-1], atol=1e-4)


def test_a_curve_is_uneven_and_even_in_time() -> None:
    for seed in SEEDS:
        bumpy = alone("curve", curve_db=(6.0, 6.0))
        heard = augment(white(), np.random.default_rng(seed), bumpy)
        edges = np.geomspace(100, 7500, 12)
        gains = [
            level_db(heard, low, high) - level_db(white(), low, high)
            for low, high in pairwise(edges)
        ]
        assert 3.0 < np.ptp(gains) < 26.0
        symmetric = augment(click(), np.random.default_rng(seed), bumpy)
        np.testing.assert_allclose(symmetric[3900:4000], symmetric[4100:4000:-1], atol=1e-4)


@pytest.mark.parametrize("upper_hz", STANDARD.band_hz)
def test_a_band_ends_where_the_line_does(upper_hz: float) -> None:
    heard = augment(white(), np.random.default_rng(0), alone("band", band_hz=(upper_hz,)))
    above_hz = min(upper_hz * 1.12, 7900)
    lost = level_db(heard, above_hz, 8000) - level_db(white(), above_hz, 8000)
    kept = level_db(heard, 500, upper_hz * 0.85) - level_db(white(), 500, upper_hz * 0.85)
    assert lost < -8.0 and kept == pytest.approx(0.0, abs=0.5)
    assert level_db(heard, 0, 20) - level_db(white(), 0, 20) < -20.0


@pytest.mark.parametrize("snr_db", [10.0, 25.0, 40.0])
def test_noise_is_as_loud_as_asked(snr_db: float) -> None:
    for seed in SEEDS:
        noisy = alone("noise", noise_snr_db=(snr_db, snr_db))
        noise = augment(SPEECH, np.random.default_rng(seed), noisy) - SPEECH
        loud = SPEECH[np.abs(SPEECH) > 0.02]
        found = 10 * np.log10(np.mean(loud**2) / np.mean(noise**2))
        assert found == pytest.approx(snr_db, abs=1.5)
        assert abs(np.corrcoef(noise, SPEECH)[0, 1]) < 0.1


def test_gain_is_drawn_from_its_range() -> None:
    drawn = replace(NOTHING, gain_db=STANDARD.gain_db)
    gains = [
        20
        * np.log10(np.std(augment(0.3 * SPEECH, np.random.default_rng(s), drawn)) / np.std(SPEECH))
        for s in range(40)
    ]
    gains = np.array(gains) - 20 * np.log10(0.3)
    assert gains.min() > -18.1 and gains.max() < 6.1 and np.ptp(gains) > 15


def test_mu_law_leaves_few_levels() -> None:
    for seed in SEEDS:
        heard = augment(SPEECH, np.random.default_rng(seed), alone("mu_law"))
        assert len(np.unique(heard)) <= 257
        assert np.corrcoef(heard, SPEECH)[0, 1] > 0.99


@pytest.mark.parametrize("codec", LOSSY_CODECS, ids=lambda codec: codec.encoder)
def test_a_codec_loses_detail_but_no_time(codec: LossyCodec) -> None:
    losses = []
    for rate in codec.bit_rates_bps:
        heard = through_codec(SPEECH, codec, rate)
        assert heard.shape == SPEECH.shape and heard.dtype == np.float32
        assert abs(lag(heard, SPEECH)) <= 1, "0.06 ms; Opus aligns itself no finer"
        losses.append(1 - np.corrcoef(heard, SPEECH)[0, 1])
        assert np.array_equal(heard, through_codec(SPEECH, codec, rate))
    assert 1e-4 < losses[-1] < losses[0] < 0.4, "a narrower line loses more"


def test_an_odd_length_comes_back_whole() -> None:
    for codec in LOSSY_CODECS:
        heard = through_codec(SPEECH[:20_001], codec, codec.bit_rates_bps[-1])
        assert heard.shape == (20_001,)
        assert np.corrcoef(heard[18_000:], SPEECH[18_000:20_001])[0, 1] > 0.8


def test_a_codec_that_is_not_there_is_explained() -> None:
    with pytest.raises(FlashTalkError, match=r"no codec nonesuch.*lossy_odds=0"):
        through_codec(SPEECH, LossyCodec("nonesuch", "aac", "fltp", (8000,)), 8000)


def pitch_of(sound: np.ndarray) -> float:
    """Fundamental in hertz, of 80 to 200, from the middle of a held vowel."""
    middle = sound[8000:24_000]
    own = signal.correlate(middle, middle, "full", "fft")[len(middle) - 1 :]
    return RATE_HZ / (80 + int(np.argmax(own[80:200])))


def formants_of(sound: np.ndarray) -> np.ndarray:
    """Peaks of the envelope in hertz, by linear prediction."""
    middle = sound[8000:24_000] * np.hanning(16_000)
    own = signal.correlate(middle, middle, "full", "fft")[len(middle) - 1 :][:13]
    table = own[np.abs(np.subtract.outer(np.arange(12), np.arange(12)))]
    roots = np.roots(np.r_[1, -np.linalg.solve(table + 1e-6 * own[0] * np.eye(12), own[1:])])
    roots = roots[(roots.imag > 0) & (np.abs(roots) > 0.9)]
    return np.sort(np.angle(roots)) * RATE_HZ / (2 * np.pi)


@pytest.mark.parametrize("semitones", [-2.0, 1.0, 2.0])
def test_pitch_moves_and_formants_stay(semitones: float) -> None:
    said = vowel(120.0)
    heard = shift_pitch(said, semitones)
    assert pitch_of(said) == pytest.approx(120.0, rel=0.01)
    assert pitch_of(heard) == pytest.approx(120.0 * 2 ** (semitones / 12), rel=0.015)
    np.testing.assert_allclose(formants_of(heard)[:3], FORMANTS_HZ, rtol=0.05)
    assert np.std(heard) == pytest.approx(np.std(said), rel=0.01)


@pytest.mark.parametrize("semitones", [-2.0, -0.5, 0.5, 2.0])
def test_another_pitch_keeps_the_timing(semitones: float) -> None:
    loudness = signal.windows.hann(320)
    said, heard = (
        signal.fftconvolve(sound**2, loudness, "same")
        for sound in (SPEECH, shift_pitch(SPEECH, semitones))
    )
    assert abs(lag(heard - heard.mean(), said - said.mean())) <= 0.002 * RATE_HZ
    assert np.corrcoef(heard, said)[0, 1] > 0.97


def test_pitch_is_drawn_on_both_sides() -> None:
    said = vowel(120.0)
    pitches = [pitch_of(augment(said, np.random.default_rng(s), alone("pitch"))) for s in range(12)]
    assert 105 < min(pitches) < 115 < 125 < max(pitches) < 136


def test_odds_above_one_are_named() -> None:
    with pytest.raises(ValueError, match="lossy_odds is 2"):
        Degradation(lossy_odds=2)
