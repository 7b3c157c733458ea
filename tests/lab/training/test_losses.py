import torch

from flashtalk.stream.schedule import shift_time
from lab.training.losses.basic import (
    curve_error,
    flow_l1,
    flow_matching,
    opening_error,
    phone_error,
    temporal_difference,
)


def _chunk() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (2, 3, 4, 2, 2)
    latents, noise = (torch.randn(shape, generator=generator) for _ in range(2))
    mask = torch.zeros(2, 1, 4, 1, 1)
    mask[:, :, :2] = 1.0
    return latents, noise, mask


def test_the_right_velocity_is_noise_minus_clean() -> None:
    latents, noise, mask = _chunk()
    weight = torch.ones_like(latents)
    assert flow_matching(noise - latents, latents, noise, mask, weight) == 0.0
    assert flow_matching(latents - noise, latents, noise, mask, weight) > 1.0


def test_descending_the_loss_moves_the_clean_estimate_to_the_clean_latents() -> None:
    latents, noise, mask = _chunk()
    velocity = torch.zeros_like(latents, requires_grad=True)
    flow_matching(velocity, latents, noise, mask, torch.ones_like(latents)).backward()
    noisy = 0.5 * latents + 0.5 * noise
    before = (noisy - 0.5 * velocity.detach() - latents)[:, :, 2:].norm()
    stepped = velocity.detach() - 0.1 * velocity.grad
    assert (noisy - 0.5 * stepped - latents)[:, :, 2:].norm() < before


def test_motion_latents_are_outside_both_losses() -> None:
    latents, noise, mask = _chunk()
    velocity = (noise - latents).clone()
    velocity[:, :, :2] += 100.0
    assert flow_matching(velocity, latents, noise, mask, torch.ones_like(latents)) == 0.0
    assert temporal_difference(velocity, latents, noise, mask) == 0.0
    velocity[:, :, 3] += 1.0
    assert temporal_difference(velocity, latents, noise, mask) > 0.0


def test_weight_decides_what_counts() -> None:
    latents, noise, mask = _chunk()
    velocity = noise - latents
    velocity[..., 0, 0] += 1.0
    weight = torch.ones_like(latents)
    even = flow_matching(velocity, latents, noise, mask, weight)
    weight[..., 0, 0] = 5.0
    assert flow_matching(velocity, latents, noise, mask, weight) > even


def test_unknown_flow_teaches_nothing() -> None:
    known = torch.zeros(1, 1, 4, 4)
    assert flow_l1(torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), known) == 0.0
    known[..., 0, 0] = 1.0
    assert flow_l1(torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), known) > 0.0


def test_shift_moves_times_to_noise_and_keeps_the_ends() -> None:
    times = shift_time(torch.tensor([0.0, 0.25, 1.0]), 5.0)
    torch.testing.assert_close(times, torch.tensor([0.0, 0.625, 1.0]))


def test_the_junction_to_the_motion_latents_counts_when_asked_for() -> None:
    torch.manual_seed(0)
    latents, noise = torch.randn(2, 1, 4, 5, 2, 2)
    mask = torch.zeros(1, 1, 5, 1, 1)
    mask[:, :, :2] = 1.0
    off = noise - latents
    off[:, :, 2:] += 1.0  # wrong by the same everywhere: only the first step is a jump
    assert temporal_difference(off, latents, noise, mask) < 1e-9
    assert temporal_difference(off, latents, noise, mask, junction=4.0) > 0.5
    off[:, :, :2] += 7.0  # what is said of clean latents does not matter
    again = temporal_difference(off, latents, noise, mask, junction=4.0)
    assert torch.allclose(again, torch.tensor(4.0 / 6.0))


def test_an_opening_that_grows_over_the_lips_costs_as_much_as_one_too_small() -> None:
    inner = torch.zeros(1, 1, 16, 16)
    inner[..., 6:10, 4:12] = 1.0

    def error(top: int, bottom: int) -> float:
        logits = torch.full_like(inner, -6.0)
        logits[..., top:bottom, 4:12] = 6.0
        return opening_error(logits, inner, torch.zeros_like(inner)).item()

    exact, larger, smaller = error(6, 10), error(5, 11), error(7, 9)
    assert exact < 0.01
    assert larger > 10 * exact and smaller > 10 * exact
    assert 1.0 < smaller / larger < 3.0


def test_where_either_is_right_no_opening_is_asked_for() -> None:
    inner = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    wrong = torch.tensor([-5.0, 5.0]).view(1, 1, 1, 2)
    first, none = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2), torch.zeros(1, 1, 1, 2)
    assert opening_error(wrong, inner, none) > opening_error(wrong, inner, first) > 0
    assert opening_error(wrong, inner, torch.ones_like(inner)) == 0


def test_curves_count_in_units_of_their_spread() -> None:
    target = torch.zeros(2, 5, 2)
    curves = target + torch.tensor([0.1, 10.0])
    assert torch.allclose(curve_error(curves, target, torch.tensor([0.1, 10.0])), torch.tensor(1.0))


def test_the_right_phone_costs_least() -> None:
    phones = torch.tensor([[0, 2], [1, 1]])
    right = 6.0 * torch.nn.functional.one_hot(phones, 3).float()
    assert phone_error(right, phones) < 0.25 < 1.0 < phone_error(right.roll(1, -1), phones)
    certain = 5.0 * right
    assert phone_error(certain, phones) > phone_error(right, phones)  # labels may be wrong
