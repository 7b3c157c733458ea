"""The roll-out is a live session, and one denoising step of it is trained."""

import copy
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes import scene_of
from torch import Tensor

from flashtalk.models.networks import Networks
from flashtalk.models.pixels import to_pixels
from flashtalk.stream.chunk import conditioned_velocity
from flashtalk.stream.color import match_color
from flashtalk.stream.denoise import hold_motion
from flashtalk.stream.session import Session
from flashtalk.stream.speech_buffer import SpeechBuffer
from lab.training.data.talks import gather_talk, session_windows
from lab.training.rollout import Draw, LastChunk, Talk, roll_out, shared_draw

CHUNKS = 3


@pytest.fixture(scope="module")
def samples(speech: np.ndarray, toy_networks: Networks) -> np.ndarray:
    geometry = toy_networks.preset.geometry
    repeated = np.tile(speech, 2)
    return repeated[: CHUNKS * geometry.new_samples + geometry.lookahead_samples]


@pytest.fixture(scope="module")
def talk(toy_networks: Networks, toy_portrait: Tensor, samples: np.ndarray) -> Talk:
    return gather_talk(toy_networks, toy_portrait, torch.from_numpy(samples)[None])


@pytest.fixture
def learner(toy_networks: Networks) -> Networks:
    transformer = copy.deepcopy(toy_networks.transformer).requires_grad_(True)
    return replace(toy_networks, transformer=transformer)


def frames_of(networks: Networks, talk: Talk, chunk: LastChunk) -> np.ndarray:
    """What a session would show of the chunk."""
    latents = hold_motion(chunk.estimate, chunk.state.motion_latents)
    guidance = talk.conditions.guidance
    video = networks.autoencoder.decode(
        latents, guidance, skip_frames=networks.preset.geometry.motion_frames
    )
    strength = networks.preset.sampler.color_strength
    return to_pixels(match_color(video, talk.conditions.color, strength)[0])


def test_roll_outs_are_the_chunks_of_a_live_session(toy_networks, talk, samples) -> None:
    session = Session(scene_of(toy_networks, talk.conditions), seed=7)
    live = [chunk.frames for chunk in session.push(samples)]
    assert len(live) == CHUNKS
    last_step = toy_networks.preset.sampler.steps - 1
    for count in range(1, CHUNKS + 1):
        draw = Draw(count, last_step)
        with torch.no_grad():
            chunk = roll_out(toy_networks, talk, draw, toy_networks.preset.sampler, seed=7)
        # the same but for the order of sums: fewer are decoded at once, which may round differently
        # by one level, seldom, and by a few at the edge of a lens
        rolled = frames_of(toy_networks, talk, chunk).astype(int)
        away = np.abs(rolled - live[count - 1])
        assert (away > 0).mean() < 1e-3 and (away > 1).mean() < 1e-4 and away.max() <= 8
        assert chunk.num_motion == (1 if count == 1 else 2)


def test_windows_are_what_a_session_hears(toy_networks, samples) -> None:
    geometry = toy_networks.preset.geometry
    windows = session_windows(torch.from_numpy(samples)[None], geometry)
    buffer = SpeechBuffer(geometry.speech_window_samples, geometry.lookahead_samples)
    buffer.append(samples)
    for index in range(CHUNKS):
        buffer.take(geometry.new_samples)
        assert np.array_equal(windows[0, index].numpy(), buffer.window)


@pytest.fixture
def passes(learner: Networks) -> Iterator[list[bool]]:
    """Whether gradients were on, for each pass of the generator."""
    seen: list[bool] = []
    hook = learner.transformer.register_forward_hook(
        lambda *_: seen.append(torch.is_grad_enabled())
    )
    yield seen
    hook.remove()


@pytest.mark.parametrize(("count", "exit_step"), [(1, 0), (1, 3), (3, 1)])
def test_one_step_of_the_last_chunk_is_trained(learner, talk, passes, count, exit_step) -> None:
    chunk = roll_out(learner, talk, Draw(count, exit_step), learner.preset.sampler, seed=0)
    assert passes == [False] * ((count - 1) * 4 + exit_step) + [True]
    assert chunk.estimate.requires_grad
    assert not chunk.state.motion_latents.requires_grad


def test_the_gradient_is_that_of_the_last_step_alone(learner, talk) -> None:
    """Were an earlier chunk or step in the graph, there would be more."""
    inputs: list[tuple[Tensor, Tensor, Tensor]] = []
    hook = learner.transformer.register_forward_pre_hook(
        lambda _, given: inputs.append(tuple(each.detach() for each in given[:3]))
    )
    chunk = roll_out(learner, talk, Draw(2, 2), learner.preset.sampler, seed=0)
    hook.remove()
    chunk.estimate.square().mean().backward()
    rolled = [p.grad.clone() for p in learner.transformer.parameters()]

    learner.transformer.zero_grad()
    noisy, timestep, condition = inputs[-1]
    velocity = conditioned_velocity(learner.transformer, condition, talk.speech[:, 1], num_motion=2)
    share = timestep.item() / 1000
    (noisy - share * velocity(noisy, timestep.item())).square().mean().backward()
    for expected, parameter in zip(rolled, learner.transformer.parameters(), strict=True):
        assert torch.allclose(expected, parameter.grad, atol=1e-6)
    projector = learner.transformer.audio_proj.proj1.weight
    assert projector.grad.abs().sum() > 0  # the speech is learned, too


def test_draws_are_shared_and_uniform() -> None:
    draws = [shared_draw((5, step, 0), 5, 4) for step in range(2000)]
    assert draws == [shared_draw((5, step, 0), 5, 4) for step in range(2000)]
    assert draws != [shared_draw((6, step, 0), 5, 4) for step in range(2000)]
    chunks = np.bincount([draw.chunks for draw in draws])
    exits = np.bincount([draw.exit_step for draw in draws])
    assert chunks[0] == 0 and len(chunks) == 6 and chunks[1:].min() > 330
    assert len(exits) == 4 and exits.min() > 420


def test_speech_must_last_as_long_as_the_roll_out(toy_networks, talk) -> None:
    with pytest.raises(ValueError, match="4 chunks needs as many of speech, got 3"):
        roll_out(toy_networks, talk, Draw(4, 0), toy_networks.preset.sampler, seed=0)
