"""When eyes close: rarely, fully, and the same whoever asks."""

from itertools import pairwise

import numpy as np
import pytest

from flashtalk.config import TINY
from flashtalk.models.tiny.blinks import CLOSURES, chunk_closures, closures

FPS = 25


def begins(closed: np.ndarray) -> np.ndarray:
    """Frames at which an eye begins to close."""
    return np.flatnonzero((closed[1:] > 0) & (closed[:-1] == 0)) + 1


def test_people_blink_as_often_as_people_do() -> None:
    minutes = 20
    closed = closures(7, 0, minutes * 60 * FPS, FPS)
    first = begins(closed)
    assert 17 <= len(first) / minutes <= 26
    pauses_s = np.diff(first) / FPS
    assert pauses_s.min() > 0.5
    assert pauses_s.std() > 0.5  # not like a clock
    assert all(closed[at : at + len(CLOSURES[1])].max() == 1.0 for at in first[:-1])
    assert (closed > 0.5).mean() < 0.1


def test_any_segment_is_found_without_what_came_before() -> None:
    whole = closures(3, 0, 3000, FPS)
    for start in (0, 1, 79, 80, 81, 1234, 2900):
        assert np.array_equal(closures(3, start, 100, FPS), whole[start : start + 100])


def test_a_session_begins_with_open_eyes() -> None:
    for seed in range(50):
        assert not closures(seed, -5, 5, FPS).any()


def test_chunks_overlap_in_their_motion_frames() -> None:
    rows = [chunk_closures(5, chunk, 2, TINY.geometry) for chunk in range(40)]
    assert rows[0].shape == (2, 33)
    for before, after in pairwise(rows):
        assert (before[:, 28:] == after[:, :5]).all()
    shown = np.concatenate([row[:, 5:] for row in rows], axis=1)
    assert np.array_equal(shown[0], closures(5, 0, 40 * 28, FPS))
    assert not np.array_equal(shown[0], shown[1])


@pytest.mark.parametrize("seed", [0, 2**31])
def test_seeds_blink_at_other_times(seed: int) -> None:
    assert not np.array_equal(closures(seed, 0, 500, FPS), closures(seed + 1, 0, 500, FPS))
