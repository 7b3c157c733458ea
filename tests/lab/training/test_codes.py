import numpy as np
import pytest
import torch

from flashtalk.models.tiny.face_code import FEATURES, FLOW_UNIT, LANDMARKS, UNITS, index_of, paint
from lab.training.data.codes import (
    CLOSURE_EMPHASIS,
    face_codes,
    lips_meet,
    mirror,
    mirror_points,
    painted_weight,
)
from lab.training.data.latents import LatentClip, pack

PAIRED = ("mouth_corner", "eye_outer", "eye_inner", "eye_upper", "eye_lower", "brow")
NAMES = [
    *("inner_upper_lip", "inner_lower_lip", "outer_upper_lip", "outer_lower_lip"),
    *("nose_tip", "chin"),
    *(f"{side}_{name}" for name in PAIRED for side in ("left", "right")),
]
# A face looking at us; the person's left is at the right of the picture.
FACE = np.array(
    [
        *((0.0, 0.30), (0.0, 0.34), (0.0, 0.26), (0.0, 0.38), (0.0, 0.1), (0.0, 0.55)),
        *((0.14, 0.32), (-0.14, 0.32), (0.28, -0.1), (-0.28, -0.1), (0.12, -0.1), (-0.12, -0.1)),
        *((0.2, -0.12), (-0.2, -0.12), (0.2, -0.08), (-0.2, -0.08), (0.2, -0.25), (-0.2, -0.25)),
    ]
)
NO_GAZE = np.zeros((1, 2))


def _codes(landmarks: np.ndarray, flow: np.ndarray | None = None) -> np.ndarray:
    return face_codes(landmarks[None], tuple(NAMES), NO_GAZE, flow)[0].astype(np.float32)


def test_a_wider_gap_is_painted_stronger_and_only_at_the_mouth() -> None:
    opened = FACE.copy()
    opened[NAMES.index("inner_lower_lip"), 1] += 0.06
    gap = index_of("lip_gap")
    closed_code, open_code = _codes(FACE), _codes(opened)
    assert open_code[gap].max() > 2 * closed_code[gap].max()
    row, column = np.unravel_index(open_code[gap].argmax(), (8, 8))
    assert row == 5 and column in (3, 4)  # y = 0.32 lies in row 5 of 8
    assert abs(open_code[gap][0]).max() < 1e-3
    others = [i for i in range(len(FEATURES)) if i != gap]
    np.testing.assert_allclose(open_code[others], closed_code[others], atol=1e-2)


def test_flow_is_the_way_to_the_portrait_in_its_unit() -> None:
    middle = (np.arange(64) + 0.5) / 64 * 2 - 1
    here = np.stack(np.meshgrid(middle, middle), axis=-1)
    code = _codes(FACE, (here + np.array([0.05, -0.1]))[None])
    np.testing.assert_allclose(code[index_of("flow_x")], 0.05 / FLOW_UNIT, rtol=1e-2)
    np.testing.assert_allclose(code[index_of("flow_y")], -0.1 / FLOW_UNIT, rtol=1e-2)
    assert not _codes(FACE)[:2].any()


def test_mirroring_twice_changes_nothing_and_once_swaps_sides() -> None:
    codes = np.random.default_rng(0).normal(size=(3, len(FEATURES), 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(mirror(mirror(codes)), codes)
    flow = index_of("flow_x")
    np.testing.assert_array_equal(mirror(codes)[:, flow, :, 0], -codes[:, flow, :, 7])
    gap = index_of("lip_gap")
    np.testing.assert_array_equal(mirror(codes)[:, gap, :, 0], codes[:, gap, :, 7])


def test_mirrored_points_paint_the_mirrored_code() -> None:
    points = FACE[[NAMES.index(name) for name in LANDMARKS]].astype(np.float32)
    points += np.random.default_rng(0).normal(0, 0.02, points.shape).astype(np.float32)
    gaze = torch.tensor([[0.1, 0.05]])
    code = paint(torch.from_numpy(points)[None], gaze, (8, 8)).numpy()
    other = torch.from_numpy(mirror_points(points))[None]
    turned = paint(other, gaze * torch.tensor([-1.0, 1.0]), (8, 8)).numpy()
    np.testing.assert_allclose(turned, mirror(code), atol=1e-5)


def test_the_mouth_weighs_more_where_it_is() -> None:
    weight = painted_weight(_codes(FACE)[None])[0]
    gap = weight[index_of("lip_gap")]
    assert gap.max() > 4.0 and gap.min() == pytest.approx(1.0, abs=0.01)
    assert (weight[index_of("flow_x")] == 1.0).all()


def test_lips_that_meet_between_sounds_weigh_most() -> None:
    codes = np.repeat(_codes(FACE)[None].astype(np.float32), 20, axis=0)
    gap = index_of("lip_gap")
    shape = codes[0, gap] / codes[0, gap].max()
    codes[:, gap] = 2.0 * shape
    codes[6, gap] = 0.1 * shape  # a p
    codes[12:, gap] = 0.0  # silence: only its beginning is near an open mouth
    assert np.flatnonzero(lips_meet(codes)).tolist() == [6, 12, 13, 14]
    weight = painted_weight(codes)
    assert (weight[6, gap] == CLOSURE_EMPHASIS * weight[5, gap]).all()
    assert (weight[6, gap + 1] == weight[5, gap + 1]).all()


def test_eyes_weigh_as_much_while_they_are_shut() -> None:
    codes = np.repeat(_codes(FACE)[None].astype(np.float32), 20, axis=0)
    lid = index_of("lid")
    codes[8:12, lid] = 0.0  # a blink
    weight = painted_weight(codes)
    assert weight[0, lid].max() > 2.0
    np.testing.assert_array_equal(weight[8:12, lid], weight[4:8, lid])


def test_a_window_packs_the_first_frame_alone_and_then_fours() -> None:
    count = 40
    codes = np.zeros((count, len(FEATURES), 8, 8), np.float16)
    codes[:, 0] = np.arange(count)[:, None, None]
    still = np.zeros(count, np.float32)
    clip = LatentClip(
        codes, codes[0] - 1, np.zeros(count * 640, np.float32), np.zeros((count, 2)), still
    )
    latents, weight, reference = clip.window(3, 33, mirrored=False)
    assert latents.shape == weight.shape == (4 * len(FEATURES), 9, 8, 8)
    assert reference.shape == (4 * len(FEATURES), 1, 8, 8)
    frames = latents.reshape(4, len(FEATURES), 9, 8, 8)[:, 0, :, 0, 0]
    assert frames[:, 0].tolist() == [3, 3, 3, 3]
    assert frames[:, 1].tolist() == [4, 5, 6, 7]
    assert frames[:, 8].tolist() == [32, 33, 34, 35]


def test_pack_keeps_frames_apart() -> None:
    codes = np.arange(8 * 2 * 1 * 1, dtype=np.float32).reshape(8, 2, 1, 1)
    assert pack(codes)[:, 1, 0, 0].tolist() == [8, 9, 10, 11, 12, 13, 14, 15]


def test_every_painted_feature_has_a_unit() -> None:
    assert set(UNITS) == set(FEATURES[2:])
