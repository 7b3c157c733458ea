"""Rows of the table: a folder of weights and how it is sampled."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from flashtalk.errors import FlashTalkError
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.flow_anchor import disable_flow_prior
from flashtalk.weights import MANIFEST
from flashtalk.weights.checkpoint import find_checkpoint
from lab.training.causal import make_causal

FORM = "NAME=FOLDER[,steps=20][,guidance=4][,color=0][,seam=0][,ahead=0][,facelike=0][,causal=1]"


@dataclass(frozen=True)
class Variant:
    """One row. ``None`` keeps the preset's own setting."""

    name: str
    weights: str
    """A preset's name or a folder, as ``Engine.from_pretrained`` takes it."""
    steps: int | None = None
    guidance: float = 1.0
    """Classifier-free guidance over speech; 1 is none, others cost two passes per step."""
    color_strength: float | None = None
    seam_frames: int | None = None
    lookahead_frames: int | None = None
    face_like: bool = True
    """Whether what is handed over returns to displacements that a face makes."""
    causal: bool = False
    """Whether no latent frame sees a later one, as these weights were trained."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.+-]+", self.name):
            raise FlashTalkError(
                f"A row is named with letters, digits and . + - _ only, as it names files; got "
                f"{self.name!r}."
            )

    def load(self, device: torch.device) -> Networks:
        """The networks, sampling as this row says. Raises :class:`FlashTalkError`."""
        checkpoint = find_checkpoint(self.weights)
        preset = checkpoint.preset.with_sampler(
            steps=self.steps, color_strength=self.color_strength, seam_frames=self.seam_frames
        )
        if self.lookahead_frames is not None:
            geometry = replace(preset.geometry, lookahead_frames=self.lookahead_frames)
            preset = replace(preset, geometry=geometry)
        networks = replace(checkpoint.load(device), preset=preset)
        if self.causal:
            make_causal(networks.transformer, preset.geometry)
        if not self.face_like:
            disable_flow_prior(networks.transformer)
        if self.guidance == 1.0:
            return networks
        guided = GuidedTransformer(networks.transformer, self.guidance)
        return replace(networks, transformer=cast(VideoTransformer, guided))

    def digest(self) -> str:
        """Changes when the weights' manifest, which lists their hashes, or a setting does."""
        folder = find_checkpoint(self.weights).weights
        manifest = Path(folder) / MANIFEST if isinstance(folder, Path) else None
        content = manifest.read_bytes() if manifest and manifest.is_file() else str(folder).encode()
        sampled = replace(self, name="row", weights="")
        return hashlib.sha256(content + repr(sampled).encode()).hexdigest()[:16]


def parse_variant(text: str) -> Variant:
    """A row written like ``FORM``; :class:`FlashTalkError` for anything else."""
    name, separator, rest = text.partition("=")
    weights, *settings = rest.split(",")
    given = dict(setting.partition("=")[::2] for setting in settings)
    unknown = given.keys() - {"steps", "guidance", "color", "seam", "ahead", "facelike", "causal"}
    if not separator or not weights or unknown:
        raise FlashTalkError(f"A row is written {FORM}, got {text!r}.")
    try:
        return Variant(
            name=name,
            weights=weights,
            steps=int(given["steps"]) if "steps" in given else None,
            guidance=float(given.get("guidance", 1.0)),
            color_strength=float(given["color"]) if "color" in given else None,
            seam_frames=int(given["seam"]) if "seam" in given else None,
            lookahead_frames=int(given["ahead"]) if "ahead" in given else None,
            face_like=bool(int(given.get("facelike", 1))),
            causal=bool(int(given.get("causal", 0))),
        )
    except ValueError as error:
        raise FlashTalkError(f"In {text!r} a setting is no number: {error}.") from error


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
        latents, timestep, condition_latents, text, image = (
            None if each is None else torch.cat((each, each))
            for each in (latents, timestep, condition_latents, text, image)
        )
        velocities = self.transformer(
            latents, timestep, condition_latents, audio_tokens, text, image, num_motion=num_motion
        )
        spoken, silent = velocities.chunk(2)
        return silent + self.scale * (spoken - silent)
