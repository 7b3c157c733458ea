"""The pure chunk step: shapes, determinism, pieces, gradients."""

from dataclasses import replace

import pytest
import torch
from scenes import pieces_of, scene_of
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from flashtalk.conditions import Conditions, gather_conditions
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.stream.chunk import advance, fragment_bounds, sample, skip
from flashtalk.stream.state import SessionState, noise_source, opening_state
from flashtalk.stream.timing import StageTimer


@pytest.fixture
def conditions(toy_networks: Networks, toy_portrait: Tensor) -> Conditions:
    return gather_conditions(toy_networks, toy_portrait)


@pytest.fixture
def speech_rows() -> Tensor:
    return torch.randn(1, 33, 5, 2, 8, generator=torch.Generator().manual_seed(5))


def test_two_chunks(toy_networks: Networks, conditions: Conditions, speech_rows: Tensor) -> None:
    scene = scene_of(toy_networks, conditions)
    state = opening_state(conditions, seed=3)
    assert state.motion_latents.shape == (1, 44, 1, 2, 2)
    first, after_first = advance(scene, state, speech_rows)
    second, after_second = advance(scene, after_first, speech_rows)
    for video in (first, second):
        assert video.shape == (1, 3, 28, 64, 64)
        assert video.dtype == torch.float32
        assert video.abs().max() <= 1.0
        assert video.std() > 0.05
    assert not torch.allclose(first, second)
    assert after_first.motion_latents.shape == (1, 44, 2, 2, 2)
    assert (after_first.chunk_index, after_second.chunk_index) == (1, 2)
    assert state.chunk_index == 0  # nothing was changed in place


def test_motion_latents_are_those_of_the_last_frames(
    toy_networks: Networks, conditions: Conditions, speech_rows: Tensor
) -> None:
    scene = scene_of(toy_networks, conditions, color_strength=0.0)
    video, after = advance(scene, opening_state(conditions, 0), speech_rows)
    again = toy_networks.autoencoder.decode(after.motion_latents, conditions.guidance)
    assert torch.allclose(again, video[:, :, -5:], atol=1e-4)  # other batch sizes


def test_every_input_matters(
    toy_networks: Networks, conditions: Conditions, speech_rows: Tensor
) -> None:
    state = opening_state(conditions, seed=0)

    def video(state: SessionState = state, speech: Tensor = speech_rows, **changes: float):
        return advance(scene_of(toy_networks, conditions, **changes), state, speech)[0]

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
    scene, start = scene_of(toy_networks, conditions), opening_state(conditions, seed=0)
    videos, after = pieces_of(scene, start, speech_rows, first)
    whole, state = advance(scene, start, speech_rows)
    assert videos[0].shape[2] == first
    # Equal but for the order of sums: other batch sizes, other convolution kernels.
    assert torch.allclose(torch.cat(videos, dim=2), whole, atol=1e-3)
    assert torch.equal(after.motion_latents, state.motion_latents)


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
    """No hidden no_grad: pixels, and what the next chunk continues, reach the speech."""
    speech = speech_rows.clone().requires_grad_()
    scene = scene_of(toy_networks, conditions, steps=1)
    video, state = advance(scene, opening_state(conditions, 0), speech)
    for made in (video, state.motion_latents):
        (gradient,) = torch.autograd.grad(made.square().mean(), speech, retain_graph=True)
        assert gradient.isfinite().all()
        assert gradient.abs().max() > 0


def test_a_batch_is_advanced_together(
    toy_networks: Networks, toy_portrait: Tensor, speech_rows: Tensor
) -> None:
    portraits = torch.cat((toy_portrait, -toy_portrait))
    conditions = gather_conditions(toy_networks, portraits)
    scene = scene_of(toy_networks, conditions)
    start = opening_state(conditions, 0)
    video, state = advance(scene, start, speech_rows.expand(2, -1, -1, -1, -1))
    assert video.shape == (2, 3, 28, 64, 64)
    assert state.motion_latents.shape == (2, 44, 2, 2, 2)


def test_noise_depends_on_seed_and_chunk_alone() -> None:
    def noise(seed: int, chunk_index: int) -> Tensor:
        state = SessionState(torch.zeros(1, 2, 1, 2, 2), chunk_index=chunk_index, seed=seed)
        return noise_source(state, (1, 2, 9, 8, 8), draws=1)()

    assert torch.equal(noise(1, 2), noise(1, 2))
    assert not torch.equal(noise(1, 2), noise(2, 1))
    assert not torch.equal(noise(0, 0), noise(0, 1))
    assert noise(0, 0).std() == pytest.approx(1.0, abs=0.1)


def test_stages_are_timed_on_request(
    toy_networks: Networks, conditions: Conditions, speech_rows: Tensor
) -> None:
    timer = StageTimer(torch.device("cpu"))
    scene = scene_of(toy_networks, conditions, timer=timer)
    advance(scene, opening_state(conditions, 0), speech_rows)
    seconds = timer.take()
    assert set(seconds) == {"denoise", "decode", "color", "motion_encode"}
    assert all(value > 0 for value in seconds.values())
    assert timer.take() == {}


def test_each_step_can_be_the_last(
    toy_networks: Networks, conditions: Conditions, speech_rows: Tensor
) -> None:
    scene, state = scene_of(toy_networks, conditions), opening_state(conditions, 0)
    usual = sample(scene, state, speech_rows)
    estimates = [sample(scene, state, speech_rows, exit_step) for exit_step in range(4)]
    assert torch.equal(estimates[3], usual)
    assert not any(torch.allclose(each, usual, atol=1e-3) for each in estimates[:3])
    for wrong in (-1, 4):
        with pytest.raises(ValueError, match=f"exit_step must be in 0 .. 3, got {wrong}"):
            sample(scene, state, speech_rows, wrong)


def test_a_skipped_chunk_leaves_the_state_of_one_that_is_shown(
    toy_networks: Networks, conditions: Conditions, speech_rows: Tensor
) -> None:
    scene, state = scene_of(toy_networks, conditions), opening_state(conditions, 0)
    skipped, shown = skip(scene, state, speech_rows), advance(scene, state, speech_rows)[1]
    assert torch.equal(skipped.motion_latents, shown.motion_latents)
    assert skipped.chunk_index == 1


def test_no_denoising_step_waits_for_a_value(
    toy_networks: Networks, conditions: Conditions, speech_rows: Tensor
) -> None:
    """A tensor's value that Python reads stops a GPU's queue."""
    scene, state = scene_of(toy_networks, conditions), opening_state(conditions, 0)
    _, state = advance(scene, state, speech_rows)
    with ValuesRead() as read:
        sample(scene, state, speech_rows)
    assert read.operations == []
    with ValuesRead() as read:
        speech_rows.sum().item()
    assert read.operations == ["aten._local_scalar_dense.default"]


class ValuesRead(TorchDispatchMode):
    """Operations whose result leaves the device."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if "_local_scalar_dense" in str(func) or "nonzero" in str(func):
            self.operations.append(str(func))
        return func(*args, **(kwargs or {}))
