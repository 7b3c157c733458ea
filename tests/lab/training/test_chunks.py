"""Buckets: what they refuse, how often each comes, and what a session would hear of a clip."""

import numpy as np
import pytest

from flashtalk.config import FOURTEEN_B, TINY
from flashtalk.errors import FlashTalkError
from lab.training.data.chunks import (
    SHORT_CHUNK_FRAMES,
    SHORT_CHUNKS,
    Bucket,
    buckets_of,
    draw_bucket,
    speech_of,
)


def test_the_embedded_models_buckets_differ_in_length_only() -> None:
    buckets = buckets_of(TINY)
    assert {(each.height_px, each.width_px) for each in buckets} == {(256, 256)}
    assert [each.frames for each in buckets] == [33, SHORT_CHUNK_FRAMES]


def test_the_14bs_buckets_have_every_length_in_every_aspect() -> None:
    buckets = buckets_of(FOURTEEN_B)
    assert {(each.height_px, each.width_px) for each in buckets} == set(FOURTEEN_B.sizes)
    assert len(set(buckets)) == len(buckets) == 2 * len(FOURTEEN_B.sizes)
    fitted = Bucket(17, 448, 768).fitted(FOURTEEN_B).geometry
    assert fitted.token_grid == (5, 28, 48)
    assert fitted.motion_frames == FOURTEEN_B.geometry.motion_frames


def test_buckets_come_as_often_as_their_odds_say() -> None:
    rng = np.random.default_rng(0)
    buckets = buckets_of(FOURTEEN_B, [(768, 448), (448, 768)])
    drawn = [draw_bucket(buckets, rng) for _ in range(4000)]
    short = np.mean([each.frames == SHORT_CHUNK_FRAMES for each in drawn])
    wide = np.mean([each.width_px == 768 for each in drawn])
    assert abs(short - SHORT_CHUNKS) < 0.02 and abs(wide - 0.5) < 0.03
    once_in_four = (Bucket(17, 64, 64, odds=3.0), Bucket(33, 64, 64))
    long = np.mean([draw_bucket(once_in_four, rng).frames == 33 for _ in range(4000)])
    assert abs(long - 0.25) < 0.03


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0, 64, 64), "frames must be at least 1"),
        ((33, 64, -16), "width_px must be at least 1"),
        ((33, 64, 64, 0.0), "odds must be above 0"),
    ],
)
def test_impossible_buckets_are_refused(values: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Bucket(*values)


def test_buckets_have_to_fit_the_models_strides() -> None:
    with pytest.raises(FlashTalkError, match="multiples of 16 pixels"):
        buckets_of(FOURTEEN_B, [(770, 448)])
    with pytest.raises(FlashTalkError, match=r"256 x 256 pixels .* only"):
        buckets_of(TINY, [(256, 128)])
    with pytest.raises(ValueError, match="chunk_frames - 1"):
        Bucket(18, 768, 448).fitted(FOURTEEN_B)


def test_speech_ends_with_what_is_heard_ahead_of_the_chunk() -> None:
    samples = np.random.default_rng(0).standard_normal(60 * 640).astype(np.float32)
    geometry = TINY.geometry
    heard = speech_of(samples, start=4, geometry=geometry)
    end = (4 + geometry.chunk_frames + geometry.lookahead_frames) * 640
    assert len(heard) == geometry.speech_window_samples
    np.testing.assert_array_equal(heard[-end:], samples[:end])
    assert not heard[:-end].any()
