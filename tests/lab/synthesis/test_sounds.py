"""Songs, stretched speech, and sounds without a voice."""

from __future__ import annotations

import numpy as np
import pytest

from lab.synthesis.voices.other_sounds import OTHER_SOUNDS
from lab.synthesis.voices.song import (
    FORMANTS_HZ,
    MURMUR_FRAMES,
    PAUSE_FRAMES,
    SUNG_PHONES,
    melody,
    song,
)
from lab.synthesis.voices.stretch import stretch

RATE_HZ = 16_000


@pytest.mark.parametrize("kind", OTHER_SOUNDS)
def test_other_sounds_follow_from_their_numbers_alone(kind: str) -> None:
    make = OTHER_SOUNDS[kind]
    first, again, other = (make(np.random.default_rng(seed), 2 * RATE_HZ) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.dtype == np.float32 and first.shape == (2 * RATE_HZ,)
    assert 0.0 < np.abs(first).max() <= 1.0


def strongest_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 4 * len(samples)))
    return float(np.argmax(spectrum) * RATE_HZ / (4 * len(samples)))


def test_a_stretched_sound_lasts_and_keeps_its_pitch() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    low, high = np.sin(2 * np.pi * 150 * time_s), np.sin(2 * np.pi * 400 * time_s)
    sound = np.concatenate((low, high)).astype(np.float32)
    source = np.concatenate((np.linspace(0, RATE_HZ, 3 * RATE_HZ), np.arange(RATE_HZ, 2 * RATE_HZ)))
    long = stretch(sound, source)
    assert len(long) == 4 * RATE_HZ
    for second, hertz in ((0, 150), (1, 150), (2, 150), (3, 400)):
        part = long[second * RATE_HZ + 2_000 : (second + 1) * RATE_HZ - 2_000]
        assert strongest_hz(part) == pytest.approx(hertz, abs=4)
        assert part.std() == pytest.approx(low.std(), rel=0.1)


def test_speech_that_is_not_stretched_stays_as_it_is() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)
    same = stretch(noise, np.arange(RATE_HZ))
    assert np.abs(same - noise)[400:-400].max() < 1e-4


def test_a_song_hums_before_each_vowel() -> None:
    sung = song("ao", 130.0, 40).reshape(-1, 640)
    assert len(sung) == 2 * (PAUSE_FRAMES + MURMUR_FRAMES + 40)
    assert not sung[: PAUSE_FRAMES - 1].any()
    for begin in (PAUSE_FRAMES, PAUSE_FRAMES + MURMUR_FRAMES + 40):
        murmur = sung[begin + 1 : begin + MURMUR_FRAMES - 1].std()
        assert murmur < 0.5 * sung[begin + MURMUR_FRAMES + 5 :][:20].std()
    assert set("aoeuim") == set(FORMANTS_HZ)


@pytest.mark.parametrize("seed", range(4))
def test_a_melody_is_m_and_a_vowel_in_turns(seed: int) -> None:
    samples, phones = melody(np.random.default_rng(seed), 83)
    assert len(samples) >= 83 * 640 and np.abs(samples).max() <= 1.0
    assert [phone.name for phone in phones[::2]] == ["P"] * (len(phones) // 2)
    assert {phone.name for phone in phones[1::2]} <= set(SUNG_PHONES.values())
    for murmur, vowel in zip(phones[::2], phones[1::2], strict=True):
        first, between, last = (
            round(second * RATE_HZ) for second in (murmur.start_s, vowel.start_s, vowel.end_s)
        )
        assert samples[first:between].std() < samples[between:last].std()
