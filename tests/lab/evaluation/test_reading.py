"""From points to lips, lids and pose; and the reader is fed what it was trained on."""

import numpy as np
import pytest
import torch
from drawn_clips import PLACES, face_points, textured

from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.face_track import MOUTH_NUMBERS, FaceTrack
from flashtalk.models.tiny.face_code import LANDMARKS
from flashtalk.models.tiny.landmarks import FaceReader
from lab.evaluation.measures.calibration import Calibration, fit
from lab.evaluation.measures.reading import load_reader, read_faces, track_of
from lab.evaluation.measures.series import lid_statistics


def test_opening_and_lids_are_in_units_of_the_eyes_distance() -> None:
    rest = FaceTrack(face_points())
    assert rest.eyes_distance == pytest.approx([0.4])
    assert rest.opening == pytest.approx([0.0])
    assert rest.lids == pytest.approx([0.15])
    spoken = FaceTrack(face_points(inner_lower_lip=(0.0, 0.38)))
    assert spoken.opening == pytest.approx([0.2])
    assert FaceTrack(spoken.points * 0.5).opening == pytest.approx([0.2])
    blink = face_points(left_eye_upper=(0.2, -0.07), right_eye_upper=(-0.2, -0.07))
    assert FaceTrack(blink).lids == pytest.approx([0.0])


def test_the_head_turns_the_way_the_renderer_says() -> None:
    rest = FaceTrack(face_points()).turns[0]
    x, y = PLACES["nose_tip"]
    turned = FaceTrack(face_points(nose_tip=(x + 0.1, y + 0.04))).turns[0] - rest
    assert turned == pytest.approx([1.55 * 0.25, 1.25 * 0.1, 0.0])
    angle = 0.2  # counter-clockwise as seen; y counts downwards
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    tilted = FaceTrack(face_points() @ matrix.T).turns[0] - rest
    assert tilted == pytest.approx([0.0, 0.0, angle], abs=1e-9)


def test_the_mouth_numbers_say_what_they_are_named() -> None:
    rest = FaceTrack(face_points()).mouth[0]
    assert dict(zip(MOUTH_NUMBERS, rest, strict=True)) == pytest.approx(
        {"gap": 0.0, "width": 0.75, "height": 0.2, "chin": 1.05, "corner": 0.0}
    )


def test_landmarks_are_found_by_name() -> None:
    names = ("head_top", *reversed(PLACES))
    shuffled = np.array([[(9.0, 9.0), *(PLACES[name] for name in reversed(PLACES))]])
    assert track_of(shuffled, names).opening == pytest.approx([0.0])
    with pytest.raises(ValueError, match=r"must be \[F, 18, 2\]"):
        FaceTrack(shuffled)


def test_frames_reach_the_reader_as_in_its_training() -> None:
    torch.manual_seed(0)
    reader = FaceReader(8).eval()
    frames = np.stack([textured(seed) for seed in range(34)])  # more than a batch
    track = read_faces(reader, frames)
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        expected = reader(pictures).points.numpy()
    assert track.points == pytest.approx(expected, abs=1e-5)


def test_a_missing_reader_is_a_sentence(tmp_path) -> None:
    with pytest.raises(FlashTalkError, match="no face reader in"):
        load_reader(tmp_path / "nowhere")


def test_calibration_undoes_what_the_reader_does_to_lips_and_lids() -> None:
    frames = 100
    true = face_points(frames)
    lower, upper = (LANDMARKS.index(f"inner_{side}_lip") for side in ("lower", "upper"))
    true[:, lower, 1] += 0.05 * (1 + np.sin(np.arange(frames) / 3))
    lids = [LANDMARKS.index(f"{side}_eye_upper") for side in ("left", "right")]
    true[40:44, lids, 1] = -0.072  # a blink
    read = true.copy()
    read[:, lower, 1] = true[:, upper, 1] + 0.5 * (true[:, lower, 1] - true[:, upper, 1]) + 0.01
    read[40:44, lids, 1] = -0.122  # seen at 87 % of the usual opening
    found = fit([FaceTrack(read)], [FaceTrack(true)])
    assert (found.gap_slope, found.gap_offset) == pytest.approx((2.0, -0.05))
    assert found.opening(FaceTrack(read)) == pytest.approx(FaceTrack(true).opening)
    assert 0.87 < found.blink_share < 1.0
    assert lid_statistics(FaceTrack(read).lids, found.blink_share).closed_share == 0.04
    with pytest.raises(ValueError, match="slope must be above 0"):
        Calibration(gap_slope=-1.0)
