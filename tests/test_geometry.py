"""Chunk arithmetic: the published numbers, and combinations that cannot work."""

from dataclasses import replace

import pytest

from flashtalk.config import FOURTEEN_B, TINY
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry, exact_div

LARGE = FOURTEEN_B.geometry


def test_the_published_chunk() -> None:
    assert LARGE.chunk_frames == 33
    assert LARGE.chunk_latents == 9
    assert LARGE.motion_frames == 5
    assert LARGE.num_motion == 2
    assert LARGE.new_frames == 28
    assert LARGE.new_samples == 17_920
    assert LARGE.new_s == pytest.approx(1.12)
    assert LARGE.samples_per_frame == 640
    assert LARGE.speech_window_samples == 128_000
    assert LARGE.lookahead_samples == 0  # as published


def test_the_published_tokens() -> None:
    assert (LARGE.latent_height, LARGE.latent_width) == (96, 56)
    assert LARGE.token_grid == (9, 48, 28)
    assert LARGE.tokens_per_latent == 1_344
    assert LARGE.tokens == 12_096


def test_the_embedded_model_has_the_same_chunk() -> None:
    small = TINY.geometry
    assert (small.chunk_latents, small.num_motion, small.new_samples) == (9, 2, 17_920)
    assert small.token_grid == (9, 4, 4)


def test_chunks_of_live_speech_are_short_where_training_has_shown_them() -> None:
    live = TINY.for_live_speech().geometry
    assert (live.chunk_frames, live.new_frames, live.new_s) == (17, 12, 0.48)
    assert live.lookahead_frames == 3, "whoever speaks waits for them"
    assert FOURTEEN_B.for_live_speech() == FOURTEEN_B
    assert TINY.with_chunk(None) == TINY.with_chunk(33) == TINY
    with pytest.raises(FlashTalkError, match="trained on chunks of 17 or 33 frames, got 21"):
        TINY.with_chunk(21)
    with pytest.raises(FlashTalkError, match="trained on chunks of 33 frames, got 17"):
        FOURTEEN_B.with_chunk(17)


@pytest.mark.parametrize("latents", range(1, 20))
def test_each_latent_but_the_first_has_four_frames(latents: int) -> None:
    assert LARGE.latents_of(1 + 4 * (latents - 1)) == latents


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(0, 0), (1, 1), (640, 1), (641, 2), (17_920, 28), (17_921, 29)],
)
def test_recordings_are_covered(samples: int, frames: int) -> None:
    assert LARGE.frames_for(samples) == frames


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"chunk_frames": 32}, "chunk_frames - 1: 31"),
        ({"motion_frames": 4}, "motion_frames - 1: 3"),
        ({"motion_frames": 33}, "motion_frames"),
        ({"motion_frames": 0}, "motion_frames must be at least 1, got 0"),
        ({"height_px": 760}, "height_px: 760"),
        ({"width_px": 450}, "width_px: 450"),
        ({"fps": 30}, "sample_rate_hz per frame: 16000"),
        ({"speech_window_frames": 32}, "speech_window_frames"),
        ({"speech_window_frames": 37, "lookahead_frames": 5}, "and what is heard ahead"),
        ({"lookahead_frames": -1}, "lookahead_frames must be 0 or more, got -1"),
        ({"patch": (2, 2, 2)}, "patch must cover one latent frame"),
    ],
)
def test_wrong_combinations_say_what_is_wrong(change: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named.replace("(", r"\(")):
        replace(LARGE, **change)


def test_frames_that_are_no_latents_are_refused() -> None:
    with pytest.raises(ValueError, match="frames - 1: 5"):
        LARGE.latents_of(6)


def test_exact_division() -> None:
    assert exact_div(12, 4, "size") == 3
    with pytest.raises(ValueError, match="size: 13 is not a whole multiple of 4"):
        exact_div(13, 4, "size")


def test_geometry_is_plain_data() -> None:
    assert ChunkGeometry(768, 448, 8) == LARGE
