"""Masks, reference latents and speech windows."""

from dataclasses import replace

import pytest
import torch

from flashtalk.conditions import gather_conditions
from flashtalk.conditions.speech import last_speech_windows
from flashtalk.config import FOURTEEN_B, TINY
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.denoiser import TinyDenoiser


@pytest.fixture(scope="module")
def published() -> VideoTransformer:
    with torch.device("meta"):
        return VideoTransformer(FOURTEEN_B.transformer)


def tiny(**settings: int) -> TinyDenoiser:
    with torch.device("meta"):
        return TinyDenoiser(replace(TINY.transformer, **settings))


def test_motion_mask_marks_the_clean_latents_and_repeats_the_reference() -> None:
    reference = torch.randn(1, 24, 1, 4, 4)
    for num_motion in (1, 2):
        got = tiny(blink_channels=0).condition(reference, 9, num_motion)
        assert got.shape == (1, 25, 9, 4, 4)
        assert (got[:, :1, :num_motion] == 1).all()
        assert (got[:, :1, num_motion:] == 0).all()
        assert (got[:, 1:] == reference).all()


def test_blinks_lie_beside_the_frames_that_they_close(published: VideoTransformer) -> None:
    reference = torch.randn(2, 24, 1, 4, 4)
    closed = torch.arange(66.0).view(2, 33)
    got = tiny().condition(reference, 9, 2, closed)
    assert got.shape == (2, 29, 9, 4, 4)
    assert got[0, 25:, 0, 1, 2].tolist() == [0, 0, 0, 0]  # latent 0: frame 0
    assert got[0, 25:, 1, 1, 2].tolist() == [1, 2, 3, 4]
    assert got[1, 25:, 8, 3, 3].tolist() == [62, 63, 64, 65]
    with pytest.raises(ValueError, match="4 blink channels, but control was not given"):
        tiny().condition(reference, 9, 2)
    with pytest.raises(ValueError, match="no control signal, but one was given"):
        published.condition(torch.randn(1, 16, 9, 4, 4), 9, 2, closed[:1])


def test_reference_mask_marks_latent_frame_0_in_all_channels_of_every_chunk(
    published: VideoTransformer,
) -> None:
    reference = torch.randn(2, 16, 9, 4, 4)
    for num_motion in (1, 2):
        got = published.condition(reference, 9, num_motion)
        assert got.shape == (2, 20, 9, 4, 4)
        assert (got[:, :4, 0] == 1).all()
        assert (got[:, :4, 1:] == 0).all()
        assert torch.equal(got[:, 4:], reference)


def test_reference_mask_needs_the_whole_reference_clip(published: VideoTransformer) -> None:
    with pytest.raises(ValueError, match="all 9 latent frames of a chunk, got 1"):
        published.condition(torch.randn(1, 16, 1, 4, 4), 9, 2)


def test_the_portrait_is_gathered_once(toy_networks: Networks, toy_portrait: torch.Tensor) -> None:
    conditions = gather_conditions(toy_networks, toy_portrait)
    assert conditions.reference_latents.shape == (1, 44, 1, 2, 2)
    assert conditions.text is None


def test_the_published_convention_has_gray_frames_behind_the_portrait(
    published: VideoTransformer, toy_portrait: torch.Tensor
) -> None:
    clip = published.reference_clip(toy_portrait, 33)
    assert clip.shape == (1, 3, 33, 64, 64)
    assert torch.equal(clip[:, :, 0], toy_portrait)
    assert (clip[:, :, 1:] == 0).all()


def test_speech_windows_are_centered_and_clamped() -> None:
    features = torch.arange(6.0)[:, None, None]  # [F, 1, 1]: each row names itself
    assert last_speech_windows(features, 5, 6)[..., 0, 0].tolist() == [
        [0, 0, 0, 1, 2],
        [0, 0, 1, 2, 3],
        [0, 1, 2, 3, 4],
        [1, 2, 3, 4, 5],
        [2, 3, 4, 5, 5],
        [3, 4, 5, 5, 5],
    ]


def test_the_last_windows_reach_back_before_the_chunk() -> None:
    features = torch.randn(40, 2, 3)
    whole = last_speech_windows(features, 5, 40)
    assert torch.equal(last_speech_windows(features, 5, 33), whole[-33:])
    ahead = last_speech_windows(features, 5, 30, ahead=4)
    assert torch.equal(ahead, whole[-34:-4])
