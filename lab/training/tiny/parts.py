"""Parts of the autoencoder that learn apart: which weights each of them trains."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from flashtalk.config import TINY
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from lab.training.loop import load_average

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


def trained_in_part(
    part: str, init: Path | None, device: torch.device | str = "cpu"
) -> PortraitAutoencoder:
    """An autoencoder of which ``part`` learns and the rest stays; ``init``: run to start from."""
    model = PortraitAutoencoder(TINY.autoencoder).to(memory_format=torch.channels_last)
    if init:
        load_average(init, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(TRAINED[part]))
    return model.to(device)


def weighted_sum(losses: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """The sum of ``losses`` with their ``LOSS_WEIGHTS``, and each of them for the log."""
    total = sum(LOSS_WEIGHTS[name] * loss for name, loss in losses.items())
    return total, {name: loss.item() for name, loss in losses.items()}
