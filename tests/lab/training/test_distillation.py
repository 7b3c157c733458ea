"""The equations of Stage 2: sign, normalizer, what they leave out."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from flashtalk.config import SamplerConfig
from flashtalk.stream.schedule import shifted_timesteps
from lab.training.losses.distillation import (
    critic_loss,
    dmd_gradient,
    dmd_loss,
    guided,
    interval_times,
    motion_alignment,
    score_times,
)

MOTION = 2
SHAPE = (2, 3, 9, 2, 2)


def normal(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def changed_at_motion(latents: Tensor) -> Tensor:
    changed = latents.clone()
    changed[:, :, :MOTION] += 5.0
    return changed


def after_descent(student: Tensor, loss: Callable[[Tensor], Tensor], rate: float) -> Tensor:
    student = student.clone().requires_grad_()
    loss(student).backward()
    return (student - rate * student.grad).detach()


def test_the_student_moves_toward_the_real_score() -> None:
    """Where the fake score sees the student as it is, only the teacher's pull is left."""
    student, real = normal(0), normal(1)
    gradient = dmd_gradient(student, student, real, MOTION)
    moved = after_descent(student, lambda x: dmd_loss(x, gradient, MOTION), rate=10.0)
    before = (student - real)[:, :, MOTION:].abs()
    after = (moved - real)[:, :, MOTION:].abs()
    assert after.mean() < before.mean()
    assert (after < before).float().mean() > 0.9


def test_the_student_moves_away_from_where_it_already_is() -> None:
    student, real, fake = normal(0), normal(1), normal(2)
    gradient = dmd_gradient(student, fake, real, MOTION)
    moved = after_descent(student, lambda x: dmd_loss(x, gradient, MOTION), rate=1.0)
    step = (moved - student)[:, :, MOTION:]
    assert (step * (real - fake)[:, :, MOTION:]).sum() > 0
    cosine = torch.cosine_similarity(
        step.flatten(1), (real - fake)[:, :, MOTION:].flatten(1), dim=1
    )
    assert torch.allclose(cosine, torch.ones(2), atol=1e-5)


def test_the_loss_has_the_gradient_that_was_asked_for() -> None:
    student, gradient = normal(0).requires_grad_(), normal(1)[:, :, MOTION:]
    dmd_loss(student, gradient, MOTION).backward()
    assert torch.allclose(student.grad[:, :, MOTION:] * gradient.numel(), gradient, atol=1e-6)


def test_motion_latents_take_no_part_in_the_dmd_loss() -> None:
    student, fake, real = normal(0), normal(1), normal(2)
    gradient = dmd_gradient(student, fake, real, MOTION)
    others = [changed_at_motion(each) for each in (student, fake, real)]
    assert torch.equal(dmd_gradient(*others, MOTION), gradient)
    assert gradient.shape[2] == SHAPE[2] - MOTION
    moved = after_descent(student, lambda x: dmd_loss(x, gradient, MOTION), rate=100.0)
    assert torch.equal(moved[:, :, :MOTION], student[:, :, :MOTION])
    assert not torch.equal(moved[:, :, MOTION:], student[:, :, MOTION:])


def test_the_normalizer_takes_out_scale_sample_by_sample() -> None:
    student, fake, real = normal(0), normal(1), normal(2)
    gradient = dmd_gradient(student, fake, real, MOTION)
    scale = torch.tensor([1.0, 7.0]).view(2, 1, 1, 1, 1)
    scaled = dmd_gradient(student * scale, fake * scale, real * scale, MOTION)
    assert torch.allclose(scaled, gradient, atol=1e-5)
    size = (student - real)[:, :, MOTION:].abs().mean(dim=(1, 2, 3, 4), keepdim=True)
    assert torch.allclose(gradient * size, (fake - real)[:, :, MOTION:], atol=1e-5)


def test_scores_that_agree_exactly_give_no_gradient_and_no_nan() -> None:
    assert torch.equal(
        dmd_gradient(normal(0), normal(0), normal(0), MOTION).abs().sum(), torch.tensor(0.0)
    )


def test_nothing_flows_into_the_scores() -> None:
    student, fake, real = (normal(seed).requires_grad_() for seed in range(3))
    assert not dmd_gradient(student, fake, real, MOTION).requires_grad
    motion_alignment(student, real, MOTION).backward()
    assert real.grad is None


@pytest.mark.parametrize(("motion", "weight"), [(1, 1 / 8), (2, 2 / 7)])
def test_alignment_pulls_the_given_latents_alone_and_is_weighted(motion, weight) -> None:
    student, real = normal(0), normal(1)
    loss = motion_alignment(student, real, motion)
    difference = (student - real)[:, :, :motion]
    size = difference.abs().mean(dim=(1, 2, 3, 4), keepdim=True)
    assert loss.item() == pytest.approx(weight * 0.5 * (difference / size).square().mean().item())
    moved = after_descent(student, lambda x: motion_alignment(x, real, motion), rate=1.0)
    assert torch.equal(moved[:, :, motion:], student[:, :, motion:])
    assert (moved - real)[:, :, :motion].abs().mean() < difference.abs().mean()


def test_the_critic_learns_the_students_flow_without_motion_latents() -> None:
    clean, noise = normal(0), normal(1)
    assert critic_loss(noise - clean, clean, noise, MOTION).item() == 0.0
    assert critic_loss(clean - noise, clean, noise, MOTION).item() > 1.0  # the sign matters
    velocity = normal(2)
    loss = critic_loss(velocity, clean, noise, MOTION)
    assert torch.equal(critic_loss(changed_at_motion(velocity), clean, noise, MOTION), loss)
    assert torch.equal(critic_loss(velocity, changed_at_motion(clean), noise, MOTION), loss)
    student = clean.clone().requires_grad_()
    assert not critic_loss(velocity, student, noise, MOTION).requires_grad


def test_guidance_goes_from_silence_to_speech_and_from_no_text_to_text() -> None:
    assert guided(1.0, 2.0, 4.0, audio_scale=1.0, text_scale=1.0) == 4.0
    assert guided(1.0, 2.0, 4.0, audio_scale=4.0, text_scale=1.0) == 1.0 + 4.0 * 1.0 + 2.0
    assert guided(1.0, 2.0, 4.0, audio_scale=1.0, text_scale=3.0) == 2.0 + 3.0 * 2.0
    assert guided(1.0, 2.0, 2.0, audio_scale=4.0, text_scale=3.0) == 5.0  # a model without text


def test_scores_are_compared_over_the_shifted_range() -> None:
    times = score_times(torch.linspace(0, 1, 101), shift=5.0)
    assert times.min() == pytest.approx(0.02) and times.max() == pytest.approx(0.98)
    assert times[50] == pytest.approx(5 / 6)
    assert (times.diff() >= 0).all()


def test_interval_times_lie_below_the_exit_step() -> None:
    timesteps = shifted_timesteps(SamplerConfig())
    uniform = torch.linspace(0, 1, 11)
    for exit_step in range(4):
        times = interval_times(uniform, timesteps, exit_step, 5.0)
        upper, lower = timesteps[exit_step] / 1000, timesteps[exit_step + 1] / 1000
        assert times.min() >= max(lower, 0.02) - 1e-6 and times.max() <= upper + 1e-6
    raw_500_to_250 = interval_times(torch.tensor([0.0, 1.0]), timesteps, 2, 5.0)
    assert raw_500_to_250.tolist() == pytest.approx([0.625, 5 / 6])
