"""Figures of drawn clips, from drawings whose errors are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from flashtalk.evaluation.decoder import DrawnClip, latent_jump, near_outlines, report
from flashtalk.training.autoencoder import group_psnr
from flashtalk.training.groups import as_float

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


def test_groups_are_put_together_by_what_a_copy_would_do() -> None:
    psnr = np.array([[[33.0, 29.0], [31.0, 17.0]], [[25.0, 19.0], [34.0, 29.5]]])
    found = report(
        [
            DrawnClip(psnr, 0.9, 1.0, outlines=(0.1, 0.7)),
            DrawnClip(psnr[:1], float("nan"), 1.2, outlines=(0.3, 0.9)),
        ]
    )
    bands = {tuple(band["copy_db"]): band for band in found["by_copy"]}
    assert bands[28, 30]["whole"] == {"groups": 2, "psnr_db": 33.0}
    assert bands[28, 30]["mouth"] == {"groups": 1, "psnr_db": 34.0}
    assert bands[18, 20]["whole"] == {"groups": 1, "psnr_db": 25.0}
    assert bands[20, 22]["mouth"] == {"groups": 0, "psnr_db": None}
    assert found["opening_correlation"] == 0.9
    assert found["flicker"] == pytest.approx(1.1)
    assert found["near_outlines"] == {"of_picture": 0.2, "of_square_error": 0.8}


def test_an_outline_is_a_cell_wide_on_both_sides() -> None:
    parts = np.zeros((1, 8, 8), np.uint8)
    parts[0, :, 4:] = 5
    near = near_outlines(parts, 16)
    assert near.shape == (1, 16, 16)
    assert np.array_equal(near[0].all(axis=0).nonzero()[0], np.arange(6, 10))
    assert near.mean() == 4 / 16
