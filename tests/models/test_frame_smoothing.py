import torch

from flashtalk.models.frame_smoothing import RADIUS, FrameSmoothing

FRAMES, VALUES = 4, 3


def by_frame(latents: torch.Tensor) -> torch.Tensor:
    """[1, 4 * D, T, 1, 1] -> [D, 4 T]."""
    return latents[0, :, :, 0, 0].unflatten(0, (FRAMES, VALUES)).permute(1, 2, 0).flatten(1)


def test_a_jump_between_latents_is_spread_over_frames() -> None:
    latents = torch.zeros(1, FRAMES * VALUES, 4, 1, 1)
    latents[:, :, 2:] = 1.0
    smooth = by_frame(FrameSmoothing(FRAMES * VALUES, FRAMES)(latents))
    steps = smooth.diff(dim=1)
    assert steps.max() < 0.5
    assert torch.allclose(smooth[:, -1], torch.ones(VALUES))
    assert torch.allclose(steps[:, 7 - 2], steps[:, 7 + 2], atol=1e-6), "alike on both sides"


def test_each_value_has_weights_of_its_own() -> None:
    smoothing = FrameSmoothing(FRAMES * VALUES, FRAMES)
    with torch.no_grad():
        smoothing.logits[1] = -50.0
        smoothing.logits[1, RADIUS] = 0.0  # this value is left as it is
    latents = torch.randn(1, FRAMES * VALUES, 5, 1, 1)
    before, after = by_frame(latents), by_frame(smoothing(latents))
    assert torch.allclose(after[1], before[1], atol=1e-6)
    assert after[0].diff().std() < 0.5 * before[0].diff().std()
