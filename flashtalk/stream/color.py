"""Color match to the portrait: the guard against drift from decoding and re-encoding.

Part of the chunk step, between decoding and the motion latents. So a model that encodes its motion
frames again goes on from corrected ones. Reinhard's Lab statistics transfer, per frame and channel:
``out = (source - mean_source) * deviation_reference / deviation_source + mean_reference``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from flashtalk.conditions.lab import ColorReference, color_statistics, lab_to_rgb, rgb_to_lab

MatchFrame = Callable[[Tensor, ColorReference, float], Tensor]
"""What :func:`match_frame` computes."""


def match_frame(frame: Tensor, reference: ColorReference, strength: float) -> Tensor:
    """[B, 3, H, W] in [-1, 1] -> the same with the portrait's Lab statistics."""
    lab = rgb_to_lab((frame + 1.0) / 2.0)
    mean, deviation = color_statistics(lab)
    # A flat channel has no spread to scale.
    gain = reference.deviation / torch.where(deviation > 1e-8, deviation, 1.0)
    lab = torch.addcmul(reference.mean - mean * gain, lab, gain)
    matched = lab_to_rgb(lab) * 2.0 - 1.0
    return matched if strength == 1.0 else torch.lerp(frame, matched, strength)


def match_color(
    video: Tensor,
    reference: ColorReference,
    strength: float,
    frame_match: MatchFrame = match_frame,
) -> Tensor:
    """Video [B, 3, F, H, W] in [-1, 1] -> the same, float32, with the portrait's Lab statistics.

    ``strength`` blends from 0 (returned as it is) to 1. Differentiable. ``frame_match`` computes
    what :func:`match_frame` does.
    """
    if strength == 0.0:
        return video
    # Frame by frame: a frame's thirty passes then stay in the processor's cache.
    frames = [frame_match(frame, reference, strength) for frame in video.float().unbind(2)]
    return torch.stack(frames, dim=2)
