"""The pure chunk step: shapes, determinism, pieces, gradients."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from flashtalk.conditions import Conditions, gather_conditions
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.stream.chunk import advance, advance_in_pieces, fragment_bounds
from flashtalk.stream.state import SessionState, noise_source, opening_state
from flashtalk.stream.timing import StageTimer


@pytest.fixture
def conditions(toy_networks: Networks, toy_portrait: Tensor) -> Conditions:
    return gather_conditions(toy_networks.autoencoder, toy_networks.preset, toy_portrait)


@pytest.fixture
def speech_rows() -> Tensor:
    return torch.randn(1, 33, 5, 2, 8, generator=torch.Generator().manual_seed(5))


def test_two_chunks(toy_networks: Networks, conditions: Conditions, speech_rows: Tensor) -> None:
    sampler = toy_networks.preset.sampler
    state = opening_state(conditions, seed=3)
    assert state.motion_latents.shape == (1, 44, 1, 2, 2)
    first, after_first = advance(toy_networks, conditions, state, speech_rows, sampler)
    second, after_second = advance(toy_networks, conditions, after_first, speech_rows, sampler)
    for video in (first, second):
        assert video.shape == (1, 3, 28, 64, 64)
        assert video.dtype == torch.float32
        assert video.abs().max() <= 1.0
        assert video.std() > 0.05
    assert not torch.allclose(first, second)
    assert after_first.motion_latents.shape == (1, 44, 2, 2, 2)
    assert (after_first.chunk_index, after_second.chunk_index) == (1, 2)
    assert state.chunk_index == 0  # nothing was changed in place


def test_the_hand_over_encodes_the_last_matched_frames(
    toy_networks: Networks, conditions: Conditions, speech_rows: Tensor
) -> None:
    video, after = advance(
        toy_networks, conditions, opening_state(conditions, 0), speech_rows,
        toy_networks.preset.sampler,
    )  # fmt: skip
    encoded = toy_networks.autoencoder.encode(video[:, :, -5:], conditions.guidance)
    assert torch.equal(after.motion_latents, encoded)


def test_every_input_matters(
    toy_networks: Networks, conditions: Conditions, speech_rows: Tensor
) -> None:
    sampler = toy_networks.preset.sampler
    state = opening_state(conditions, seed=0)

    def video(state: SessionState = state, speech: Tensor = speech_rows, **changes: float):
        return advance(
            toy_networks, conditions, state, speech, replace(sampler, **changes)
        )[0]  # fmt: skip

    usual = video()
    assert torch.equal(video(), usual)
    for other in (
        video(replace(state, seed=1)),
        video(replace(state, chunk_index=1)),
        video(replace(state, motion_latents=state.motion_latents + 0.5)),
        video(speech=speech_rows + 1.0),
        video(steps=2),
        video(color_strength=0.0),
    ):
        assert not torch.allclose(other, usual, atol=1e-4)


@pytest.mark.parametrize("first", [4, 12, 24])
def test_pieces_make_the_same_chunk(
    toy_networks: Networks, conditions: Conditions, speech_rows: Tensor, first: int
) -> None:
    arguments = (
        toy_networks,
        conditions,
        opening_state(conditions, seed=0),
        speech_rows,
        toy_networks.preset.sampler,
    )
    pieces = advance_in_pieces(*arguments, first_fragment_frames=first)
    videos = [next(pieces), next(pieces)]
    with pytest.raises(StopIteration) as done:
        next(pieces)
    whole, state = advance(*arguments)
    assert videos[0].shape[2] == first
    # Equal but for the order of sums: other batch sizes, other convolution kernels.
    assert torch.allclose(torch.cat(videos, dim=2), whole, atol=1e-3)
    # Reading motion back is a least-squares problem, which spreads such differences.
    assert torch.allclose(done.value.value.motion_latents, state.motion_latents, atol=1e-2)


def test_fragment_bounds(toy_networks: Networks) -> None:
    geometry = toy_networks.preset.geometry
    assert fragment_bounds(geometry) == ((5, 33),)
    assert fragment_bounds(geometry, 8) == ((5, 13), (13, 33))
    for wrong in (3, 28, -4):
        with pytest.raises(FlashTalkError, match=f"cannot have {wrong} frames"):
            fragment_bounds(geometry, wrong)


def test_a_roll_out_can_be_trained(
    toy_networks: Networks, conditions: Conditions, speech_rows: Tensor
) -> None:
    """No hidden no_grad: the second chunk's pixels reach the speech of the first."""
    speech = speech_rows.clone().requires_grad_()
    sampler = replace(toy_networks.preset.sampler, steps=1)
    state = opening_state(conditions, 0)
    _, state = advance(toy_networks, conditions, state, speech, sampler)
    video, _ = advance(toy_networks, conditions, state, speech_rows, sampler)
    video.square().mean().backward()
    assert speech.grad is not None
    assert speech.grad.isfinite().all()
    assert speech.grad.abs().max() > 0


def test_a_batch_is_advanced_together(
    toy_networks: Networks, toy_portrait: Tensor, speech_rows: Tensor
) -> None:
    portraits = torch.cat((toy_portrait, -toy_portrait))
    conditions = gather_conditions(toy_networks.autoencoder, toy_networks.preset, portraits)
    video, state = advance(
        toy_networks, conditions, opening_state(conditions, 0),
        speech_rows.expand(2, -1, -1, -1, -1), toy_networks.preset.sampler,
    )  # fmt: skip
    assert video.shape == (2, 3, 28, 64, 64)
    assert state.motion_latents.shape == (2, 44, 2, 2, 2)


def test_noise_depends_on_seed_and_chunk_alone() -> None:
    def noise(seed: int, chunk_index: int) -> Tensor:
        state = SessionState(torch.zeros(1, 2, 1, 2, 2), chunk_index=chunk_index, seed=seed)
        return noise_source(state, (1, 2, 9, 8, 8))()

    assert torch.equal(noise(1, 2), noise(1, 2))
    assert not torch.equal(noise(1, 2), noise(2, 1))
    assert not torch.equal(noise(0, 0), noise(0, 1))
    assert noise(0, 0).std() == pytest.approx(1.0, abs=0.1)


def test_stages_are_timed_on_request(
    toy_networks: Networks, conditions: Conditions, speech_rows: Tensor
) -> None:
    timer = StageTimer(torch.device("cpu"))
    advance(
        toy_networks, conditions, opening_state(conditions, 0), speech_rows,
        toy_networks.preset.sampler, timer=timer,
    )  # fmt: skip
    seconds = timer.take()
    assert set(seconds) == {"denoise", "decode", "color", "encode"}
    assert all(value > 0 for value in seconds.values())
    assert timer.take() == {}
