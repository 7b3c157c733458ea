"""One person drawn for real; skipped where the asset folder or OpenGL is not there."""

from __future__ import annotations

import os

import numpy as np
import pytest

from lab.synthesis.assets import ENVIRONMENT, Assets

if not os.environ.get(ENVIRONMENT):
    pytest.skip(f"{ENVIRONMENT} is not set: no head data to draw", allow_module_level=True)
pytest.importorskip("moderngl", reason="moderngl draws the heads")

from lab.synthesis.clip import CURVES, decode_labels, face_mask, measure, stage_clip
from lab.synthesis.heads.library import LANDMARKS, Library
from lab.synthesis.heads.materials import PARTS
from lab.synthesis.heads.rig import Pose
from lab.synthesis.renderer.opengl import Renderer
from lab.synthesis.renderer.person import Person

CLOSED, OPEN = Pose(), Pose({"jawOpen": 0.6})


@pytest.fixture(scope="module")
def person() -> Person:
    try:
        renderer = Renderer(64, 32)
    except Exception as problem:
        pytest.skip(f"no OpenGL context (apt-get install libegl1 libgl1-mesa-dri): {problem}")
    return stage_clip(Library(Assets.locate()), renderer, 14)


def test_same_pose_flows_to_itself(person: Person) -> None:
    """The portrait as its own frame: every point stays where it is and is visible."""
    person.draw(CLOSED)
    person.set_portrait(CLOSED)
    own = person.draw_labels(CLOSED, 32, upload=False)
    flow, parts, visible = decode_labels(own[None], own)
    centers = (np.arange(32) + 0.5) / 16 - 1
    still = np.stack(np.meshgrid(centers, centers), -1)
    assert np.abs(flow[0] - still).max() < 0.01
    assert visible.mean() > 0.99
    assert {PARTS.index("skin"), PARTS.index("clothes")} <= set(np.unique(parts))


def test_open_mouth_shows_and_is_measured(person: Person) -> None:
    person.set_portrait(CLOSED)
    labels = person.draw_labels(OPEN, 64)
    assert (labels[..., 3].round() == PARTS.index("mouth")).sum() > 5
    gap = CURVES.index("lip_gap")
    assert measure(person, OPEN)[1][gap] > measure(person, CLOSED)[1][gap] + 0.1


def test_the_face_ends_at_jaw_and_hairline(person: Person) -> None:
    person.set_portrait(CLOSED)
    raw = person.draw_labels(CLOSED, 64)
    face, parts = face_mask(raw), raw[..., 3].round()
    assert 0.1 < face.mean() < 0.5
    assert not np.isin(parts[face], [PARTS.index("background"), PARTS.index("clothes")]).any()
    assert face[parts == PARTS.index("eyes")].all()
    points = dict(zip(LANDMARKS, (measure(person, CLOSED)[0] + 1) * 32, strict=True))
    x, y = points["nose_tip"].astype(int)
    assert face[y, x]
    rows = np.flatnonzero(face.any(1))
    assert rows[0] > points["head_top"][1] and abs(rows[-1] - points["chin"][1]) < 3
    neck = parts[rows[-1] + 2] == PARTS.index("skin")
    assert neck.any() and not face[rows[-1] + 2].any()


def test_landmarks_lie_where_a_face_has_them(person: Person) -> None:
    points = dict(zip(LANDMARKS, measure(person, CLOSED)[0], strict=True))
    assert points["head_top"][1] < points["nose_tip"][1] < points["inner_upper_lip"][1]
    assert points["inner_upper_lip"][1] < points["chin"][1]
    assert points["right_eye_outer"][0] < points["right_eye_inner"][0]
    assert points["right_eye_inner"][0] < points["left_eye_inner"][0]


def test_picture_is_deterministic(person: Person) -> None:
    np.testing.assert_array_equal(person.draw(OPEN), person.draw(OPEN))
