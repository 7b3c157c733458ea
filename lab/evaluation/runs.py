"""Runs of the table: weights and how they are sampled."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from flashtalk.errors import FlashTalkError
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.flow_anchor import disable_flow_prior
from flashtalk.weights import MANIFEST
from flashtalk.weights.checkpoint import find_checkpoint
from lab.training.causal import make_causal
from lab.training.distributed import denoiser_of

FORM = "NAME=WEIGHTS[,steps=20][,guidance=4][,color_strength=0] ..."


@dataclass(frozen=True)
class Run:
    """One run. ``None`` keeps the preset's own setting."""

    name: str
    weights: str
    """A preset's name or a folder, as ``Engine.from_pretrained`` takes it."""
    steps: int | None = None
    guidance: float = 1.0
    """Classifier-free guidance over speech; 1 is none, others cost two passes per step."""
    color_strength: float | None = None
    lookahead_frames: int | None = None
    chunk_frames: int | None = None
    flow_prior: bool = True
    """Whether displacements of motion frames return to those that a face makes."""
    causal: bool = False
    """Whether no latent frame sees a later one, as these weights were trained."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.+-]+", self.name):
            raise FlashTalkError(
                f"A run is named with letters, digits and . + - _ only, as it names files; got "
                f"{self.name!r}."
            )

    def load(self, device: torch.device) -> Networks:
        """The networks, sampling as this run says. Raises :class:`FlashTalkError`.

        What is judged are the networks' own frames.
        """
        preset = (checkpoint := find_checkpoint(self.weights)).preset
        preset = preset.with_size(None if preset.sizes else preset.network_size).with_sampler(
            steps=self.steps, color_strength=self.color_strength
        )
        if self.lookahead_frames is not None:
            geometry = replace(preset.geometry, lookahead_frames=self.lookahead_frames)
            preset = replace(preset, geometry=geometry)
        preset = preset.with_chunk(self.chunk_frames)
        networks = replace(checkpoint.load(device), preset=preset)
        denoiser = denoiser_of(networks)
        if self.causal:
            make_causal(denoiser, preset.geometry)
        if not self.flow_prior:
            disable_flow_prior(denoiser)
        if self.guidance == 1.0:
            return networks
        guided = GuidedTransformer(denoiser, self.guidance)
        return replace(networks, transformer=cast(VideoTransformer, guided))

    def digest(self) -> str:
        """Changes when the weights' manifest, which lists their hashes, or a setting does."""
        folder = find_checkpoint(self.weights).weights
        manifest = Path(folder) / MANIFEST if isinstance(folder, Path) else None
        content = manifest.read_bytes() if manifest and manifest.is_file() else str(folder).encode()
        sampled = replace(self, name="run", weights="")
        return hashlib.sha256(content + repr(sampled).encode()).hexdigest()[:16]


SETTINGS: Mapping[str, Callable[[str], Any]] = {
    "steps": int,
    "guidance": float,
    "color_strength": float,
    "lookahead_frames": int,
    "chunk_frames": int,
    "flow_prior": lambda text: bool(int(text)),
    "causal": lambda text: bool(int(text)),
}
"""Settings of a :class:`Run` as text: how each is read."""


def parse_run(text: str) -> Run:
    """A run written NAME=WEIGHTS[,SETTING=VALUE ...]; :class:`FlashTalkError` for anything else."""
    name, separator, rest = text.partition("=")
    weights, *settings = rest.split(",")
    given = dict(setting.partition("=")[::2] for setting in settings)
    if not separator or not weights or given.keys() - SETTINGS.keys():
        raise FlashTalkError(
            f"A run is written {FORM}, got {text!r}. Its settings are {', '.join(SETTINGS)}."
        )
    try:
        read = {setting: SETTINGS[setting](value) for setting, value in given.items()}
    except ValueError as error:
        raise FlashTalkError(f"In {text!r} a setting is no number: {error}.") from error
    return Run(name, weights, **read)


class GuidedTransformer(nn.Module):
    """A transformer in whose place it stands, with guidance over speech in every call.

    The null condition is zero features, as in training (Stage 1 drops speech so).
    """

    def __init__(self, transformer: VideoTransformer, scale: float) -> None:
        super().__init__()
        self.transformer = transformer
        self.scale = scale
        self.anchored = transformer.anchored
        self.reference_clip = transformer.reference_clip
        self.control = transformer.control
        self.condition = transformer.condition
        self.constrain = transformer.constrain

    def project_speech(self, speech: Tensor) -> Tensor:
        """Audio tokens [2 B, ...] of ``speech`` [B, ...] and of none."""
        return self.transformer.project_speech(torch.cat((speech, torch.zeros_like(speech))))

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        condition_latents: Tensor,
        audio_tokens: Tensor,
        text: Tensor | None = None,
        image: Tensor | None = None,
        *,
        num_motion: int,
    ) -> Tensor:
        """As :class:`VideoTransformer`, with ``audio_tokens`` from :meth:`project_speech`."""
        latents, timestep, condition_latents = (
            torch.cat((each, each)) for each in (latents, timestep, condition_latents)
        )
        text, image = (None if each is None else torch.cat((each, each)) for each in (text, image))
        velocities = self.transformer(
            latents, timestep, condition_latents, audio_tokens, text, image, num_motion=num_motion
        )
        spoken, silent = velocities.chunk(2)
        return silent + self.scale * (spoken - silent)
