"""Frames are smoothed alike within and across latents, and join what was given."""

import torch

from flashtalk.models.tiny.frame_smoothing import JOIN_FRAMES, RADIUS, FrameSmoothing

FRAMES, VALUES = 4, 3


def by_frame(latents: torch.Tensor) -> torch.Tensor:
    """[1, 4 * D, T, 1, 1] -> [D, 4 T]."""
    return latents[0, :, :, 0, 0].unflatten(0, (FRAMES, VALUES)).permute(1, 2, 0).flatten(1)


def by_latent(values: torch.Tensor) -> torch.Tensor:
    """The reverse of :func:`by_frame`."""
    return values.unflatten(1, (-1, FRAMES)).permute(2, 0, 1).flatten(0, 1)[None, :, :, None, None]


def smoothed(latents: torch.Tensor, given: int = 1) -> torch.Tensor:
    """By frame, [D, 4 T]."""
    return by_frame(FrameSmoothing(FRAMES * VALUES, FRAMES)(latents, given))


def test_a_jump_between_latents_is_spread_over_frames() -> None:
    latents = torch.zeros(1, FRAMES * VALUES, 6, 1, 1)
    latents[:, :, 4:] = 1.0
    smooth = smoothed(latents)
    steps = smooth.diff(dim=1)
    assert steps.max() < 0.5
    assert torch.allclose(smooth[:, -1], torch.ones(VALUES))
    assert torch.allclose(steps[:, 15 - 2], steps[:, 15 + 2], atol=1e-6), "alike on both sides"


def test_a_steady_motion_is_not_slowed_down_at_the_end() -> None:
    steady = torch.arange(24.0).expand(VALUES, -1)
    smooth = smoothed(by_latent(steady))
    assert torch.allclose(smooth[:, 12:], steady[:, 12:], atol=1e-5)


def test_new_frames_join_the_last_given_one() -> None:
    torch.manual_seed(0)
    values = torch.randn(VALUES, 24) * 0.01
    values[:, 7] += 1.0  # the last given frame was misread
    smooth, alone = smoothed(by_latent(values), given=2), smoothed(by_latent(values), given=6)
    lost = values[:, 7] - alone[:, 7]
    added = (smooth - alone)[:, 8:]
    expected = lost[:, None] * torch.tensor([6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7])
    assert torch.allclose(added[:, :JOIN_FRAMES], expected, atol=1e-5)
    assert added[:, JOIN_FRAMES:].abs().max() < 1e-5
    assert torch.allclose(smooth[:, :8], alone[:, :8])


def test_each_value_has_weights_of_its_own() -> None:
    smoothing = FrameSmoothing(FRAMES * VALUES, FRAMES)
    with torch.no_grad():
        smoothing.logits[1] = -50.0
        smoothing.logits[1, RADIUS] = 0.0  # this value is left as it is
    latents = torch.randn(1, FRAMES * VALUES, 5, 1, 1)
    before, after = by_frame(latents), by_frame(smoothing(latents, num_motion=5))
    assert torch.allclose(after[1], before[1], atol=1e-6)
    assert after[0].diff().std() < 0.5 * before[0].diff().std()
