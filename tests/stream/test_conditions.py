"""Masks, reference latents and speech windows."""

from dataclasses import replace

import pytest
import torch

from flashtalk.conditions import gather_conditions
from flashtalk.conditions.first_frame import condition_latents
from flashtalk.conditions.speech import last_speech_windows, speech_windows
from flashtalk.config import FOURTEEN_B, TINY
from flashtalk.models.networks import Networks


def test_motion_mask_marks_the_clean_latents_and_repeats_the_reference() -> None:
    reference = torch.randn(1, 24, 1, 4, 4)
    config = replace(TINY.transformer, blink_channels=0)
    for motion_latents in (1, 2):
        got = condition_latents(reference, config, 9, motion_latents)
        assert got.shape == (1, 25, 9, 4, 4)
        assert (got[:, :1, :motion_latents] == 1).all()
        assert (got[:, :1, motion_latents:] == 0).all()
        assert (got[:, 1:] == reference).all()


def test_blinks_lie_beside_the_frames_that_they_close() -> None:
    reference = torch.randn(2, 24, 1, 4, 4)
    closed = torch.arange(66.0).view(2, 33)
    got = condition_latents(reference, TINY.transformer, 9, 2, closed)
    assert got.shape == (2, 29, 9, 4, 4)
    assert got[0, 25:, 0, 1, 2].tolist() == [0, 0, 0, 0]  # latent 0: frame 0
    assert got[0, 25:, 1, 1, 2].tolist() == [1, 2, 3, 4]
    assert got[1, 25:, 8, 3, 3].tolist() == [62, 63, 64, 65]
    with pytest.raises(ValueError, match="4 blink channels, but closed was not given"):
        condition_latents(reference, TINY.transformer, 9, 2)
    with pytest.raises(ValueError, match="0 blink channels, but closed was given"):
        condition_latents(torch.randn(1, 16, 9, 4, 4), FOURTEEN_B.transformer, 9, 2, closed[:1])


def test_reference_mask_marks_latent_frame_0_in_all_channels_of_every_chunk() -> None:
    reference = torch.randn(2, 16, 9, 4, 4)
    for motion_latents in (1, 2):
        got = condition_latents(reference, FOURTEEN_B.transformer, 9, motion_latents)
        assert got.shape == (2, 20, 9, 4, 4)
        assert (got[:, :4, 0] == 1).all()
        assert (got[:, :4, 1:] == 0).all()
        assert torch.equal(got[:, 4:], reference)


def test_reference_mask_needs_the_whole_reference_clip() -> None:
    with pytest.raises(ValueError, match="all 9 latent frames of a chunk, got 1"):
        condition_latents(torch.randn(1, 16, 1, 4, 4), FOURTEEN_B.transformer, 9, 2)


def test_the_portrait_is_gathered_once(toy_networks: Networks, toy_portrait: torch.Tensor) -> None:
    conditions = gather_conditions(toy_networks.autoencoder, toy_networks.preset, toy_portrait)
    assert conditions.reference_latents.shape == (1, 44, 1, 2, 2)
    assert conditions.text is None


def test_the_published_convention_encodes_gray_frames_behind_the_portrait(
    toy_networks: Networks, toy_portrait: torch.Tensor
) -> None:
    preset = toy_networks.preset
    preset = replace(preset, transformer=replace(preset.transformer, mask_marks="reference"))
    conditions = gather_conditions(toy_networks.autoencoder, preset, toy_portrait)
    latents = conditions.reference_latents
    assert latents.shape == (1, 44, 9, 2, 2)
    assert torch.allclose(latents[:, :, 1:2].expand(-1, -1, 8, -1, -1), latents[:, :, 1:])
    assert not torch.allclose(latents[:, :, 0], latents[:, :, 1])


def test_speech_windows_are_centered_and_clamped() -> None:
    features = torch.arange(6.0)[:, None, None]  # [F, 1, 1]: each row names itself
    assert speech_windows(features, 5)[..., 0, 0].tolist() == [
        [0, 0, 0, 1, 2],
        [0, 0, 1, 2, 3],
        [0, 1, 2, 3, 4],
        [1, 2, 3, 4, 5],
        [2, 3, 4, 5, 5],
        [3, 4, 5, 5, 5],
    ]


def test_the_last_windows_reach_back_before_the_chunk() -> None:
    features = torch.randn(40, 2, 3)
    assert torch.equal(last_speech_windows(features, 5, 33), speech_windows(features, 5)[-33:])
    ahead = last_speech_windows(features, 5, 30, ahead=4)
    assert torch.equal(ahead, speech_windows(features, 5)[-34:-4])
