"""The image condition with transformers' real CLIP vision tower at toy size."""

import pytest
import torch
from torch.nn import functional as F
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

from flashtalk.models.published.clip import CLIP_DEVIATION, CLIP_MEAN, ImageConditioner, clip_pixels


def toy_tower(layers: int = 3) -> CLIPVisionModel:
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=layers,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        hidden_act="gelu",
    )
    tower = CLIPVisionModel(config).eval().requires_grad_(False)
    for parameter in tower.parameters():
        parameter.normal_(std=0.3)
    return tower


def portrait(height: int = 48, width: int = 32, batch: int = 1) -> torch.Tensor:
    shape = (batch, 3, height, width)
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("layers", [2, 5])
@torch.inference_mode()
def test_the_last_layer_is_left_out(layers: int) -> None:
    tower, pictures = toy_tower(layers), portrait(batch=2)
    seen = []
    tower.get_submodule(penultimate_layer(tower)).register_forward_hook(
        lambda module, inputs, output: seen.append(output)
    )
    states = ImageConditioner(tower)(pictures)
    assert states.shape == (2, 1 + 2 * 2, 16)
    assert torch.equal(states, seen[0])
    square = F.interpolate(pictures, (28, 28), mode="bicubic", align_corners=False)
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (CLIP_MEAN, CLIP_DEVIATION))
    pixels = (square * 0.5 + 0.5 - mean) / deviation
    expected = tower(pixels, output_hidden_states=True).hidden_states[-2]
    assert torch.allclose(states, expected, atol=1e-5)


def penultimate_layer(tower: CLIPVisionModel) -> str:
    names = [
        name
        for name, module in tower.named_modules()
        if type(module).__name__ == "CLIPEncoderLayer"
    ]
    return names[-2]


def test_constants_are_those_of_clip() -> None:
    processor = CLIPImageProcessor()
    assert tuple(processor.image_mean) == CLIP_MEAN
    assert tuple(processor.image_std) == CLIP_DEVIATION


def test_the_whole_picture_is_squeezed_into_the_square() -> None:
    pixels = clip_pixels(portrait(64, 32), 16)
    assert pixels.shape == (1, 3, 16, 16)
    white = clip_pixels(torch.ones(1, 3, 40, 24), 8)
    expected = (1 - torch.tensor(CLIP_MEAN)) / torch.tensor(CLIP_DEVIATION)
    assert torch.allclose(white, expected[:, None, None].expand(1, 3, 8, 8), atol=1e-5)


@torch.inference_mode()
def test_16_bit_tower() -> None:
    states = ImageConditioner(toy_tower().bfloat16())(portrait())
    assert states.dtype == torch.bfloat16
    assert states.isfinite().all()
