"""Stage 1's loss: what is clean, noised and left out of a batch of chunks, and what counts.

Between the pure equations (:mod:`lab.training.losses.basic`) and the entry points
(:mod:`lab.training.stage1`, :mod:`lab.training.tiny.stage1`). A :class:`Stage1Loss` says how much
of what; an :class:`Objective` has what only one family does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flashtalk.config import Preset, SamplerConfig
from flashtalk.models.contracts import Denoiser
from flashtalk.stream.denoise import hold_motion, renoise
from flashtalk.stream.schedule import shift_time, shifted_timesteps
from lab.options import require_at_least, require_shares
from lab.training.data.chunks import ChunkBatch
from lab.training.losses.basic import flow_matching, temporal_difference


@dataclass(frozen=True)
class Stage1Loss:
    """Settings of the loss; shares are of chunks, 0..1."""

    cold_start: float
    """Share of batches with a single motion latent, as at the start of a session."""
    no_speech: float
    """Share of chunks without speech, for guidance."""
    no_text: float
    """Share that reads the negative prompt.

    A chunk that loses the rarer of speech and text loses both.
    """
    sampler_times: float
    """Share of timesteps that are exactly the few-step sampler's."""
    temporal_weight: float
    """Weight of the difference between consecutive latents, beside 1 for the latents themselves."""
    junction_weight: float
    """In that difference, of the step from the motion latents to the first new one."""

    def __post_init__(self) -> None:
        require_shares(self, "cold_start", "no_speech", "no_text", "sampler_times")
        require_at_least(0, self, "temporal_weight", "junction_weight")


TINY_LOSS = Stage1Loss(
    cold_start=0.15,
    no_speech=0.1,
    no_text=0.0,
    sampler_times=0.5,
    temporal_weight=2.0,
    junction_weight=4.0,
)
PUBLISHED_LOSS = Stage1Loss(
    cold_start=0.5,
    no_speech=0.05,
    no_text=0.1,
    sampler_times=0.0,
    temporal_weight=0.33,  # 0.25 beside 0.75
    junction_weight=0.0,
)
"""The public reproduction's numbers; it has a term of its own for faces, here they weigh more."""


def draw_times(size: int, sampler: SamplerConfig, sampler_times: float) -> Tensor:
    """Noise shares in (0, 1], [B]: shifted uniform, or one of the sampler's own."""
    uniform = shift_time(1.0 - torch.rand(size), sampler.shift)
    visited = torch.tensor(shifted_timesteps(sampler)[:-1]) / 1000.0
    chosen = visited[torch.randint(len(visited), (size,))]
    return torch.where(torch.rand(size) < sampler_times, chosen, uniform)


class Objective:
    """Additions of a family to Stage 1; this one adds nothing."""

    def augment(self, latents: Tensor, num_motion: int) -> Tensor:
        """Clean latents [B, C, T, h, w] -> those that the model is asked for."""
        return latents

    def motion_noise(self, motion_latents: Tensor) -> Tensor:
        """What to add to clean motion latents [B, C, m, h, w]: about what a session misreads."""
        return torch.zeros_like(motion_latents)

    def by_frame(self, latents: Tensor) -> Tensor:
        """Latents [B, C, T, h, w], or a mask with C = 1, in the order in which they are seen."""
        return latents

    def extra_loss(self, model: Denoiser, chunks: ChunkBatch) -> tuple[Tensor | None, str]:
        """A further loss and its name, or None."""
        return None, ""


PLAIN = Objective()


def drop_conditions(
    speech: Tensor, text: Tensor | None, null_text: Tensor | None, settings: Stage1Loss
) -> tuple[Tensor, Tensor | None]:
    """Speech [B, F, window, layers, width] and text [B, L, text_dim], some of both left out.

    One number decides for both, so guidance finds all that it compares: with neither, with speech
    alone, with both.
    """
    chance = torch.rand(speech.shape[0]).to(speech.device)
    # null speech is zero features, as in the published model; silence is something else
    speech = speech * (chance >= settings.no_speech).view(-1, 1, 1, 1, 1)
    if text is not None and null_text is not None:
        text = torch.where((chance >= settings.no_text).view(-1, 1, 1), text, null_text)
    return speech, text


def chunk_loss(
    model: Denoiser,
    chunks: ChunkBatch,
    preset: Preset,
    settings: Stage1Loss,
    objective: Objective = PLAIN,
) -> tuple[Tensor, dict[str, float]]:
    """Stage 1 loss of a batch of chunks, and its parts; ``preset`` has their geometry."""
    batch, _, frames, _, _ = chunks.latents.shape
    cold = torch.rand(()) < settings.cold_start
    num_motion = 1 if cold else preset.geometry.num_motion
    latents = objective.augment(chunks.latents, num_motion)
    noise = torch.randn_like(latents)
    times = draw_times(batch, preset.sampler, settings.sampler_times).to(latents.device)
    share = times.view(-1, 1, 1, 1, 1)
    motion_latents = latents[:, :, :num_motion]
    motion_latents = motion_latents + objective.motion_noise(motion_latents)
    condition = model.condition(chunks.reference, frames, num_motion, chunks.control)
    speech, text = drop_conditions(chunks.speech, chunks.text, chunks.null_text, settings)
    velocity = model(
        hold_motion(renoise(latents, noise, 1000.0 * share), motion_latents),
        1000.0 * times,
        condition,
        # outside of forward(), as in the chunk step: sharded weights are gathered for each of them
        model.project_speech(speech),
        text,
        chunks.image,
        num_motion=num_motion,
    )
    mask = latents.new_zeros(batch, 1, frames, 1, 1)
    mask[:, :, :num_motion] = 1.0
    if model.anchored:  # its errors count alike at all times
        velocity, latents, noise = share * velocity, share * latents, share * noise
    flow = flow_matching(velocity, latents, noise, mask, chunks.weight.expand_as(latents))
    velocity, latents, noise, mask = (
        objective.by_frame(each) for each in (velocity, latents, noise, mask)
    )
    steady = temporal_difference(velocity, latents, noise, mask, settings.junction_weight)
    loss = flow + settings.temporal_weight * steady
    figures = {"flow": flow.item(), "temporal": steady.item()}
    extra, name = objective.extra_loss(model, chunks)
    if extra is not None:
        loss = loss + extra
        figures[name] = extra.item()
    return loss, figures
