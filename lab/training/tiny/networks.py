"""New networks of the embedded model, and which weights of the autoencoder learn apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from flashtalk.config import TINY, TinyDenoiserConfig
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.denoiser import TinyDenoiser
from flashtalk.models.tiny.landmarks import FaceReader
from flashtalk.models.tiny.speech_encoder import SpeechEncoder
from lab.training.loop import load_average

Model = TypeVar("Model", bound=nn.Module)

LOSS_WEIGHTS = {
    "guess": 2.0,
    "flow": 8.0,
    "square": 40.0,
    "mouth": 4.0,
    "mouth_gradient": 2.0,
    "opening": 20.0,
    "inside": 100.0,
    "eyes": 16.0,
    "eyes_gradient": 8.0,
    "lids": 2.0,
}
TRAINED = {
    "flow": ("flow_guesser.", "pyramid.encoder."),
    "decoder": ("decoder.", "pyramid."),
    "warp": tuple(
        f"decoder.{layer}" for layer in ("coarse", "reference", "middle", "fine", "flow", "outline")
    )
    + tuple(f"pyramid.{layer}" for layer in ("stem", "fine", "middle", "coarse", "finest_static")),
    "painters": ("decoder.mouth.", "decoder.eye."),  # and lab.training.tiny.sharpening
    "teeth": ("decoder.mouth.",),  # by lab.training.tiny.teeth alone
    "polish": ("decoder.mouth.", "decoder.cover."),
    "cover": ("decoder.cover.",),  # by lab.training.tiny.sharpening alone
    "lids": ("decoder.lids.",),  # likewise
}
"""Beginnings of the names of the weights that a part trains."""


def new_autoencoder() -> PortraitAutoencoder:
    """The autoencoder with random weights, in the memory format of a live session."""
    assert TINY.autoencoder is not None
    model = PortraitAutoencoder(TINY.autoencoder)
    return channels_last(model)


def new_reader() -> FaceReader:
    """The face reader with random weights."""
    assert TINY.autoencoder is not None
    return FaceReader(TINY.autoencoder.width)


def new_speech_encoder() -> SpeechEncoder:
    """The speech encoder with random weights; without its gate, so it hears every sound."""
    assert TINY.speech_encoder is not None
    return SpeechEncoder(replace(TINY.speech_encoder, voice_gate=False))


def new_denoiser() -> TinyDenoiser:
    """The transformer with random weights."""
    assert isinstance(TINY.transformer, TinyDenoiserConfig)
    return TinyDenoiser(TINY.transformer)


def channels_last(model: Model) -> Model:
    """``model`` in the memory format that convolutions are fastest in."""
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def trained_in_part(
    part: str, init: Path | None, device: torch.device | str = "cpu"
) -> PortraitAutoencoder:
    """An autoencoder of which ``part`` learns and the rest stays; ``init``: run to start from."""
    model = new_autoencoder()
    if init:
        load_average(init, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(TRAINED[part]))
    return model.to(device)


def weighted_sum(losses: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """The sum of ``losses`` with their ``LOSS_WEIGHTS``, and each of them for the log."""
    total = torch.stack([LOSS_WEIGHTS[name] * loss for name, loss in losses.items()]).sum()
    return total, {name: loss.item() for name, loss in losses.items()}
