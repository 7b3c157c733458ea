"""Stage 1's loss of the embedded model: what is clean, noised and left out of a chunk."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from stage1_losses import TINY_OBJECTIVE, loss_of
from torch import Tensor, nn

from flashtalk.config import TINY, Preset
from flashtalk.models.tiny.denoiser import TinyDenoiser
from flashtalk.models.tiny.face_code import FEATURES, FLOW
from flashtalk.models.tiny.speech_encoder import SpeechEncoder
from flashtalk.stream.schedule import shifted_timesteps
from lab.training.data.chunks import (
    SHORT_CHUNK_FRAMES,
    Bucket,
    ChunkBatch,
    windowed_features,
)
from lab.training.data.latents import LatentClip, LatentSampler
from lab.training.losses.stage1_loss import (
    PLAIN,
    TINY_LOSS,
    chunk_loss,
    draw_times,
)
from lab.training.tiny.objective import (
    FLOW_NOISE,
    MOTION_NOISE,
    TinyObjective,
    set_carried_share,
)

SIZES = ((64, 64), (96, 64))
SHORT_BUCKETS = (Bucket(17, 64, 64), Bucket(17, 96, 64))


@pytest.fixture(scope="module")
def sampler() -> LatentSampler:
    rng = np.random.default_rng(0)
    clip = LatentClip(
        codes=rng.standard_normal((60, len(FEATURES), 8, 8)).astype(np.float16),
        reference=rng.standard_normal((len(FEATURES), 8, 8)).astype(np.float16),
        samples=(0.1 * rng.standard_normal(60 * 640)).astype(np.float32),
        curves=np.zeros((60, 2), np.float32),
        closed=np.zeros(60, np.float32),
    )
    return LatentSampler([clip], TINY, seed=0)


@pytest.fixture(scope="module")
def model() -> TinyDenoiser:
    torch.manual_seed(0)
    model = TinyDenoiser(TINY.transformer).requires_grad_(False)
    set_carried_share(model)
    for name, parameter in model.named_parameters():  # new ones have closed gates
        if "flow_anchor" not in name and "smoothing" not in name and parameter.dim() > 1:
            parameter.normal_(std=0.05)
    return model


def embedded(sampler: LatentSampler) -> tuple[Preset, ChunkBatch]:
    """Two chunks with random speech."""
    preset, (latents, reference, weight, closed, _) = sampler.draw(2)
    features = preset.transformer.speech
    frames = preset.geometry.chunk_frames
    speech = torch.randn(2, frames, features.window_frames, features.layers, features.width)
    return preset, ChunkBatch(latents, reference, weight, speech, closed)


def test_batches_have_one_length_and_all_lengths_come(sampler, model) -> None:
    encoder = SpeechEncoder(TINY.speech_encoder).eval().requires_grad_(False)
    lengths, losses = {TINY.geometry.chunk_frames, SHORT_CHUNK_FRAMES}, {}
    for _ in range(60):
        preset, (latents, reference, weight, closed, samples) = sampler.draw(2)
        frames = preset.geometry.chunk_frames
        assert latents.shape[2] == weight.shape[2] == preset.geometry.chunk_latents
        assert closed.shape == (2, frames)
        assert samples.shape == (2, preset.geometry.speech_window_samples)
        if frames not in losses:
            speech = windowed_features(encoder, samples, preset)
            assert speech.shape[1] == frames
            chunks = ChunkBatch(latents, reference, weight, speech, closed)
            losses[frames] = loss_of(model, chunks, preset)
        if len(losses) == len(lengths):
            break
    assert set(losses) == lengths
    assert all(np.isfinite(loss) and loss > 0 for loss in losses.values())


class KnownFlow(nn.Module):
    """In the network's place: the true velocity, as far as its input tells it, and an error.

    Given latents tell no velocity; what is said there must not matter.
    """

    def __init__(self, true: Tensor, error_at: int | None, anchored: bool) -> None:
        super().__init__()
        self.anchored = anchored
        self.true = true
        self.error_at = error_at

    def project_speech(self, speech: Tensor) -> Tensor:
        return speech

    def condition(self, reference: Tensor, *_: Tensor | int | None) -> Tensor:
        return reference

    def forward(self, noisy: Tensor, timestep: Tensor, *_: Tensor, num_motion: int) -> Tensor:
        motion = num_motion
        assert motion in (1, 2)
        assert not torch.equal(noisy[:, :, motion], self.true[:, :, motion])
        velocity = (noisy - self.true) / (timestep / 1000.0).view(-1, 1, 1, 1, 1)
        velocity[:, :, :motion] = 100.0
        if self.error_at is not None:
            velocity[:, :, motion + self.error_at] += 1.0
        return velocity


@pytest.mark.parametrize("anchored", [False, True])
def test_a_chunk_teaches_the_flow_behind_the_latents_that_are_given(anchored, toy_networks) -> None:
    preset = toy_networks.preset
    torch.manual_seed(0)
    latents = torch.randn(2, 44, 9, 2, 2)
    chunks = ChunkBatch(
        latents=latents,
        reference=torch.randn(2, 44, 1, 2, 2),
        weight=torch.ones_like(latents),
        speech=torch.randn(2, 33, 5, 2, 8),
    )
    for _ in range(8):  # a single given latent and two
        figures = [
            chunk_loss(KnownFlow(latents, error_at, anchored), chunks, preset, TINY_LOSS)[1]
            for error_at in (None, 0)
        ]
        assert figures[0]["flow"] < 1e-6 and figures[0]["temporal"] < 1e-6
        assert figures[1]["flow"] > 1e-4 and figures[1]["temporal"] > 1e-4


def test_without_speech_the_loss_does_not_depend_on_it(sampler, model) -> None:
    preset, chunks = embedded(sampler)
    other = replace(chunks, speech=torch.randn_like(chunks.speech))
    for dropped, same in ((1.0, True), (0.0, False)):
        losses = [loss_of(model, each, preset, no_speech=dropped) for each in (chunks, other)]
        assert (losses[0] == losses[1]) is same


class Bending(TinyObjective):
    """Motion latents are bent, but carry no noise."""

    def motion_noise(self, motion_latents: Tensor) -> Tensor:
        return torch.zeros_like(motion_latents)


@pytest.mark.parametrize(("share", "motion"), [(1.0, 1), (0.0, 2)])
def test_a_cold_start_has_one_motion_latent_and_else_there_are_two(
    sampler, model, share: float, motion: int
) -> None:
    preset, chunks = embedded(sampler)
    given = []
    hook = model.register_forward_pre_hook(lambda _, inputs: given.append(inputs))
    loss_of(model, chunks, preset, Bending(TINY.transformer), cold_start=share)
    hook.remove()
    latents, _, condition = given[0][:3]
    mask = condition[0, 0, :, 0, 0]
    assert mask.tolist() == [1.0] * motion + [0.0] * (len(mask) - motion)
    if motion == 1:  # with two, both are bent
        assert torch.equal(latents[:, :, :1], chunks.latents[:, :, :1])
    assert not torch.equal(latents[:, :, motion], chunks.latents[:, :, motion])


@pytest.mark.parametrize(("motion", "share"), [(1, 1.0), (2, 0.0)])
def test_what_is_given_is_outside_the_loss(sampler, model, motion: int, share: float) -> None:
    preset, chunks = embedded(sampler)
    usual = loss_of(model, chunks, preset, cold_start=share)
    for latent, same in ((motion - 1, True), (motion, False)):
        weight = chunks.weight.clone()
        weight[:, :, latent, 0] *= 100.0
        other = loss_of(model, replace(chunks, weight=weight), preset, cold_start=share)
        assert (other == usual) is same


def test_half_of_the_times_are_the_samplers_and_the_others_are_shifted() -> None:
    torch.manual_seed(0)
    visited = torch.tensor(shifted_timesteps(TINY.sampler)[:-1]) / 1000
    times = draw_times(20_000, TINY.sampler, 0.5)
    at_a_step = torch.isin(times, visited)
    assert abs(at_a_step.float().mean() - 0.5) < 0.01
    for step in visited:
        assert abs((times == step).float().mean() - 0.125) < 0.01
    for chosen in (times[~at_a_step], draw_times(20_000, TINY.sampler, 0.0)):
        assert chosen.min() > 0.0 and chosen.max() <= 1.0
        uniform = chosen / (5.0 - 4.0 * chosen)  # the shift by 5, undone
        quarters = torch.tensor([(uniform < quarter).float().mean() for quarter in (0.25, 0.5)])
        torch.testing.assert_close(quarters, torch.tensor([0.25, 0.5]), atol=0.015, rtol=0)
    assert torch.isin(draw_times(100, TINY.sampler, 1.0), visited).all()


def test_motion_noise_is_weak_where_motion_encoding_is_exact() -> None:
    torch.manual_seed(0)
    noise = TINY_OBJECTIVE.motion_noise(torch.zeros(3000, 4 * len(FEATURES), 1, 2, 2))
    spread = noise.unflatten(1, (4, -1)).square().mean(dim=(0, 1, 3, 4, 5)).sqrt()
    for name, value in zip(FEATURES, spread, strict=True):
        strength = FLOW_NOISE if name in FLOW else MOTION_NOISE
        assert value.item() == pytest.approx(strength / 3**0.5, rel=0.1)  # share uniform in 0..1
    # one share for all of a chunk: some chunks have nearly none
    each = noise[:, 4].square().mean(dim=(1, 2, 3)).sqrt()
    assert each.min() < 0.05 * each.max()


def test_only_the_objective_of_the_embedded_model_adds_it(sampler, model) -> None:
    preset, chunks = embedded(sampler)
    given = []
    hook = model.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0][:, :, :1]))
    for objective in (PLAIN, TINY_OBJECTIVE):
        loss_of(model, chunks, preset, objective, cold_start=1.0)
    hook.remove()
    assert torch.equal(given[0], chunks.latents[:, :, :1])
    assert 0.0 < (given[1] - given[0]).abs().mean() < MOTION_NOISE


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_finds_about_the_same_loss(sampler, model) -> None:
    """Its random numbers are others: what is compared is the mean of several batches."""
    gpu = copy.deepcopy(model).cuda()
    means = []
    for network, device in ((model, "cpu"), (gpu, "cuda")):
        losses = []
        for _ in range(8):
            preset, chunks = embedded(sampler)
            parts = {
                name: value.to(device) for name, value in vars(chunks).items() if value is not None
            }
            losses.append(
                chunk_loss(network, ChunkBatch(**parts), preset, TINY_LOSS, TINY_OBJECTIVE)[
                    0
                ].item()
            )
        means.append(np.mean(losses))
    assert means[1] == pytest.approx(means[0], rel=0.3)
