"""Labels decoded from hand-made drawings, and who is held out: no data, no GL needed."""

from __future__ import annotations

import numpy as np
import pytest

from lab.synthesis.clip import decode_labels, face_mask, sample_portrait_pose
from lab.synthesis.factory import ClipFactory
from lab.synthesis.gallery import STILLS, Still
from lab.synthesis.heads.identity import is_held_out
from lab.synthesis.heads.materials import PARTS
from lab.synthesis.motion import head_motion
from lab.synthesis.performance import IDLE, Performance
from lab.synthesis.renderer.camera import Camera
from lab.synthesis.renderer.lighting import sample_background
from lab.synthesis.renderer.shaders import FACE_MARK

SKIN, MOUTH = PARTS.index("skin"), PARTS.index("mouth")


def drawing(part: int, depth: float, x: float = 0.0, y: float = 0.0, size: int = 8) -> np.ndarray:
    """A label picture [size, size, 4] that shows one part at one place and distance."""
    return np.broadcast_to(np.array([x, y, depth, part], np.float32), (size, size, 4)).copy()


def test_background_flows_to_itself() -> None:
    flow, parts, visible = decode_labels(drawing(0, 0)[None], drawing(0, 0))
    centers = (np.arange(8) + 0.5) / 4 - 1
    np.testing.assert_allclose(flow[0, 0, :, 0], centers, atol=1e-3)
    np.testing.assert_allclose(flow[0, :, 0, 1], centers, atol=1e-3)
    assert not parts.any()
    assert visible.all()


def test_flow_counts_from_the_top() -> None:
    flow, _, _ = decode_labels(drawing(SKIN, 10, 0.25, 0.5)[None], drawing(SKIN, 10))
    np.testing.assert_allclose(flow[0, 0, 0], [0.25, -0.5], atol=1e-3)


@pytest.mark.parametrize(
    ("part", "depth", "portrait_part", "seen"),
    [(SKIN, 10.0, SKIN, 1), (SKIN, 10.2, SKIN, 0), (MOUTH, 10.0, SKIN, 0), (MOUTH, 10.0, MOUTH, 1)],
)
def test_visible(part: int, depth: float, portrait_part: int, seen: int) -> None:
    """Hidden behind the portrait's surface, or in a mouth that the portrait keeps closed."""
    _, _, visible = decode_labels(drawing(part, depth)[None], drawing(portrait_part, 10.0))
    assert (visible == seen).all()


def test_the_face_is_marked_without_changing_the_part() -> None:
    face, neck = drawing(SKIN, 10), drawing(SKIN, 10)
    face[..., 3] += FACE_MARK
    raw = np.stack([face, neck])
    _, parts, visible = decode_labels(raw, face)
    assert (parts == SKIN).all() and visible.all()
    assert face_mask(raw)[0].all() and not face_mask(raw)[1].any()


def test_point_outside_the_portrait_is_not_visible() -> None:
    _, _, visible = decode_labels(drawing(SKIN, 10, 1.2)[None], drawing(SKIN, 10))
    assert not visible.any()


def test_the_portrait_holds_the_head_as_the_performance_does() -> None:
    for seed in range(8):
        head = head_motion(np.zeros(50), np.random.default_rng(seed))
        performance = Performance(
            weights={},
            yaw=head.yaw,
            pitch=head.pitch,
            roll=head.roll,
            gaze=head.gaze,
            shift=head.shift,
            audio=np.zeros(50 * 640, np.float32),
            phones=(),
            emotion="neutral",
            voice=IDLE,
        )
        pose = sample_portrait_pose(performance, seed)
        held = np.stack((head.yaw, head.pitch, head.roll), axis=1)
        assert np.isclose(held, (pose.yaw, pose.pitch, pose.roll)).all(axis=1).any()
        again = sample_portrait_pose(performance, seed)
        assert (again.yaw, again.weights) == (pose.yaw, pose.weights)


def test_some_backgrounds_are_in_focus() -> None:
    pictures = [sample_background(np.random.default_rng(seed), 128) for seed in range(24)]
    assert all(picture.min() >= 0 and picture.max() <= 1 for picture in pictures)
    detail = [np.abs(np.diff(picture, axis=1)).mean() for picture in pictures]
    busy = np.mean(np.array(detail) > 0.03)
    assert 0.1 < busy < 0.6


def test_gallery_people_are_held_out() -> None:
    assert all(is_held_out(still.seed) for still in STILLS)
    assert len({still.name for still in STILLS}) == len(STILLS)
    with pytest.raises(ValueError, match="held-out"):
        Still("ada", 10)


def test_wrong_options_are_named(tmp_path) -> None:
    with pytest.raises(ValueError, match="workers"):
        ClipFactory(out=tmp_path, assets=tmp_path, workers=0)
    with pytest.raises(ValueError, match="zoom"):
        Camera(zoom=9)
