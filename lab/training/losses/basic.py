"""Loss functions, all pure: tensors in, a scalar out; no state, no models.

Letters: B batch, N pictures, C latent channels, T latent frames, H W size, F frames, P phones,
K curves.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def weighted_l1(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean of ``weight`` [N, 1, H, W] times |difference| of pictures [N, 3, H, W]."""
    return (weight * (prediction - target).abs()).mean()


def weighted_square(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean of ``weight`` [N, 1, H, W] times the squared difference of pictures [N, 3, H, W]."""
    return (weight * (prediction - target).square()).mean()


def gradient_l1(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The same for the differences of neighboring pixels: keeps edges sharp."""
    error = prediction - target
    across = (error[..., :, 1:] - error[..., :, :-1]).abs() * weight[..., :, 1:]
    down = (error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]
    return across.mean() + down.mean()


def opening_error(alpha_logits: Tensor, inner: Tensor, either: Tensor) -> Tensor:
    """Cross-entropy of ``alpha_logits`` with what is to be painted, ``inner`` in 0..1.

    All [N, 1, H, W]; ``either`` is 1 where painting and copying are both right. A painter that sees
    the opening only through the finished picture prefers to copy lips that do not open. The opening
    weighs a little more than the rest. Small as it is, it does not outweigh all the rest together,
    or it would grow over the lips.
    """
    weight = (1.0 + inner) * (1.0 - either)
    return F.binary_cross_entropy_with_logits(alpha_logits, inner, weight=weight)


def critic_hinge(true: Tensor, made: Tensor, weight: Tensor) -> Tensor:
    """Hinge loss of a critic whose verdicts should exceed 1 for ``true`` and fall below -1.

    Verdicts [N, 1, h, w]; ``weight`` [N, 1, H, W] is averaged down to them.
    """
    weight = _pooled(weight, true)
    return (weight * (F.relu(1.0 - true) + F.relu(1.0 + made))).mean()


def feature_matching(
    features: Sequence[Tensor], expected: Sequence[Tensor], weight: Tensor
) -> Tensor:
    """Weighted |difference| of a critic's features of a picture and of the true one, by scale.

    Features [N, D, h, w]; ``weight`` [N, 1, H, W] is averaged down to each scale.
    """
    differences = [
        (_pooled(weight, a) * (a - b).abs()).mean() for a, b in zip(features, expected, strict=True)
    ]
    return torch.stack(differences).mean()


def _pooled(weight: Tensor, like: Tensor) -> Tensor:
    """``weight`` [N, 1, H, W] averaged down to the cells of ``like`` [N, any, h, w]."""
    return F.adaptive_avg_pool2d(weight, (like.shape[-2], like.shape[-1]))


def flow_l1(offset: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """|offset - target| [N, 2, H, W], weighted by ``known`` [N, 1, H, W] (0: cannot be known)."""
    error = (offset - target).abs() * known
    return error.sum() / (2.0 * known.sum() + 1.0)


def flow_matching(
    velocity: Tensor, latents: Tensor, noise: Tensor, motion_mask: Tensor, weight: Tensor
) -> Tensor:
    """Weighted MSE of the velocity, target = noise - x0 (flow matching; report, Stage 1 step 5).

    ``velocity, latents, noise`` [B, C, T, H, W]; ``motion_mask`` [B, 1, T, 1, 1] is 1 on clean
    motion latents, which are excluded; ``weight`` [B, C, T, H, W] emphasizes mouth and eyes.
    """
    keep = (1.0 - motion_mask) * weight
    error = (velocity - (noise - latents)).square() * keep
    return error.sum() / keep.sum()


def temporal_difference(
    velocity: Tensor, latents: Tensor, noise: Tensor, motion_mask: Tensor, junction: float = 0.0
) -> Tensor:
    """MSE of differences between consecutive latents (Stage 1).

    ``junction`` weighs the step from the clean motion latents to the first new one. It is 0 in the
    published recipe. Where motion latents are exact, an error there is a jump that is seen.
    """
    error = velocity - (noise - latents)
    error = error * (1.0 - motion_mask)  # clean latents have none
    before, after = motion_mask[:, :, :-1], motion_mask[:, :, 1:]
    keep = (1.0 - before) + junction * before * (1.0 - after)
    steps = (error[:, :, 1:] - error[:, :, :-1]).square() * keep
    count = keep.sum() * velocity.shape[1] * velocity.shape[3] * velocity.shape[4]
    return steps.sum() / count.clamp(min=1.0)


def phone_error(logits: Tensor, phones: Tensor) -> Tensor:
    """Cross-entropy of logits [B, F, P] with phones [B, F], labels smoothed by 5 %."""
    return F.cross_entropy(logits.flatten(0, 1), phones.flatten(), label_smoothing=0.05)


def curve_error(curves: Tensor, target: Tensor, spread: Tensor) -> Tensor:
    """MSE of curves [B, F, K], each in units of its own ``spread`` [K]: all count alike."""
    return F.mse_loss(curves / spread, target / spread)


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlation along the last axis."""
    a = a - a.mean(dim=-1, keepdim=True)
    b = b - b.mean(dim=-1, keepdim=True)
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=1e-8)
