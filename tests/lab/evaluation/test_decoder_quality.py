"""Figures of drawn clips, from drawings whose errors are known."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from clip_files import make_clip

from flashtalk.config import TINY
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from lab.evaluation.studies.decoder import (
    DrawnClip,
    ShutLids,
    detail_between_lips,
    latent_jump,
    moved_pictures,
    near_outlines,
    report,
    round_trip,
    shut_lids,
)
from lab.training.data.codec_dataset import as_float
from lab.training.data.pictures import Pictures
from lab.training.tiny.quality import group_psnr

SIDE = 64


def test_psnr_is_that_of_the_frame_and_of_the_box() -> None:
    true = np.full((8, SIDE, SIDE, 3), 100, np.uint8)
    drawn = true.copy()
    drawn[4:, 40:56, 24:40] += 10  # the mouth's box of the second group, a sixteenth of the picture
    clip = SimpleNamespace(
        frames=true,
        portrait=true[0] + 20,
        mouth_box=lambda frame: (0.0, 0.5, 0.25, 0.25),
        eyes_box=lambda frame: (0.0, -0.5, 0.25, 0.25),
    )
    first, second = as_float(torch.from_numpy(drawn).permute(0, 3, 1, 2)).split(4)
    found = group_psnr(clip, 4, second)
    whole, whole_copy = found["whole"], found["whole_copy"]
    mouth, mouth_copy = found["mouth"], found["mouth_copy"]
    assert mouth == pytest.approx(10 * np.log10(255**2 / 100), abs=0.01)
    assert whole == pytest.approx(mouth + 10 * np.log10(16), abs=0.01)
    assert whole_copy == mouth_copy == pytest.approx(10 * np.log10(255**2 / 400), abs=0.01)
    assert group_psnr(clip, 0, first)["whole"] > 80
    assert found["eyes"] > 80


def test_flicker_is_seen_where_latents_begin() -> None:
    frames = np.repeat(np.arange(16)[:, None], 12, axis=1).reshape(16, 2, 2, 3).astype(np.uint8)
    assert latent_jump(frames) == pytest.approx(1.0)
    twitching = frames + np.uint8(5) * (np.arange(16) // 4 % 2).astype(np.uint8).reshape(
        -1, 1, 1, 1
    )
    assert latent_jump(twitching) > 2


def test_lids_are_judged_where_they_shut() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(80, 120, (8, SIDE, SIDE, 3)).astype(np.uint8)
    lids = np.ones(8)
    clip = SimpleNamespace(curve=lambda name: lids, eyes_box=lambda frame: (0.0, -0.5, 0.5, 0.25))
    drawn = true.copy()
    drawn[:6] = 0
    assert shut_lids(clip, drawn, true) is None
    lids[6] = 0.1
    same = shut_lids(clip, drawn, true)
    assert same.psnr_db > 80 and same.detail == pytest.approx(1.0) and same.delta_e == 0.0
    stained, blurred = true.copy(), true.copy()
    stained[6, ..., 1] += 20
    blurred[6] = cv2.blur(true[6], (3, 3))
    green, soft = (shut_lids(clip, made, true) for made in (stained, blurred))
    assert green.delta_e > 8 > 3 * soft.delta_e
    assert soft.detail < 0.4 < 0.9 < green.detail < 1.1
    assert green.psnr_db == pytest.approx(10 * np.log10(3 * 255**2 / 400), abs=0.01)


def test_groups_are_put_together_by_what_a_copy_would_do() -> None:
    psnr = np.array([[[33.0, 29.0], [31.0, 17.0]], [[25.0, 19.0], [34.0, 29.5]]])
    nan = float("nan")
    found = report(
        [
            DrawnClip(
                "a", psnr, 0.9, 1.0, (0.1, 0.7), lip_detail=0.4, lids=ShutLids(27.0, 0.8, 3.0)
            ),
            DrawnClip("b", psnr[:1], nan, 1.2, (0.3, 0.9), lip_detail=nan, lids=None),
            DrawnClip(
                "c", psnr[:1], 0.8, 1.1, (0.2, 0.8), lip_detail=0.6, lids=ShutLids(25.0, 0.6, 2.0)
            ),
        ]
    )
    bands = {tuple(band["copy_db"]): band for band in found["by_copy"]}
    assert bands[28, 30]["whole"] == {"groups": 3, "clips": 3, "psnr_db": 33.0}
    assert bands[28, 30]["mouth"] == {"groups": 1, "clips": 1, "psnr_db": 34.0}
    assert bands[18, 20]["whole"] == {"groups": 1, "clips": 1, "psnr_db": 25.0}
    assert bands[20, 22]["mouth"] == {"groups": 0, "clips": 0, "psnr_db": None}
    assert found["opening_correlation"] == 0.85
    assert found["opening_correlation_lowest"] == 0.8
    assert found["opening_correlation_lowest_clip"] == "c"
    assert found["shut_lids"]["psnr_db"] == {
        "clips": 2,
        "median": 26.0,
        "lowest": 25.0,
        "highest": 27.0,
    }
    assert found["shut_lids"]["delta_e"]["median"] == 2.5
    assert found["detail_between_lips"] == {
        "clips": 2,
        "median": 0.5,
        "lowest": 0.4,
        "highest": 0.6,
    }
    assert found["flicker"] == pytest.approx(1.1)
    assert found["near_outlines"] == {"of_picture": 0.2, "of_square_error": 0.8}


def test_an_outline_is_a_cell_wide_on_both_sides() -> None:
    parts = np.zeros((1, 8, 8), np.uint8)
    parts[0, :, 4:] = 5
    near = near_outlines(parts, 16)
    assert near.shape == (1, 16, 16)
    assert np.array_equal(near[0].all(axis=0).nonzero()[0], np.arange(6, 10))
    assert near.mean() == 4 / 16


def test_detail_is_that_of_the_open_mouth_alone() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(100, 140, (2, SIDE, SIDE, 3)).astype(np.uint8)
    mouth = np.zeros((SIDE, SIDE))
    mouth[40:50, 20:44] = 1.0
    soft = np.stack([cv2.blur(picture, (5, 5)) for picture in true])
    elsewhere = true.copy()
    elsewhere[:, :38] = 0
    elsewhere[:, 52:] = 255
    assert detail_between_lips(soft, true, [mouth, mouth]) < 0.2
    assert detail_between_lips(elsewhere, true, [mouth, mouth]) == pytest.approx(1.0)
    # the lips themselves, a hard edge right at the mask, are nobody's teeth
    rimmed = true.copy()
    rimmed[:, 39], rimmed[:, 50] = 0, 0
    assert detail_between_lips(rimmed, true, [mouth, mouth]) == pytest.approx(1.0)
    shut = np.zeros((SIDE, SIDE))
    assert np.isnan(detail_between_lips(soft, true, [shut, shut]))
    half_flat = true.copy()
    half_flat[1] = 120
    assert detail_between_lips(half_flat, true, [mouth, shut]) == pytest.approx(1.0)


def test_what_is_read_lies_in_the_same_groups_as_what_is_known() -> None:
    """Four frames a group, from the first on, whatever is encoded at once."""

    class Still:
        """Draws in each group the mean of its frames."""

        def prepare(self, portrait: torch.Tensor) -> torch.Tensor:
            return portrait

        def encode(self, video: torch.Tensor, guidance: torch.Tensor) -> torch.Tensor:
            groups = video[:, :, 1:].unflatten(2, (-1, 4)).mean(dim=3)
            return torch.cat((video[:, :, :1], groups), dim=2)

        def decode(self, latents, guidance, *, skip_frames: int) -> torch.Tensor:
            return latents[:, :, 1:].repeat_interleave(4, dim=2)[:, :, skip_frames - 1 :]

    frames = np.arange(42, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    clip = SimpleNamespace(frames=frames.repeat(2, axis=1), portrait=frames[0])
    drawn = round_trip(Still(), clip)
    means = np.repeat(np.arange(40).reshape(10, 4).mean(axis=1), 4)
    assert drawn.shape == (40, 2, 1, 3)
    assert np.abs(drawn[:, 0, 0, 0] - means).max() <= 0.5


def test_pictures_without_a_face_are_compared_where_they_move(tmp_path) -> None:
    rng = np.random.default_rng(0)
    soft = cv2.GaussianBlur(rng.integers(0, 256, (200, 200, 3)).astype(np.uint8), (0, 0), 3.0)
    cv2.imwrite(str(tmp_path / "soft.png"), soft)
    moves = make_clip(frames=8)
    middle = (np.arange(64) + 0.5) / 32 - 1
    here = np.stack(np.meshgrid(middle, middle), axis=-1)
    clips = [
        replace(
            moves,
            footage=lambda: moves.frames.repeat(4, axis=1).repeat(4, axis=2),
            portrait=moves.portrait.repeat(4, axis=0).repeat(4, axis=1),
            flow=np.repeat((here + shift)[None], 8, axis=0).astype(np.float32),
            visible=np.ones_like(moves.visible),
            # what the tests' clips have no use for, groups have
            curves=np.zeros((8, 2), np.float32),
            portrait_curves=np.zeros(2, np.float32),
            curve_names=("gaze_x", "gaze_y"),
        )
        for shift in (0.0, 0.15)
    ]
    torch.manual_seed(0)
    model = PortraitAutoencoder(TINY.autoencoder).eval()
    still, shifted = (moved_pictures(model, [clip], Pictures(tmp_path)) for clip in clips)
    assert still["groups"] == shifted["groups"] == 2
    assert still["copy_db"] > 40.0
    assert shifted["copy_db"] < 30.0
    # the flow is in the codes: even a network that has learned nothing moves the picture by it
    assert shifted["psnr_db"] > shifted["copy_db"] + 3.0
