"""Few-step sampling of one chunk, as pure functions.

A flow model predicts the velocity v = noise - clean. At time s = t / 1000 the noisy latents are
x = (1 - s) clean + s noise, so clean = x - s v. Each step estimates the clean latents and noises
them again, with fresh noise, for the next step. Motion latents are known: they overwrite their
place before each step and after the last.

Sources: rectified flow (Liu et al. 2022), whose path is a straight line, for x and v. Fresh noise
after each estimate is multistep consistency sampling (Song et al. 2023, algorithm 1).
Self-Forcing (arXiv 2506.08009, algorithm 1) and the published inference code sample so, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]
"""(latents [B, C, T, h, w], timestep 0..1000) -> velocity of the same shape."""


def hold_motion(latents: Tensor, motion_latents: Tensor) -> Tensor:
    """Latents [B, C, T, h, w] with the first m frames replaced by ``motion_latents``."""
    return torch.cat((motion_latents, latents[:, :, motion_latents.shape[2] :]), dim=2)


def clean_estimate(latents: Tensor, velocity: Tensor, timestep: float | Tensor) -> Tensor:
    """The clean latents that ``velocity`` points to from ``latents`` at ``timestep`` (0..1000)."""
    return latents - (timestep / 1000.0) * velocity  # x0 = x_t - s v


def renoise(clean: Tensor, noise: Tensor, timestep: float | Tensor) -> Tensor:
    """Clean latents brought back to ``timestep`` (0..1000) with ``noise``."""
    share = timestep / 1000.0
    return (1.0 - share) * clean + share * noise  # x_t = (1 - s) x0 + s noise


def denoise(
    velocity: Velocity,
    latents: Tensor,
    motion_latents: Tensor,
    timesteps: Sequence[float],
    fresh_noise: Callable[[], Tensor],
) -> Tensor:
    """Latents [B, C, T, h, w] at ``timesteps[0]`` -> latents at ``timesteps[-1]``.

    ``motion_latents`` [B, C, m, h, w] stay as they are. ``fresh_noise`` is called once for each
    step that does not end at 0; a step to 0 needs none.
    """
    latents = hold_motion(latents, motion_latents)
    for now, then in pairwise(timesteps):
        latents = clean_estimate(latents, velocity(latents, now), now)
        if then > 0.0:
            latents = renoise(latents, fresh_noise(), then)
        latents = hold_motion(latents, motion_latents)
    return latents
