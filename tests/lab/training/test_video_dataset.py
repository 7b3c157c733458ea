"""Windows of a clip in the sizes of buckets: where they are cut, and what counts more."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from clip_files import LIPS, SIDE, WALL, make_clip

from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from lab.training.data.video_dataset import (
    box_share,
    crop_around,
    draw_windows,
    face_weight,
    within,
)


def geometry_of(height: int, width: int, frames: int = 17) -> ChunkGeometry:
    return ChunkGeometry(height, width, spatial_stride=8, chunk_frames=frames)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.6, 0.1), (-0.65, -0.3), (0.2, 0.4)])
@pytest.mark.parametrize("aspect", [448 / 768, 1.0, 768 / 448])
def test_the_crop_keeps_the_face_inside(shift: tuple[float, float], aspect: float) -> None:
    points = make_clip(3, shift).landmarks.reshape(-1, 2)
    crop = crop_around(points, 256, 256, aspect)
    assert min(crop.left_px, crop.top_px) >= 0 and max(crop.right_px, crop.bottom_px) <= 256
    assert max(crop.width_px, crop.height_px) == 256
    assert crop.width_px / crop.height_px == pytest.approx(aspect, rel=0.01)
    placed = within(points, crop, 256, 256)
    assert placed.min() >= 0.0 and placed.max() <= 1.0


def test_the_crop_centers_the_face_where_the_picture_is_wide_enough() -> None:
    points = np.array([[0.1, -0.2], [0.3, 0.2]])
    crop = crop_around(points, 200, 200, 0.5)
    assert (crop.left_px, crop.top_px, crop.width_px, crop.height_px) == (70, 0, 100, 200)


@pytest.mark.parametrize(("height", "width"), [(96, 64), (64, 96), (64, 64)])
def test_windows_have_the_buckets_size_and_the_pictures_of_their_frames(
    height: int, width: int
) -> None:
    clip = make_clip(33 + 1)
    windows = draw_windows([clip], geometry_of(height, width, 33), 3, np.random.default_rng(0))
    assert windows.video.shape == (3, 3, 33, height, width)
    assert windows.portraits.shape == (3, 3, height, width)
    assert windows.weight.shape == (3, 1, 9, height // 8, width // 8)
    assert windows.samples.shape == (3, 200 * 640)
    # lips lie where the weight is high, in the video as in the portrait, and walls where it is not
    weight = F.interpolate(windows.weight[:, :, 0], (height, width))[:, 0]
    for pictures in (windows.video[:, :, 0], windows.portraits):
        lips, wall = (colored(pictures, color) for color in (LIPS, WALL))
        assert lips.any() and weight[lips].mean() > 2.0
        assert wall.any() and weight[wall].mean() < 1.2


def colored(pictures: torch.Tensor, color: tuple[int, int, int]) -> torch.Tensor:
    """Where pictures [N, 3, H, W] show ``color``: [N, H, W]."""
    wanted = torch.tensor(color).view(3, 1, 1) / 127.5 - 1
    return ((pictures - wanted).abs() < 0.2).all(dim=1)


def test_speech_ends_with_the_last_frame_of_its_window() -> None:
    clip = make_clip(45)
    clip = replace(clip, samples=np.repeat(np.arange(1, 46, dtype=np.float32), 640))
    windows = draw_windows([clip], geometry_of(SIDE, SIDE), 8, np.random.default_rng(0))
    starts = [int(last) - 17 for last in windows.samples[:, -1]]
    assert len(set(starts)) > 3
    for start, video in zip(starts, windows.video, strict=True):
        shown = ((video + 1) * 127.5).round().permute(1, 2, 3, 0).numpy()
        np.testing.assert_array_equal(shown, clip.frames[start : start + 17])


def test_a_face_that_fits_nowhere_and_clips_that_are_too_short_are_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(FlashTalkError, match=r"fits into 16 x 96 pixels .* with --size"):
        draw_windows([make_clip()], geometry_of(16, 96), 1, rng)
    with pytest.raises(FlashTalkError, match="no window of 33 frames"):
        draw_windows([make_clip(32)], geometry_of(64, 64, 33), 1, rng)
    short, long = make_clip(16), make_clip(17, seed=1)
    assert len(draw_windows([short, long], geometry_of(64, 64), 4, rng).video) == 4


def test_a_box_counts_by_the_share_of_each_cell_that_it_covers() -> None:
    box = np.array([[[0.25, 0.0], [0.75, 0.125]]])  # the middle half of the width, an eighth down
    share = box_share(box, (4, 2))
    np.testing.assert_allclose(share[0], [[0.25, 0.25], [0, 0], [0, 0], [0, 0]])
    outside = np.array([[[1.0, -0.5], [1.5, 0.5]]])
    assert not box_share(outside, (4, 2)).any()


def test_a_latent_counts_what_any_of_its_four_frames_shows() -> None:
    geometry = geometry_of(SIDE, SIDE)
    none = np.zeros((17, 2, 2))
    mouths = none.copy()
    mouths[[0, 6], 1] = 0.25  # latent 0 is frame 0, latent 2 frames 5 to 8
    weight = face_weight(none, mouths, geometry)
    assert weight.shape == (1, 5, 8, 8)
    assert weight[0, [0, 2], :2, :2].min() == 2.0
    assert weight[0, [0, 2]].sum() == 2 * (64 + 4)
    assert (weight[0, [1, 3, 4]] == 1.0).all()
    both = face_weight(mouths, mouths, geometry)
    assert both.max() == 3.0
