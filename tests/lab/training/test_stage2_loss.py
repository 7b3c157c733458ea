"""Stage 2's losses at toy size: each equation is given the right tensors of the right networks."""

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes import velocity_preset, with_velocity
from torch import Tensor, nn

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.weights import build_networks
from lab.training.data.talks import TalkSource
from lab.training.distributed import checkpoint_activations
from lab.training.losses.stage2_loss import GENERATOR, Distillation, Stage2Config
from lab.training.rollout import shared_draw

CONFIG = Stage2Config(chunks=2, batch=1, audio_guidance=3.0)


class Witness(Distillation):
    """Distillation that remembers what its equations were given."""

    def _chunk(self, index, network):
        self.talk, self.chunk, exit_step, chance = super()._chunk(index, network)
        if self.chunk.estimate.requires_grad:
            self.chunk.estimate.retain_grad()
        return self.talk, self.chunk, exit_step, chance

    def _noised(self, chunk, exit_step, chance):
        self.noisy, self.noise, self.times = super()._noised(chunk, exit_step, chance)
        return self.noisy, self.noise, self.times

    def real_estimate(self, talk, chunk, noisy, times):
        self.real = super().real_estimate(talk, chunk, noisy, times)
        return self.real


@pytest.fixture
def losses(toy_networks: Networks, source: TalkSource) -> Callable[..., Witness]:
    def make(**settings) -> Witness:
        real = with_velocity(toy_networks.transformer)
        generator, fake = (copy.deepcopy(real).requires_grad_(True) for _ in range(2))
        preset = velocity_preset(toy_networks.preset)
        learner = replace(toy_networks, transformer=generator, preset=preset)
        config = replace(CONFIG, **settings)
        return Witness(learner, real, fake, source, config)

    return make


def gradient_of(model: torch.nn.Module) -> float:
    return sum(p.grad.abs().sum().item() for p in model.parameters() if p.grad is not None)


def test_each_loss_trains_its_own_network(losses) -> None:
    distillation = losses()
    generator, fake = distillation.networks.transformer, distillation.fake_score
    loss, figures = distillation.generator_step(0)
    loss.backward()
    assert gradient_of(generator) > 0 and gradient_of(fake) == 0
    assert set(figures) == {"dmd", "real_gap", "score_gap", "motion"}
    generator.zero_grad()
    loss, figures = distillation.critic_step(0)
    loss.backward()
    assert gradient_of(fake) > 0 and gradient_of(generator) == 0
    assert not any(p.requires_grad for p in distillation.real_score.parameters())


def test_without_guidance_two_equal_scores_leave_the_generator_alone(losses) -> None:
    """At the start the fake score is the real one: all that pulls is the guidance."""
    _, figures = losses(audio_guidance=1.0, motion_weight=0.0).generator_step(0)
    assert figures["score_gap"] < 1e-5 * figures["real_gap"]
    _, guided = losses(motion_weight=0.0).generator_step(0)
    assert guided["score_gap"] > 0.003 * guided["real_gap"]


def test_a_step_repeats_itself_and_every_step_and_seed_is_another(losses) -> None:
    values = [
        losses(seed=seed).critic_step(index)[0].item()
        for seed, index in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert values[0] == values[1]
    assert len(set(values)) == 3


@pytest.mark.parametrize(
    "setting", [{"teacher_motion": "noised"}, {"times": "interval"}, {"draws": 3}]
)
def test_options_change_the_gradient(losses, setting) -> None:
    usual, _ = losses().generator_step(1)
    other, figures = losses(**setting).generator_step(1)
    assert other.item() != usual.item()
    assert np.isfinite(list(figures.values())).all()


def test_several_draws_judge_the_same_chunk_and_keep_motion_latents_clean(losses) -> None:
    distillation = losses(draws=3)
    talk, chunk, exit_step, chance = distillation._chunk(0, 0)
    noisy, noise, times = distillation._noised(chunk, exit_step, chance)
    assert noisy.shape == noise.shape == (3, *chunk.estimate.shape[1:])
    assert len(set(times.tolist())) == 3
    given = noisy[:, :, : chunk.num_motion]
    assert torch.equal(given, chunk.state.motion_latents.expand_as(given))
    one = distillation._velocity(distillation.real_score, talk, chunk, noisy, times)
    assert one.shape == noisy.shape and not torch.equal(one[0], one[1])


def test_recomputing_activations_changes_neither_gradients_nor_names(losses) -> None:
    gradients = []
    for recompute in (False, True):
        distillation = losses()
        generator = distillation.networks.transformer
        if recompute:
            checkpoint_activations(generator)
        assert set(generator.state_dict()) == set(distillation.real_score.state_dict())
        distillation.generator_step(3)[0].backward()
        gradients.append([p.grad for p in generator.parameters() if p.grad is not None])
        assert len(gradients[-1]) > 40
    assert all(map(torch.equal, *gradients))


# --- what the equations are given -----------------------------------------------------------------
def fake_estimate(distillation: Witness) -> Tensor:
    """Clean latents as the fake score, and no other network, sees them at the drawn times."""
    with torch.no_grad():
        velocity = distillation._velocity(
            distillation.fake_score,
            distillation.talk,
            distillation.chunk,
            distillation.noisy,
            distillation.times,
        )
    return distillation.noisy - distillation.times.view(-1, 1, 1, 1, 1) * velocity


def changed(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape, generator=generator))


@pytest.fixture(params=[1, 2], ids=["first chunk", "second chunk"])
def pulled(request, losses) -> tuple[Witness, Callable[[float], Tensor]]:
    """A fake score that is not the teacher, and minus the gradient by the judged latents."""
    first = request.param == 1
    distillation = losses(chunks=1 if first else 2)
    changed(distillation.fake_score)

    def pull(motion_weight: float) -> Tensor:
        distillation.config = replace(distillation.config, motion_weight=motion_weight)
        index = next(
            index
            for index in range(20)
            if shared_draw((0, index, GENERATOR), distillation.config.chunks, 4).chunks
            == request.param
        )
        distillation.generator_step(index)[0].backward()
        assert distillation.chunk.num_motion == request.param
        return -distillation.chunk.estimate.grad

    return distillation, pull


def test_generated_latents_are_pulled_from_the_fake_to_the_real_score(pulled) -> None:
    distillation, pull = pulled
    step = pull(0.0)
    motion, student = distillation.chunk.num_motion, distillation.chunk.estimate.detach()
    real, fake = distillation.real[:, :, motion:], fake_estimate(distillation)[:, :, motion:]
    size = (student[:, :, motion:] - real).abs().mean()
    assert (real - fake).abs().mean() > 0.01 * size
    expected = (real - fake) / size / real.numel()
    torch.testing.assert_close(step[:, :, motion:], expected, rtol=1e-3, atol=1e-3 * expected.std())
    assert not step[:, :, :motion].any()


def test_given_latents_are_pulled_to_the_real_score_by_the_alignment_alone(pulled) -> None:
    distillation, pull = pulled
    step = pull(2.0)
    motion, student = distillation.chunk.num_motion, distillation.chunk.estimate.detach()
    away = (distillation.real - student)[:, :, :motion]
    latents = student.shape[2]
    expected = 2.0 * motion / (latents - motion) * away / away.abs().mean() / away.numel()
    torch.testing.assert_close(step[:, :, :motion], expected, rtol=1e-3, atol=1e-6)
    assert torch.equal(step[:, :, motion:], pull(0.0)[:, :, motion:])


class KnownFlow(nn.Module):
    """In the fake score's place: the true velocity of what the critic is shown, and an error."""

    def __init__(self, seen: Witness) -> None:
        super().__init__()
        self.seen = [seen]  # not a part of this network
        self.error_at: slice | None = None

    def project_speech(self, speech: Tensor) -> Tensor:
        return speech

    def control(self, *_: object) -> None:
        return None

    def condition(self, reference: Tensor, *_: object) -> Tensor:
        return reference

    def forward(self, noisy: Tensor, timestep: Tensor, *_: object, **__: object) -> Tensor:
        seen = self.seen[0]
        assert torch.equal(noisy, seen.noisy) and torch.equal(timestep, 1000 * seen.times)
        velocity = seen.noise - seen.chunk.estimate
        if self.error_at is not None:
            velocity[:, :, self.error_at] += 3.0
        return velocity


@pytest.mark.parametrize("anchored", [False, True])
def test_the_critic_learns_the_flow_from_the_students_latents_to_the_noise(
    losses, anchored, monkeypatch
) -> None:
    distillation = losses()
    networks = distillation.networks
    monkeypatch.setattr(networks.transformer, "anchored", anchored)
    flow = distillation.fake_score = KnownFlow(distillation)
    assert distillation.critic_step(0)[0] < 1e-12
    motion = distillation.chunk.num_motion
    flow.error_at = slice(0, motion)
    assert distillation.critic_step(0)[0] < 1e-12
    flow.error_at = slice(motion, motion + 1)
    error = 3.0 * distillation.times.item() if anchored else 3.0
    loss = distillation.critic_step(0)[0].item()
    assert loss == pytest.approx(error**2 / (distillation.noisy.shape[2] - motion), rel=1e-4)


# --- settings that need another network -----------------------------------------------------------
def test_who_counts_from_the_given_latents_has_no_noised_teacher(source: TalkSource) -> None:
    networks = build_networks(TINY)
    models = (networks, networks.transformer, networks.transformer)
    with pytest.raises(FlashTalkError, match=r"flashtalk-tiny.* Use --teacher-motion clean"):
        Distillation(*models, source, replace(CONFIG, teacher_motion="noised"))
