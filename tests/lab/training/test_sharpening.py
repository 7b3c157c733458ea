import pytest
import torch

from flashtalk.models.tiny.painter import PaintedCrops
from lab.training.losses.basic import critic_hinge, feature_matching
from lab.training.tiny.painter_losses import PaintedFeatures
from lab.training.tiny.sharpening import Critics, fooling_losses


def windows(count: int, rows: int, columns: int) -> PaintedCrops:
    picture = torch.rand(count, 3, rows, columns) * 2 - 1
    logits, origin = torch.zeros(count, 1, rows, columns), torch.zeros(count, 6, rows, columns)
    return PaintedCrops(picture.requires_grad_(), logits, picture, origin)


def painted_features() -> PaintedFeatures:
    torch.manual_seed(0)
    inner = torch.zeros(2, 1, 64, 96)
    inner[..., 28:36, 36:60] = 1.0
    return PaintedFeatures(
        mouth=windows(2, 64, 96),
        mouth_true=torch.rand(2, 3, 64, 96) * 2 - 1,
        weight=torch.ones(2, 1, 64, 96),
        inner=inner,
        either=torch.zeros_like(inner),
        taught=inner,
        eyes=windows(4, 32, 48),
        eyes_true=torch.rand(4, 3, 32, 48) * 2 - 1,
    )


def test_a_critic_that_is_right_loses_nothing() -> None:
    true, made = torch.full((2, 1, 8, 12), 1.5), torch.full((2, 1, 8, 12), -1.5)
    weight = torch.ones(2, 1, 64, 96)
    assert critic_hinge(true, made, weight) == 0.0
    assert critic_hinge(made, true, weight) > 4.0


def test_features_are_matched_where_it_counts() -> None:
    features, expected = torch.zeros(1, 4, 8, 8), torch.zeros(1, 4, 8, 8)
    expected[..., :4] = 1.0
    left, right = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16)
    left[..., :8], right[..., 8:] = 1.0, 1.0
    assert feature_matching([features], [expected], left) > 0.4
    assert feature_matching([features], [expected], right) == 0.0


def test_painters_are_pushed_to_what_critics_take_for_true() -> None:
    painted, critics = painted_features(), Critics().eval().requires_grad_(False)
    losses = fooling_losses([critics.of_mouths(painted)])
    losses["fooled"].backward()
    made = painted.mouth.picture
    gradient = made.grad
    inside, outside = gradient[..., 24:40, 30:66], gradient[..., :16, :]
    assert inside.abs().mean() > 3 * outside.abs().mean(), "a mouth is judged by what is in it"
    with torch.no_grad():
        windows = critics.of_mouths(painted)
        after = windows.made - 0.05 * gradient / gradient.abs().max()
        small = torch.nn.functional.adaptive_avg_pool2d(windows.weight, (8, 12))
        assert (windows.told(after) * small).mean() > (windows.told(windows.made) * small).mean()


def test_eyes_are_judged_as_far_as_they_count() -> None:
    painted, critics = painted_features(), Critics().eval().requires_grad_(False)
    shut = torch.tensor([1.0, 0.0, 0.0, 0.0])
    windows = critics.of_eyes(painted.eyes, painted.eyes_true, shut)
    assert windows.critic is critics.eyes
    assert windows.weight.mean() == pytest.approx(1.0)
    fooling_losses([windows])["features"].backward()
    seen = painted.eyes.picture.grad.abs().mean(dim=(1, 2, 3))
    assert seen[0] > 4 * seen[1:].max()
