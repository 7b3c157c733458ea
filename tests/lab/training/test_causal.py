"""Causal attention: applied from outside, taken back, and blind to the future."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from flashtalk.config import TINY
from flashtalk.models.tiny.denoiser import TinyDenoiser
from lab.training.causal import make_causal

CONFIG = replace(
    TINY.transformer, dim=32, ffn_dim=48, heads=2, layers=2, audio_width=12, flow_prior_cells=(4, 4)
)
GEOMETRY = replace(TINY.geometry, height_px=128, width_px=128)


@pytest.fixture
def transformer() -> TinyDenoiser:
    torch.manual_seed(0)
    model = TinyDenoiser(CONFIG).requires_grad_(False)
    for name, parameter in model.named_parameters():
        if not name.startswith(("smoothing", "flow_anchor")):
            parameter.normal_(std=0.2)
    return model


def velocity(model: TinyDenoiser, changed_latent: int | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(1, 44, 9, 4, 4, generator=generator)
    condition = torch.randn(1, CONFIG.in_channels - 44, 9, 4, 4, generator=generator)
    condition[:, 0] = 0.0
    condition[:, 0, :2] = 1.0
    speech = torch.randn(1, 33, 5, 2, 128, generator=generator)
    if changed_latent is not None:
        latents[:, :, changed_latent] += 1.0
    tokens = model.project_speech(speech)
    return model(latents, torch.tensor([500.0]), condition, tokens, num_motion=2)


def test_nothing_depends_on_later_latents(transformer: TinyDenoiser) -> None:
    make_causal(transformer, GEOMETRY)
    plain, changed = velocity(transformer), velocity(transformer, changed_latent=5)
    assert torch.allclose(plain[:, :, :5], changed[:, :, :5], atol=1e-5)
    assert not torch.allclose(plain[:, :, 5:], changed[:, :, 5:], atol=1e-3)


def test_without_it_every_new_latent_feels_the_last_one(transformer: TinyDenoiser) -> None:
    before = velocity(transformer)
    felt = velocity(transformer, changed_latent=8) - before
    assert felt[:, :, 2:].abs().amax(dim=(0, 1, 3, 4)).min() > 1e-4
    make_causal(transformer, GEOMETRY)
    assert not torch.allclose(velocity(transformer), before, atol=1e-3)
