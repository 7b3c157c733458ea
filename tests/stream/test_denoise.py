"""The few-step loop with velocities whose result is known."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from flashtalk.stream.denoise import clean_estimate, denoise, renoise

SHAPE = (1, 3, 5, 2, 2)
TIMESTEPS = (1000.0, 937.5, 2500 / 3, 625.0, 0.0)


def normal(seed: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


MOTION = normal(7, (1, 3, 2, 2, 2))


def test_the_written_out_loop() -> None:
    """Four steps of an arbitrary velocity, against the formulas of the specification."""
    noises = [normal(10 + index) for index in range(4)]

    def velocity(latents: Tensor, timestep: float) -> Tensor:
        return torch.tanh(latents.flip(2)) * (0.2 + timestep / 1000)

    got = denoise(velocity, noises[0], MOTION, TIMESTEPS, iter(noises[1:]).__next__)

    x = noises[0].clone()
    for step in range(4):
        x[:, :, :2] = MOTION
        clean = x - TIMESTEPS[step] / 1000 * velocity(x, TIMESTEPS[step])
        s = TIMESTEPS[step + 1] / 1000
        x = (1 - s) * clean + (s * noises[step + 1] if s else 0)
    x[:, :, :2] = MOTION
    assert torch.allclose(got, x, atol=1e-6)


def test_every_step_sees_the_motion_latents_and_the_result_keeps_them() -> None:
    seen = []

    def velocity(latents: Tensor, timestep: float) -> Tensor:
        seen.append((latents[:, :, :2].clone(), timestep))
        return latents * 0.3 + 1.0

    result = denoise(velocity, normal(0), MOTION, TIMESTEPS, lambda: normal(1))
    assert [timestep for _, timestep in seen] == list(TIMESTEPS[:-1])
    assert all(torch.equal(motion, MOTION) for motion, _ in seen)
    assert torch.equal(result[:, :, :2], MOTION)


def test_the_last_step_draws_no_noise() -> None:
    draws = []

    def fresh_noise() -> Tensor:
        draws.append(1)
        return normal(len(draws))

    denoise(lambda x, t: x, normal(0), MOTION, TIMESTEPS, fresh_noise)
    assert len(draws) == len(TIMESTEPS) - 2


def test_an_exact_velocity_finds_the_clean_latents() -> None:
    """With v = (x - clean) / s the estimate is exact at each step, whatever the noise."""
    clean = normal(3)
    result = denoise(
        lambda x, t: (x - clean) / (t / 1000), normal(0), MOTION, TIMESTEPS, lambda: normal(4)
    )
    assert torch.allclose(result[:, :, 2:], clean[:, :, 2:], atol=1e-5)


@pytest.mark.parametrize("timestep", [1000.0, 625.0, 0.0])
def test_renoise_and_clean_estimate_are_inverse(timestep: float) -> None:
    clean, noise = normal(1), normal(2)
    noisy = renoise(clean, noise, timestep)
    assert torch.allclose(clean_estimate(noisy, noise - clean, timestep), clean, atol=1e-6)


def test_a_roll_out_may_be_cut_at_any_step() -> None:
    """Training runs to a step without gradient and takes the exit step with it."""

    def noises() -> Iterator[Tensor]:
        return (normal(20 + index) for index in range(9))

    def velocity(latents: Tensor, timestep: float) -> Tensor:
        return latents.sin() + timestep / 1000

    whole = denoise(velocity, normal(0), MOTION, TIMESTEPS, noises().__next__)
    draw = noises().__next__
    with torch.no_grad():
        middle = denoise(velocity, normal(0), MOTION, TIMESTEPS[:3], draw)
    assert torch.allclose(denoise(velocity, middle, MOTION, TIMESTEPS[2:], draw), whole)
