"""Figures of talks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.config import TINY
from flashtalk.evaluation.face_follower import FaceFollower
from flashtalk.evaluation.face_track import FaceTrack
from flashtalk.evaluation.figures import TalkMeasure, loudness_db
from flashtalk.stream.piece import VideoPiece

SAMPLES_PER_FRAME = TINY.geometry.samples_per_frame


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    with Image.open(ASSETS / "portraits" / "ada.jpg") as picture:
        return np.asarray(picture.convert("RGB").resize((256, 256)))


def shifted(picture: np.ndarray, x_px: int) -> np.ndarray:
    return np.roll(picture, x_px, axis=1)


def measured(frames: np.ndarray, portrait: np.ndarray, samples: np.ndarray, pieces: int = 2):
    measure = TalkMeasure(portrait, TINY.geometry)
    begin = 0
    for index, part in enumerate(np.array_split(frames, pieces)):
        measure.add(VideoPiece(index=index, frames=part, samples=samples[:0], start_s=begin / 25))
        begin += len(part)
    loudness = loudness_db(samples, TINY.geometry.samples_per_frame)
    return measure.figures(loudness, real_time=2.0, first_fragment_s=0.3)


def test_a_face_is_followed_where_it_goes(portrait: np.ndarray) -> None:
    frames = [shifted(portrait, x_px) for x_px in (0, 6, 12, 4)]
    points = FaceFollower().read(frames)
    moved_px = (points - points[0]).mean(axis=1)[:, 0] * 128
    assert moved_px == pytest.approx([0, 6, 12, 4], abs=1.0)


def test_where_no_face_is_there_are_no_points_and_it_is_found_again(portrait: np.ndarray) -> None:
    points = FaceFollower().read([portrait, np.full_like(portrait, 128), portrait])
    assert np.isnan(points[1]).all()
    assert points[2] == pytest.approx(points[0], abs=0.02)


def test_a_still_portrait_is_like_itself_and_moves_no_lip(portrait: np.ndarray) -> None:
    samples = np.random.default_rng(0).normal(0.0, 0.1, 30 * SAMPLES_PER_FRAME)
    found = measured(np.repeat(portrait[None], 30, axis=0), portrait, samples)
    assert found.likeness == pytest.approx(1.0, abs=0.01)
    assert found.sharpness == pytest.approx(1.0, abs=0.02)
    assert found.lip_range == pytest.approx(0.0, abs=0.01)
    assert (found.faces_seen, found.seconds) == (1.0, 1.2)
    assert found.color_drift == pytest.approx(0.0, abs=0.1)


def test_blur_lowers_sharpness_and_another_color_is_a_drift(portrait: np.ndarray) -> None:
    small = Image.fromarray(portrait).resize((64, 64)).resize((256, 256))
    soft = np.asarray(small)
    red = np.clip(soft.astype(np.int16) + np.array([40, 0, 0]), 0, 255).astype(np.uint8)
    frames = np.concatenate((np.repeat(soft[None], 25, 0), np.repeat(red[None], 25, 0)))
    samples = np.random.default_rng(0).normal(0.0, 0.1, 50 * SAMPLES_PER_FRAME)
    found = measured(frames, portrait, samples)
    assert found.sharpness < 0.7
    assert found.color_drift > 5.0


def test_a_picture_that_jumps_at_borders_says_so(portrait: np.ndarray) -> None:
    new = TINY.geometry.new_frames
    steps = np.cumsum([4 if frame % new == 0 and frame else 1 for frame in range(3 * new)])
    frames = np.stack([shifted(portrait, int(step)) for step in steps])
    found = measured(frames, portrait, np.zeros(len(frames) * SAMPLES_PER_FRAME))
    assert found.border_jump > 1.5


def test_without_a_face_only_what_needs_none_is_known(portrait: np.ndarray) -> None:
    gray = np.full_like(portrait, 128)
    samples = np.zeros(30 * SAMPLES_PER_FRAME)
    found = measured(np.repeat(gray[None], 30, axis=0), gray, samples)
    assert found.faces_seen == 0.0
    assert np.isnan([found.lip_range, found.likeness, found.sharpness, found.lip_sound]).all()


def test_loudness_is_over_full_scale_frame_by_frame() -> None:
    samples = np.concatenate((np.ones(640), np.full(640, 0.1), np.zeros(10)))
    assert loudness_db(samples, 640) == pytest.approx([0.0, -20.0, -100.0], abs=1e-6)


def test_the_judge_reads_an_opening_mouth_as_open(portrait: np.ndarray) -> None:
    track = FaceTrack(FaceFollower().read([portrait]))
    opened = portrait.copy()
    x, y = ((track.at("inner_lower_lip")[0] + 1) * 128).astype(int)
    opened[y - 4 : y + 10, x - 16 : x + 16] = 20  # a dark hole between the lips
    assert FaceTrack(FaceFollower().read([opened])).opening[0] > track.opening[0] + 0.03
