"""Speech that is still being spoken: numbered, bounded in memory, and heard without a seam."""

from __future__ import annotations

import numpy as np
import pytest

from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.inputs.live_speech import MOST_AHEAD_S, LiveSpeech

SECOND = SPEECH_RATE_HZ


def noise(seconds: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, seconds * SECOND).astype(np.float32)


def test_long_speech_stays_in_a_second_of_memory() -> None:
    speech, given = LiveSpeech(), noise(1)
    for second in range(600):
        assert speech.append(second * SECOND, given) == (second + 1) * SECOND
        assert np.array_equal(speech.take(0.0), given)
        assert speech.sound(second * SECOND, SECOND).shape == (1, 3 * SECOND)
        assert len(speech._kept) <= 2 * SECOND
    assert speech.sample_count == 600 * SECOND
    assert not speech.ended


def test_parts_join_without_a_seam() -> None:
    given, whole, pieces = noise(3), LiveSpeech(), LiveSpeech()
    whole.append(0, given)
    heard = []
    for start in range(0, len(given), 640):
        pieces.append(start, given[start : start + 800])  # a few samples that come again
        pieces.take(0.0)
        if start >= 640:
            heard.append(pieces.sound(start - 640, 640))
    joined = np.concatenate(heard, axis=1)
    assert np.allclose(joined, whole.sound(0, len(given))[:, : joined.shape[1]], atol=1e-6)
    with pytest.raises(ValueError, match="forgotten"):
        pieces.sound(0, 640)


def test_a_sender_far_ahead_of_the_pictures_is_held_back() -> None:
    speech, given = LiveSpeech(), noise(1)
    most = round(MOST_AHEAD_S) * SECOND
    for second in range(200):
        speech.append(second * SECOND, given)
    assert speech.sample_count == most
    speech.take(0.0)
    speech.sound(0, 5 * SECOND)
    assert speech.append(most, noise(10)) == most + 5 * SECOND, "as much as has its pictures"


def test_the_limit_is_held_to_the_sample() -> None:
    speech = LiveSpeech(limit_s=1.5)
    assert speech.append(0, noise(1)) == SECOND
    assert not speech.ended
    assert speech.append(SECOND, noise(1)) == 1.5 * SECOND
    assert speech.full and speech.ended
    assert speech.append(speech.sample_count, noise(1)) == 1.5 * SECOND
