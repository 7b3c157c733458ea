"""FP8 storage: how far it is from the plain path, and what it takes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from flashtalk.config import SpeechFeatures, TransformerConfig
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.placement.fp8 import STORAGE, row_scales, store_as_fp8

ROUNDING = 0.026
"""Root mean square of a weight's relative error: 3 bits behind the leading one."""
TOLERANCE = 0.03
"""Stated for a transformer's velocity, relative to its own spread."""

CONFIG = TransformerConfig(
    dim=64,
    ffn_dim=96,
    heads=2,
    layers=3,
    latent_channels=4,
    mask_channels=4,
    speech=SpeechFeatures(layers=2, width=8),
    audio_hidden=16,
    audio_tokens=4,
    audio_width=12,
    frequency_dim=16,
    text_dim=24,
    text_tokens=6,
    image_dim=20,
    image_tokens=5,
)


@pytest.fixture(scope="module")
def plain() -> VideoTransformer:
    torch.manual_seed(0)
    transformer = VideoTransformer(CONFIG).eval().requires_grad_(False)
    for parameter in transformer.parameters():  # no closed gates: every layer must matter
        parameter.normal_(std=0.1)
    return transformer


def velocity(transformer: VideoTransformer) -> Tensor:
    draw = torch.Generator().manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw)

    with torch.inference_mode():
        return transformer(
            random(1, 4, 3, 8, 6),
            torch.tensor([600.0]),
            random(1, 8, 3, 8, 6),
            transformer.project_speech(random(1, 9, 5, 2, 8)),
            random(1, 6, 24),
            random(1, 5, 20),
        )


def stored_bytes(module: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters())


def test_a_transformer_stays_near_its_plain_path(plain: VideoTransformer) -> None:
    expected = velocity(plain)
    transformer = copy.deepcopy(plain)
    store_as_fp8(transformer.blocks)
    difference = velocity(transformer) - expected
    assert 0 < difference.std() < TOLERANCE * expected.std()


def test_weights_take_a_byte_each_and_keep_type_and_shape(plain: VideoTransformer) -> None:
    blocks = copy.deepcopy(plain.blocks).to(torch.bfloat16)
    layers = [layer for layer in blocks.modules() if isinstance(layer, nn.Linear)]
    saved = sum(layer.weight.numel() for layer in layers)  # one of two bytes
    scales = sum(2 * layer.weight.shape[0] for layer in layers)
    before = stored_bytes(blocks)
    store_as_fp8(blocks)
    assert stored_bytes(blocks) == before - saved + scales
    for layer in layers:
        assert layer.weight.dtype == torch.bfloat16
        assert layer.parametrizations.weight.original0.dtype == STORAGE


@pytest.mark.parametrize("size", [1e-6, 0.02, 1.0, 300.0])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_weights_of_any_size_lose_the_same_share(size: float, dtype: torch.dtype) -> None:
    torch.manual_seed(2)
    layer = nn.Linear(256, 64).requires_grad_(False).to(dtype)
    layer.weight.copy_(torch.randn(64, 256) * size)
    weight = layer.weight.clone()
    store_as_fp8(layer)
    error = (layer.weight - weight).float().square().mean().sqrt()
    assert error < 1.1 * ROUNDING * weight.float().square().mean().sqrt()


def test_reading_a_weight_back_rounds_nothing() -> None:
    torch.manual_seed(3)
    layer = nn.Linear(64, 32).requires_grad_(False)
    layer.weight.copy_((torch.randn(32, 64) * torch.logspace(-6, 2, 32)[:, None]).bfloat16())
    store_as_fp8(layer)
    once = layer.weight.clone()
    exact = layer.to(torch.bfloat16).weight.float()  # the biases are cast, the weights' type is not
    assert torch.equal(once, once.bfloat16().float())
    assert torch.equal(exact, once)
    again = nn.Linear(64, 32).requires_grad_(False)
    again.weight.copy_(once)
    store_as_fp8(again)
    assert torch.equal(again.weight, once)


def test_scales_use_the_whole_range_and_survive_zeros() -> None:
    weight = torch.tensor([[448.0, 1.0], [449.0, 0.0], [224.0, -3.0], [0.0, 0.0], [-1.75, 0.5]])
    scales = row_scales(weight)
    assert scales.flatten().tolist() == [1.0, 2.0, 0.5, 1.0, 2.0**-8]
    assert (weight.abs() / scales).amax() <= 448


def test_what_cannot_be_stored_is_said(plain: VideoTransformer) -> None:
    block = copy.deepcopy(plain.blocks[0])
    store_as_fp8(block)
    with pytest.raises(ValueError, match="twice"):
        store_as_fp8(block)
    with pytest.raises(ValueError, match="requires_grad_"):
        store_as_fp8(nn.Linear(4, 4))
