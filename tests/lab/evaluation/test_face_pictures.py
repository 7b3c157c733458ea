"""Likeness, sharpness, color and change of pictures that were altered in a known way."""

import cv2
import numpy as np
import pytest
from drawn_clips import face_points, textured

from flashtalk.evaluation.pictures import (
    SIDE,
    align,
    color_difference,
    color_drift,
    frame_differences,
    likeness,
    mean_colors,
    sharpness,
    similarity,
)
from flashtalk.models.tiny.face_code import LANDMARKS

POINTS = face_points()


def test_similarity_finds_turn_scale_and_shift() -> None:
    matrix = np.array([[0.8, -0.6, 3.0], [0.6, 0.8, -2.0]]) * [[2, 2, 1], [2, 2, 1]]
    source = np.random.default_rng(0).normal(size=(7, 2))
    target = source @ matrix[:, :2].T + matrix[:, 2]
    assert similarity(source, target) == pytest.approx(matrix)


def test_a_face_is_aligned_wherever_it_is() -> None:
    picture = cv2.GaussianBlur(textured(0, 256), (0, 0), 4)
    turn = np.array([[0.9, -0.15, 20.0], [0.15, 0.9, -5.0]])
    moved = cv2.warpAffine(picture, turn, (256, 256), borderMode=cv2.BORDER_REPLICATE)
    pixels = (POINTS[0] + 1) * 128 - 0.5
    points = (pixels @ turn[:, :2].T + turn[:, 2] + 0.5) / 128 - 1
    straight, found = align(picture[None], POINTS)[0], align(moved[None], points[None])[0]
    assert straight.shape == (SIDE, SIDE, 3)
    assert np.abs(straight.astype(float) - found).mean() < 2.0
    assert np.abs(straight.astype(float) - align(moved[None], POINTS)[0]).mean() > 8.0


def test_eyes_lie_where_the_template_has_them() -> None:
    picture = np.zeros((256, 256, 3), np.uint8)
    for name in ("left_eye_inner", "left_eye_outer"):
        x, y = (POINTS[0, LANDMARKS.index(name)] + 1) * 128
        cv2.circle(picture, (int(x), int(y)), 4, (255, 255, 255), -1)
    rows, columns = np.nonzero(align(picture[None], POINTS)[0, :, :, 0] > 100)
    assert abs(rows.mean() - 0.32 * SIDE) < 3  # y, not x
    assert abs(columns.mean() - (0.5 + 0.21) * SIDE) < 3


def test_likeness_survives_light_and_not_another_face() -> None:
    face, other = textured(1, SIDE), textured(2, SIDE)
    dimmed = (face * 0.6 + 20).astype(np.uint8)
    melted = cv2.GaussianBlur(face, (0, 0), 8)
    same, dark, soft, stranger = likeness(np.stack((face, dimmed, melted, other)), face)
    assert same == pytest.approx(1.0, abs=1e-5)
    assert dark > 0.95
    assert dark > soft > stranger
    assert stranger < 0.5


def test_likeness_does_not_look_at_the_lips() -> None:
    face = textured(1, SIDE)
    open_mouth, shut_eyes = face.copy(), face.copy()
    open_mouth[70:] = 0
    shut_eyes[20:40] = 0
    talking, blinded = likeness(np.stack((open_mouth, shut_eyes)), face)
    assert talking > 0.9 > blinded


def test_blur_is_less_sharp_and_only_the_face_counts() -> None:
    picture = textured(3, 256)
    noise = np.random.default_rng(0).integers(-30, 30, picture.shape)
    rough = (picture.astype(int) + noise).clip(0, 255).astype(np.uint8)
    blurred = cv2.GaussianBlur(rough, (0, 0), 2)
    around = rough.copy()
    around[:40] = 0  # above the brows
    for found in sharpness(np.stack((rough, blurred, around)), np.repeat(POINTS, 3, axis=0)):
        assert found[1] < 0.2 * found[0]
        assert found[2] == pytest.approx(found[0])


def test_sharpness_does_not_follow_contrast_as_energy_does() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    pale = picture // 2 + 60
    sharp, energy = sharpness(np.stack((picture, pale)), np.repeat(POINTS, 2, axis=0))
    assert sharp[1] == pytest.approx(sharp[0], rel=0.03)
    assert energy[1] < 0.3 * energy[0]


def test_a_picture_without_edges_has_a_sharpness() -> None:
    flat = np.full((1, 256, 256, 3), 90, np.uint8)
    assert [float(found[0]) for found in sharpness(flat, POINTS)] == [0.0, 0.0]


def test_delta_e_of_gray_is_the_difference_of_lightness() -> None:
    dark, light = (np.full((SIDE, SIDE, 3), value, np.uint8) for value in (119, 145))
    # sRGB 119 and 145 are L* 50.0 and 60.0
    assert color_difference(dark[None], light)[0] == pytest.approx(10.0, abs=0.3)
    assert color_difference(dark[None], dark)[0] == pytest.approx(0.0, abs=1e-4)


def test_colors_that_cancel_in_the_mean_are_seen() -> None:
    gray = np.full((SIDE, SIDE, 3), 120, np.uint8)
    tinted = gray.copy()
    tinted[:, : SIDE // 2] += 20
    tinted[:, SIDE // 2 :] -= 20
    assert color_difference(tinted[None], gray)[0] > 5


def test_a_face_that_leaves_its_beginning_sideways_drifts() -> None:
    """It is as far from the portrait as before, and far from where it was."""
    portrait, before, after = (
        np.full((SIDE, SIDE, 3), value, np.uint8) for value in (132, 119, 145)
    )
    both = np.stack((before, after))
    at_first, later = color_difference(both, portrait)
    assert later == pytest.approx(at_first, abs=0.5)
    drift, percent = color_drift(mean_colors(after[None]), mean_colors(before[None]))
    assert drift == pytest.approx(10.0, abs=0.3)  # L* 50 and 60
    assert percent == pytest.approx(20.0, abs=0.6)
    assert color_drift(mean_colors(both), mean_colors(both[::-1])) == pytest.approx((0.0, 0.0))


def test_drift_of_black_is_no_infinity() -> None:
    black, gray = (np.full((1, SIDE, SIDE, 3), value, np.uint8) for value in (0, 119))
    assert color_drift(mean_colors(gray), mean_colors(black))[1] == pytest.approx(5000, rel=0.05)


def test_change_is_between_neighbors_in_time() -> None:
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    frames[2:] = 10
    assert frame_differences(frames).tolist() == [0.0, 10.0, 0.0]
