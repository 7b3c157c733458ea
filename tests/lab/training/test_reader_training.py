from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from faces import face

from flashtalk.models.tiny.face_code import LANDMARKS
from lab.training.data.codec_dataset import INNER_MARKS, between_lips
from lab.training.tiny.landmarks import misplaced, other_mouth, uneven, vary

SIDE = 256
SPOT = (0.25, -0.125)  # picture units


def spotted() -> np.ndarray:
    """A dark picture [H, W, 3] with one bright spot."""
    picture = np.full((SIDE, SIDE, 3), 40, np.uint8)
    x, y = ((each + 1) / 2 * SIDE - 0.5 for each in SPOT)
    cv2.circle(picture, (round(x), round(y)), 9, (230, 230, 230), -1, cv2.LINE_AA)
    return picture


def points_around() -> np.ndarray:
    """Points [L, 2] of a plain face whose chin is the spot."""
    points = (face() * torch.tensor([-1.0, 1.0]))[0].double().numpy()
    points[LANDMARKS.index("chin")] = SPOT
    return points


@pytest.mark.parametrize("seed", range(8))
def test_points_go_where_their_pixels_go(seed: int) -> None:
    seen, marks, _ = vary(spotted(), points_around(), np.zeros(2), np.random.default_rng(seed))
    assert seen.shape == (SIDE, SIDE, 3)
    soft = cv2.GaussianBlur(seen.astype(np.float32).mean(axis=2), (0, 0), 4.0)
    row, column = np.unravel_index(soft.argmax(), soft.shape)
    found = (np.array([column, row]) + 0.5) * (2 / SIDE) - 1
    chin = marks[LANDMARKS.index("chin")]
    assert found == pytest.approx(chin, abs=2.5 * 2 / SIDE)
    assert np.abs(chin - SPOT).max() > 2 / SIDE, "it has to have moved"


def test_another_mouth_changes_what_is_between_the_lips_and_nothing_else() -> None:
    between = between_lips(
        SIDE, *(face(gap=0.1)[0, LANDMARKS.index(n)].numpy() for n in INNER_MARKS)
    )
    skin = np.full((SIDE, SIDE, 3), 120, np.uint8)
    kinds = []
    for seed in range(20):
        shown = other_mouth(skin, between, np.random.default_rng(seed))
        assert np.array_equal(shown[between == 0], skin[between == 0])
        rows = shown[:, SIDE // 2][between[:, SIDE // 2] >= 1.0].mean(axis=1)
        kinds.append((rows[0] > 140, rows[-1] > 140))
    assert {(True, True), (True, False)} <= set(kinds), "teeth down to the lip, and dark below them"


def test_light_from_one_side_leaves_the_middle_as_it_is() -> None:
    gray = np.full((64, 64, 3), 100, np.uint8)
    lit = uneven(gray, np.random.default_rng(0)).astype(int)
    assert np.abs(lit[31:33, 31:33] - 100).max() <= 2
    assert lit.max() > 105 and lit.min() < 95


def test_what_was_left_is_right_in_the_mirror() -> None:
    points = points_around()
    points[LANDMARKS.index("left_brow")] = (0.4, -0.3)
    points[LANDMARKS.index("right_brow")] = (-0.4, -0.3)
    gaze = np.array([0.2, 0.1])
    turned = 0
    for seed in range(12):
        _, marks, looks = vary(spotted(), points, gaze, np.random.default_rng(seed))
        left, right = (marks[LANDMARKS.index(f"{side}_brow")] for side in ("left", "right"))
        assert left[0] > right[0], "the left brow is on the right of every face"
        assert looks[1] == gaze[1] and abs(looks[0]) == gaze[0]
        turned += looks[0] < 0
    assert 0 < turned < 12


def test_landmarks_are_refined_from_places_that_are_a_little_off() -> None:
    torch.manual_seed(0)
    points = 0.3 * torch.randn(1, len(LANDMARKS), 2)
    found = misplaced(points.expand(400, -1, -1))
    off = (found - points).norm(dim=-1)
    assert 0.02 < off.mean() < 0.1
    # the same face: distances between points keep their ratios
    ways = (found[:, 0] - found[:, 1]).norm(dim=-1) / (found[:, 2] - found[:, 3]).norm(dim=-1)
    way = (points[0, 0] - points[0, 1]).norm() / (points[0, 2] - points[0, 3]).norm()
    assert torch.allclose(ways, way.expand(400), rtol=1e-3)
