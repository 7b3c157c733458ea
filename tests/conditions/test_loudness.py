"""Loudness of the speech window."""

import numpy as np
import pyloudnorm
import pytest

from flashtalk.conditions.loudness import LoudnessNormalizer

RATE_HZ = 16_000


def voice(seconds: float, gain: float = 0.1) -> np.ndarray:
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    swing = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * time_s)
    return (gain * swing * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)


@pytest.mark.parametrize("gain", [0.001, 0.03, 0.9])
@pytest.mark.parametrize("target", [-23.0, -28.0])
def test_any_voice_comes_to_the_target(gain: float, target: float) -> None:
    samples = voice(8.0, gain)
    before = samples.copy()
    normalized = LoudnessNormalizer(target, RATE_HZ)(samples)
    meter = pyloudnorm.Meter(RATE_HZ)
    assert meter.integrated_loudness(normalized.astype(float)) == pytest.approx(target, abs=0.01)
    assert normalized.dtype == np.float32
    assert np.array_equal(samples, before)  # the session still has to hand it back


def test_same_as_the_published_normalization() -> None:
    samples = np.concatenate((np.zeros(5 * RATE_HZ, np.float32), voice(3.0)))
    loudness = pyloudnorm.Meter(RATE_HZ).integrated_loudness(samples)
    expected = pyloudnorm.normalize.loudness(samples, loudness, -23.0)
    got = LoudnessNormalizer(-23.0, RATE_HZ)(samples)
    assert np.allclose(got, expected, rtol=1e-4)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(128_000, np.float32), np.full(128_000, 1e-6, np.float32), voice(0.3), voice(0.0)],
    ids=["silence", "almost silence", "too short to measure", "nothing"],
)
def test_what_cannot_be_measured_stays(samples: np.ndarray) -> None:
    assert np.array_equal(LoudnessNormalizer(-23.0, RATE_HZ)(samples), samples)
