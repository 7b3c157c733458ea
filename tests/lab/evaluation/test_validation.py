"""Errors of a reader whose errors are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flashtalk.evaluation.face_track import FaceTrack
from flashtalk.models.tiny.face_code import LANDMARKS
from lab.evaluation.measures.calibration import UNCALIBRATED, Calibration, for_calibration
from lab.evaluation.studies.validate import (
    Reading,
    border_figures,
    identity_figures,
    reader_figures,
    sharpness_figures,
    talk_figures,
)
from lab.evaluation.talks import clip_names, load_clip

UNSEEN = (np.zeros(0),) * 3  # neither change from frame to frame nor sharpness is looked at


@pytest.fixture(scope="module")
def perfect(clips_folder: Path) -> list[Reading]:
    readings = []
    for name in clip_names(clips_folder)[:2]:
        clip = load_clip(clips_folder, name)
        face = np.repeat(np.repeat(clip.portrait, 2, axis=0), 2, axis=1)[:96, :96]
        readings.append(Reading(clip, clip.track, np.stack((face, face)), face, {}, *UNSEEN))
    return readings


def test_a_perfect_reader_makes_no_error(perfect: list[Reading]) -> None:
    found = reader_figures(perfect, UNCALIBRATED)
    assert found["points_px"] == found["gap_error"] == found["blinks_per_clip_error"] == 0.0
    assert found["gap_correlation_worst"] == pytest.approx(1.0)
    assert (found["closed_true"], found["closed_read"]) == (1.0, 1.0)


def test_errors_are_in_pixels_of_256_and_of_the_right_points(perfect: list[Reading]) -> None:
    def with_points(reading: Reading, points: np.ndarray) -> Reading:
        return replace(reading, track=FaceTrack(points))

    away = np.array([0.03, 0.04])
    moved = reader_figures([with_points(r, r.track.points + away) for r in perfect], UNCALIBRATED)
    assert moved["points_px"] == pytest.approx(0.05 * 128)
    chin = np.zeros((len(LANDMARKS), 2))
    chin[LANDMARKS.index("chin")] = 0.5
    found = reader_figures([with_points(r, r.track.points + chin) for r in perfect], UNCALIBRATED)
    assert found["points_px"] > 0.0 == found["mouth_points_px"]
    late = [with_points(r, np.roll(r.track.points, 2, axis=0)) for r in perfect]
    assert reader_figures(late, UNCALIBRATED)["gap_lag_frames_worst"] == 2


def test_calibration_enters_the_error(perfect: list[Reading]) -> None:
    found = reader_figures(perfect, Calibration(gap_offset=0.01))
    assert found["gap_bias"] == pytest.approx(0.01)


def test_what_true_clips_score_is_said_with_its_spread(perfect: list[Reading]) -> None:
    speaks = next(reading for reading in perfect if reading.clip.phones)
    clips = [replace(speaks, figures={"border_jump": value}) for value in (0.8, 1.0, 1.1, np.nan)]
    assert talk_figures(clips) == {"border_jump": 1.0}
    assert talk_figures(clips, 100.0) == {"border_jump": 1.1}


def test_borders_in_clips_without_any_are_chance(perfect: list[Reading]) -> None:
    """What happens every so many frames is a jump wherever a border falls on it, and only there."""
    found = border_figures([replace(perfect[0], differences=np.ones(28 * 8))])
    assert found == {"deviation": 0.0, "10 % below": 1.0, "90 % below": 1.0}
    regular = np.ones(28 * 8)
    regular[27::28] = 3.0
    found = border_figures([replace(perfect[0], differences=regular)])
    assert found["deviation"] > 0.3  # one place of 28 has all of the jump
    assert found["90 % below"] < 1.0


def test_own_portraits_are_told_from_others(perfect: list[Reading]) -> None:
    found = identity_figures(perfect)
    assert found["own_median"] == pytest.approx(1.0, abs=1e-5)
    assert found["auc"] == 1.0
    swapped = [
        replace(one, portrait_face=other.portrait_face)
        for one, other in zip(perfect, perfect[::-1], strict=True)
    ]
    assert identity_figures(swapped)["auc"] == 0.0


def test_calibration_and_validation_share_no_clip() -> None:
    assert for_calibration(range(10)) == [0, 3, 6, 9]
    assert len(for_calibration(range(100))) == 8


def test_sharpness_is_said_with_what_it_does_by_itself(perfect: list[Reading]) -> None:
    """The first measure falls by a tenth within a clip, the second by half; blur leaves a fifth."""
    measured = np.array([[1.0] * 24 + [0.9] * 24, [4.0] * 24 + [2.0] * 24])
    some = np.array([[1.0, 1.0, 0.9, 0.9], [4.0, 4.0, 2.0, 2.0]])
    reading = replace(perfect[0], sharpness=measured, blurred=some / 5)
    steady = replace(reading, sharpness=np.ones((2, 48)), blurred=np.ones((2, 4)) / 5)
    found = sharpness_figures([reading, steady, steady])
    assert found["sharpness_changes_most"] == pytest.approx(0.1)
    assert found["edge_energy_changes_most"] == pytest.approx(0.5)
    assert found["sharpness_changes"] == found["edge_energy_changes"] == 0.0
    assert found["sharpness_left_by_blur"] == pytest.approx(0.2)
    assert found["edge_energy_left_by_blur"] == pytest.approx(0.2)
