"""Stage 2's equations, all pure: tensors in, a tensor out; no networks, no random numbers.

A frozen model of the real clips is the *real score*. A trained one of the generator's samples is
the *fake score*. Samples are pulled to where the real score sees more probability than the fake one
does::

    x0 (student) --noise to t--> x_t --real score--> x0_real      gradient = x0_fake - x0_real
                                     --fake score--> x0_fake      x0 moves by minus that gradient

Scores are compared as estimates of the clean latents. For a flow model s(x_t, t) is an affine
function of x0(x_t, t) with the same positive slope for both. The normalizer takes the slope out.

Sources:

* [FT] SoulX-FlashTalk, arXiv 2512.23379, self-correcting bidirectional distillation
* [FTR] its public reproduction, nanxiaolu/FlashTalk-Training-Code
* [DMD] arXiv 2311.18828
* [DMD2] arXiv 2405.14867
* [SF] Self-Forcing, arXiv 2506.08009 and its code
* [CFG] classifier-free guidance, Ho and Salimans 2022

Equations have their numbers where the source was at hand; [FT] was not, as a whole.

Letters: B batch, C latent channels, T latent frames of a chunk, m motion latents (the first m of
T), h w latent cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from flashtalk.stream.schedule import shift_time
from lab.training.losses.basic import flow_matching

EARLIEST, LATEST = 0.02, 0.98
"""Noise shares at which scores are compared ([DMD2], [SF]: 20 .. 980 of 1000)."""

Estimate = TypeVar("Estimate", float, Tensor)


def guided(
    unconditioned: Estimate,
    speech_only: Estimate,
    conditioned: Estimate,
    *,
    audio_scale: float,
    text_scale: float,
) -> Estimate:
    """The real score with classifier-free guidance over speech and text, one scale each.

    ``unconditioned`` has neither, ``speech_only`` no text. A model without text passes the same
    estimate for the last two; both scales 1 give ``conditioned`` back.
    """
    # [CFG] for two conditions, one after the other: x(0,0) + a (x(0,s) - x(0,0)) + t (x(c,s) -
    # x(0,s)). InfiniteTalk's three passes; [FTR], teacher's scores, distills from this form. Same
    # for x0 and for velocities: x_t is common.
    return (
        unconditioned
        + audio_scale * (speech_only - unconditioned)
        + text_scale * (conditioned - speech_only)
    )


def dmd_gradient(student: Tensor, fake: Tensor, real: Tensor, motion: int) -> Tensor:
    """How the student's clean latents are wrong, [B, C, T - m, h, w]: they go *against* this.

    ``student, fake, real`` [B, C, T, h, w] are estimates of the clean latents. The first
    ``motion`` latents are given, not generated: they are neither in it nor in its normalizer.
    """
    student, fake, real = (each[:, :, motion:].detach() for each in (student, fake, real))
    # [DMD] eq. 7; [FT], gradient of the generator: -(s_real(x_t, t) - s_fake(x_t, t)), here in
    # x0: x0_fake - x0_real
    difference = fake - real
    # [DMD] eq. 8: over mean |x0 - x0_real| of the sample, so that all t pull about equally
    size = (student - real).abs().mean(dim=(1, 2, 3, 4), keepdim=True)
    return torch.nan_to_num(difference / size, nan=0.0, posinf=0.0, neginf=0.0)


def dmd_loss(student: Tensor, gradient: Tensor, motion: int) -> Tensor:
    """A loss whose gradient by the student's latents is ``gradient``, over their count.

    ``student`` [B, C, T, h, w] with its graph; ``gradient`` as :func:`dmd_gradient`.
    """
    # [SF] code (model/dmd.py), after [DMD]: 1/2 || x0 - stopgrad(x0 - g) ||^2, so d/dx0 = g; in
    # double precision, because x0 - (x0 - g) would lose the small digits of g.
    latents = student[:, :, motion:].double()
    target = (latents - gradient.double()).detach()
    return 0.5 * F.mse_loss(latents, target)


def motion_alignment(student: Tensor, real: Tensor, motion: int) -> Tensor:
    """Keeps the student's estimate of the given latents where the real score has it.

    ``student`` [B, C, T, h, w] is the bare estimate, before motion latents overwrite their place.
    Without this term nothing holds that part of the output. [FTR] saw the camera creep in one
    direction over minutes. Weighted m / (T - m): per latent it counts as much as one of the
    generated ones.
    """
    latents = student[:, :, :motion].double()
    difference = (latents - real[:, :, :motion].double()).detach()
    size = difference.abs().mean(dim=(1, 2, 3, 4), keepdim=True).clamp(min=1e-6)
    target = (latents - difference / size).detach()
    # [FTR], generator loss, motion term; [FT] has none:
    # m / (T - m) . 1/2 || x0[:m] - stopgrad(x0[:m] - d / mean|d|) ||^2, d = x0 - x0_real
    return motion / (student.shape[2] - motion) * 0.5 * F.mse_loss(latents, target)


def critic_loss(velocity: Tensor, clean: Tensor, noise: Tensor, motion: int) -> Tensor:
    """Flow matching of the fake score on the student's samples, motion latents excluded.

    All [B, C, T, h, w]; ``clean`` is the student's estimate, detached.
    """
    batch, _, frames, _, _ = clean.shape
    mask = clean.new_zeros(batch, 1, frames, 1, 1)
    mask[:, :, :motion] = 1.0
    # [DMD2], denoising loss of the fake score; [SF], [FTR] for flow models:
    # || v_fake(x_t, t) - (noise - x0) ||^2; [FTR] halves it, which AdamW does not see
    return flow_matching(velocity, clean.detach(), noise, mask, torch.ones_like(clean))


def score_times(uniform: Tensor, shift: float) -> Tensor:
    """Uniform numbers in [0, 1), [B] -> noise shares at which the scores are compared, [B]."""
    # [SF] code: the whole range, t' = s t / (1 + (s - 1) t) as the sampler's, clamped to 20 .. 980
    # of 1000 as in [DMD2]
    return shift_time(uniform, shift).clamp(EARLIEST, LATEST)


def interval_times(
    uniform: Tensor, timesteps: Sequence[float], exit_step: int, shift: float
) -> Tensor:
    """The same, but between the exit step and the one after it; ``timesteps`` are the sampler's.

    What left at raw 750 is judged between 750 and 500.
    """
    # [FTR], score evaluation: t uniform between two raw steps, then shifted and clamped
    shares = (timesteps[exit_step] / 1000.0, timesteps[exit_step + 1] / 1000.0)
    upper, lower = (share / (shift - (shift - 1.0) * share) for share in shares)  # shift undone
    return score_times(lower + (upper - lower) * uniform, shift)
