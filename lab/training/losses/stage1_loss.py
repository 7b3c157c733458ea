"""Stage 1's loss: what is clean, noised and left out of a batch of chunks, and what counts.

Between the pure equations (:mod:`lab.training.losses.basic`) and the entry point
(:mod:`lab.training.stage1`). One function for both members of the family; in what they differ
is said by a preset and a :class:`Recipe`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flashtalk.conditions.first_frame import condition_latents
from flashtalk.config import Preset, SamplerConfig
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.tiny.face_code import FEATURES, FLOW, GROUP_FRAMES
from flashtalk.stream.denoise import hold_motion, renoise
from flashtalk.stream.schedule import shift_time, shifted_timesteps
from lab.training.data.chunks import ChunkBatch
from lab.training.data.flow_augment import bent, random_bends, unbending_error
from lab.training.losses.basic import flow_matching, temporal_difference

MOTION_NOISE = 0.12
FLOW_NOISE = 0.03  # flow is handed over almost exactly, so the next chunk may trust it


@dataclass(frozen=True)
class Recipe:
    """What is asked of the model, and for how long; shares are of chunks, 0..1."""

    steps: int
    batch: int
    """Chunks per rank."""
    accumulate: int
    """Batches per step."""
    rate: float
    """The learning rate at its highest."""
    cold_start: float
    """Share of batches with a single motion latent, as at the start of a session."""
    no_speech: float
    no_text: float
    """These read the negative prompt. Who loses the rarer of speech and text loses both."""
    sampler_times: float
    """Share at exactly the few-step sampler's timesteps."""
    noisy_motion: bool
    """Whether motion latents carry noise (:func:`motion_noise`)."""
    temporal_weight: float
    """Of the difference between consecutive latents, beside 1 for the latents themselves."""
    junction_weight: float
    """In that difference, of the step from the motion latents to the first new one."""

    def __post_init__(self) -> None:
        for name in ("cold_start", "no_speech", "no_text", "sampler_times"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("temporal_weight", "junction_weight"):
            if getattr(self, name) < 0.0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        for name in ("steps", "batch", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


EMBEDDED = Recipe(
    steps=6000,
    batch=16,
    accumulate=1,
    rate=6e-4,
    cold_start=0.15,
    no_speech=0.1,
    no_text=0.0,
    sampler_times=0.5,
    noisy_motion=True,
    temporal_weight=2.0,
    junction_weight=4.0,
)
PUBLISHED = Recipe(
    steps=500,
    batch=1,
    accumulate=4,  # on 8 GPUs: 32 chunks
    rate=2e-6,
    cold_start=0.5,
    no_speech=0.05,
    no_text=0.1,
    sampler_times=0.0,
    noisy_motion=False,
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


def motion_noise(clean: Tensor) -> Tensor:
    """What to add to the embedded model's clean motion latents [B, C, m, h, w].

    About what a session misreads.
    """
    strength = clean.new_tensor([FLOW_NOISE if name in FLOW else MOTION_NOISE for name in FEATURES])
    strength = strength.repeat(clean.shape[1] // len(FEATURES)).view(1, -1, 1, 1, 1)
    share = torch.rand(clean.shape[0], 1, 1, 1, 1).to(clean)
    return strength * share * torch.randn_like(clean)


def by_frame(latents: Tensor, preset: Preset) -> Tensor:
    """Latents [B, C, T, h, w] of the embedded model, or a mask with C = 1, one frame after another.

    [B, C / 4, 4 T, h, w]: a latent holds the codes of four frames, and what is seen is whether
    *they* move smoothly. Other presets' latents stay as they are.
    """
    if preset.autoencoder is None:
        return latents
    if latents.shape[1] == 1:
        return latents.repeat_interleave(GROUP_FRAMES, dim=2)
    frames = latents.unflatten(1, (GROUP_FRAMES, -1))  # [B, 4, D, T, h, w]
    return frames.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)


def drop_conditions(
    speech: Tensor, text: Tensor | None, null_text: Tensor | None, recipe: Recipe
) -> tuple[Tensor, Tensor | None]:
    """Speech [B, F, window, layers, width] and text [B, L, text_dim], some of both left out.

    One number decides for both, so guidance finds all that it compares: with neither, with speech
    alone, with both.
    """
    chance = torch.rand(speech.shape[0]).to(speech.device)
    # null speech is zero features, as in the published model; silence is something else
    speech = speech * (chance >= recipe.no_speech).view(-1, 1, 1, 1, 1)
    if text is not None:
        text = torch.where((chance >= recipe.no_text).view(-1, 1, 1), text, null_text)
    return speech, text


def chunk_loss(
    model: VideoTransformer, chunks: ChunkBatch, preset: Preset, recipe: Recipe
) -> tuple[Tensor, dict[str, float]]:
    """Stage 1 loss of a batch of chunks, and its parts; ``preset`` has their geometry."""
    latents, config = chunks.latents, preset.transformer
    batch, _, frames, _, _ = latents.shape
    motion = 1 if torch.rand(()) < recipe.cold_start else preset.geometry.motion_latents
    true = latents
    if motion > 1 and config.face_cells:
        bends = random_bends(batch, config.face_cells).to(latents)
        latents = bent(latents, bends, motion)
    noise = torch.randn_like(latents)
    times = draw_times(batch, preset.sampler, recipe.sampler_times).to(latents.device)
    share = times.view(-1, 1, 1, 1, 1)
    noisy = renoise(latents, noise, 1000.0 * share)
    clean = latents[:, :, :motion]
    if recipe.noisy_motion:
        clean = clean + motion_noise(clean)
    condition = condition_latents(chunks.reference, config, frames, motion, chunks.closed)
    speech, text = drop_conditions(chunks.speech, chunks.text, chunks.null_text, recipe)
    # outside of forward(), as in the chunk step: sharded weights are gathered for each of the two
    audio_tokens = model.project_speech(speech)
    velocity = model(
        hold_motion(noisy, clean),
        1000.0 * times,
        condition,
        text=text,
        image=chunks.image,
        audio_tokens=audio_tokens,
    )
    mask = latents.new_zeros(batch, 1, frames, 1, 1)
    mask[:, :, :motion] = 1.0
    if config.predicts == "clean":  # its errors count alike at all times
        velocity, latents, noise = share * velocity, share * latents, share * noise
    flow = flow_matching(velocity, latents, noise, mask, chunks.weight.expand_as(latents))
    steady = temporal_difference(
        *(by_frame(each, preset) for each in (velocity, latents, noise, mask)),
        recipe.junction_weight,
    )
    loss = flow + recipe.temporal_weight * steady
    figures = {"flow": flow.item(), "temporal": steady.item()}
    if config.face_cells:
        codes = by_frame(true, preset).transpose(1, 2)  # [B, 4 T, D, h, w]
        portraits = by_frame(chunks.reference, preset)[:, :, :1].transpose(1, 2).expand_as(codes)
        unbent = unbending_error(
            model.hand_over.face_like, codes.flatten(0, 1), portraits.flatten(0, 1)
        )
        loss = loss + unbent
        figures["bends"] = unbent.item()
    return loss, figures
