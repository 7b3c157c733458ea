"""Figures of series whose answer is known; each test fails for a wrong sign, place or axis."""

import numpy as np
import pytest

from flashtalk.evaluation.series import border_jump, match_lips
from lab.evaluation.measures.series import auc, head_statistics, lid_statistics, phone_rate
from lab.synthesis.voices.phones import Phone


def smooth_noise(frames: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=frames + 4)
    return np.convolve(noise, np.ones(5) / 5, "valid")


@pytest.mark.parametrize("late", [-4, 0, 3])
def test_a_late_mouth_has_a_positive_lag(late: int) -> None:
    speech = smooth_noise(220)
    expected, opening = speech[10:210], 3 * speech[10 - late : 210 - late] + 1
    found = match_lips(opening, expected)
    assert found.lag_frames == late
    assert found.best_correlation == pytest.approx(1.0)
    assert found.correlation == pytest.approx(1.0) if late == 0 else found.correlation < 0.7


def test_a_mouth_that_shuts_for_vowels_correlates_negatively() -> None:
    speech = smooth_noise(200)
    assert match_lips(-speech, speech).correlation == pytest.approx(-1.0)


def test_a_still_mouth_scores_nothing_and_silence_is_unknown() -> None:
    speech = smooth_noise(200)
    still = match_lips(np.full(200, 0.3), speech)
    assert (still.correlation, still.best_correlation, still.lag_frames) == (0.0, 0.0, 0)
    assert np.isnan(match_lips(speech, np.zeros(200)).correlation)


def test_lips_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="200 frames seen and 199 expected"):
        match_lips(np.zeros(200), np.zeros(199))


def test_a_closure_counts_at_its_own_time_only() -> None:
    opening = np.full(100, 0.2)
    opening[49] = 0.01  # the P at 2.0 s: 30 ms before its center, so in frame 49
    at_its_time, too_late = Phone("P", 1.95, 2.05), Phone("P", 2.15, 2.25)
    assert phone_rate(opening, [at_its_time], "closed") == 1.0
    assert phone_rate(opening, [too_late], "closed") == 0.0
    assert phone_rate(opening, [at_its_time, too_late], "closed") == 0.5
    assert np.isnan(phone_rate(opening, [Phone("T", 1.95, 2.05), Phone("P", 9.0, 9.1)], "closed"))


def test_a_mouth_that_is_always_shut_has_no_vowels() -> None:
    phones = [Phone("P", 0.2, 0.3), Phone("AA", 0.4, 0.6)]
    shut = np.zeros(50)
    assert (phone_rate(shut, phones, "closed"), phone_rate(shut, phones, "open")) == (1.0, 0.0)
    assert phone_rate(shut + 0.2, phones, "open") == 1.0


def test_blinks_are_counted_and_sleep_is_none() -> None:
    lids = np.full(500, 0.13)  # 20 s
    for start in (30, 200, 498):
        lids[start : start + 4] = 0.02
    found = lid_statistics(lids)
    assert found.blinks_per_min == pytest.approx(9.0)
    assert found.closed_share == pytest.approx(10 / 500)
    assert found.opening == pytest.approx(0.13)
    lids[300:400] = 0.02
    assert lid_statistics(lids).blinks_per_min == pytest.approx(9.0)


def test_head_motion_is_measured_over_time_not_over_angles() -> None:
    still = np.tile([0.5, -0.2, 0.1], (100, 1))
    assert head_statistics(still).sway == pytest.approx(0.0, abs=1e-9)
    assert head_statistics(still).speed_per_s == 0.0
    turning = still + np.outer(np.arange(100) * 0.01, [1.0, 0.0, 0.0])
    found = head_statistics(turning)
    assert found.speed_per_s == pytest.approx(0.25)
    assert found.shake == pytest.approx(0.0, abs=1e-12)
    trembling = still + 0.01 * np.array([1.0, -1.0] * 50)[:, None]
    assert head_statistics(trembling).shake == pytest.approx(0.04 * np.sqrt(3))


def test_a_jump_is_found_at_borders_wherever_the_segment_begins() -> None:
    for first_frame in (0, 5, 27, 28):
        numbers = first_frame + 1 + np.arange(99)
        differences = np.where(numbers % 28 == 0, 3.0, 1.5)
        assert border_jump(differences, first_frame, 28) == pytest.approx(2.0)
        assert border_jump(differences, first_frame + 1, 28) < 1.0
    assert np.isnan(border_jump(np.ones(10), 1, 28))
    assert np.isnan(border_jump(np.zeros(99), 0, 28))


def test_auc_is_the_chance_to_be_right() -> None:
    high, low = np.array([0.7, 0.9]), np.array([0.1, 0.2, 0.8])
    assert auc(high, low) == pytest.approx(5 / 6)
    assert auc(low, high) == pytest.approx(1 / 6)
    assert auc(low, low) == pytest.approx(0.5)
