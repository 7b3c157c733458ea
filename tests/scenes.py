"""Scenes and chunks of the toy networks, as sessions make them."""

from __future__ import annotations

import copy
from dataclasses import fields, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from flashtalk.conditions import Conditions
from flashtalk.config import Preset, TinyDenoiserConfig
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.denoiser import TinyDenoiser
from flashtalk.stream.chunk import Scene, carry, fragment_bounds, sample, show
from flashtalk.stream.color import MatchFrame, match_frame
from flashtalk.stream.state import SessionState
from flashtalk.stream.timing import NO_TIMER, Timer
from flashtalk.stream.workers import ALONE, WorkerPool


def scene_of(
    networks: Networks,
    conditions: Conditions,
    *,
    workers: WorkerPool = ALONE,
    timer: Timer = NO_TIMER,
    frame_match: MatchFrame = match_frame,
    **sampler: float,
) -> Scene:
    """A scene with the preset's sampler, but for the settings in ``sampler``."""
    changed = replace(networks.preset.sampler, **sampler)
    return Scene(networks, conditions, changed, workers, timer, frame_match)


def pieces_of(
    scene: Scene, state: SessionState, speech: Tensor, first_fragment_frames: int
) -> tuple[list[Tensor], SessionState]:
    """The pieces of one chunk, and the state after it."""
    bounds = fragment_bounds(scene.geometry, first_fragment_frames)
    latents = sample(scene, state, speech)
    videos = [each.video for each in show(scene, state, latents, bounds)]
    return videos, carry(scene, state, latents, torch.cat(videos, dim=2))


def velocity_of(model: nn.Module, speech: Tensor, **given: Tensor | int) -> Tensor:
    """What ``model`` predicts while it hears ``speech``."""
    return model(audio_tokens=model.project_speech(speech), **given)


class VelocityDenoiser(TinyDenoiser):
    """The embedded denoiser, whose head says the velocity itself, as the published one's does."""

    anchored = False

    def forward(self, latents, timestep, condition_latents, audio_tokens, *context, **_):
        """As :meth:`TinyDenoiser.forward`, without what follows the head."""
        text, image = context or (None, None)
        return self.predict(latents, timestep, condition_latents, audio_tokens, text, image)


def with_velocity(denoiser: TinyDenoiser) -> VelocityDenoiser:
    """A copy of ``denoiser`` that is a :class:`VelocityDenoiser`."""
    plain = copy.deepcopy(denoiser)
    plain.__class__ = VelocityDenoiser
    return plain


class VelocityConfig(TinyDenoiserConfig):
    """Sizes of a :class:`VelocityDenoiser`."""

    anchored: ClassVar[bool] = False


def velocity_preset(preset: Preset) -> Preset:
    """``preset`` with a :class:`VelocityConfig` of the same sizes."""
    sizes = {each.name: getattr(preset.transformer, each.name) for each in fields(VelocityConfig)}
    return replace(preset, transformer=VelocityConfig(**sizes))
