"""Lab color match: the published implementation, and what the statistics must become."""

import zlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from flashtalk.conditions.lab import (
    _MIXES,
    ColorReference,
    color_statistics,
    lab_to_rgb,
    measure_color,
    rgb_to_lab,
)
from flashtalk.stream.color import match_color

GOLDEN = Path(__file__).parents[1] / "golden" / "color.safetensors"


def named(name: str, shape: tuple[int, ...], std: float) -> torch.Tensor:
    """The rule by which the inputs of the golden outputs were made."""
    generator = torch.Generator().manual_seed(zlib.crc32(("public/" + name).encode()))
    return torch.randn(shape, generator=generator) * std


@pytest.mark.parametrize(("key", "strength"), [("strength1", 1.0), ("strength05", 0.5)])
def test_published_values(key: str, strength: float) -> None:
    # The names are seeds of the golden values.
    video = named("colour.video", (1, 3, 4, 24, 16), 0.5).clamp(-1, 1)  # codespell:ignore colour
    noise = named("colour.reference", (1, 3, 1, 24, 16), 0.3)  # codespell:ignore colour
    reference = (noise + 0.2).clamp(-1, 1)
    matched = match_color(video, measure_color(reference[:, :, 0]), strength)
    assert (matched - load_file(GOLDEN)[key]).abs().max() < 1e-4


def test_known_colors() -> None:
    """CIE Lab of white, mid gray and the sRGB primaries."""
    rgb = torch.tensor([[1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1.0], [0, 0, 0]])
    lab = torch.tensor(
        [
            [100, 0, 0],
            [53.39, 0, 0],
            [53.24, 80.09, 67.20],
            [87.73, -86.18, 83.18],
            [32.30, 79.19, -107.86],
            [0, 0, 0],
        ]
    )
    got = rgb_to_lab(rgb[:, :, None, None])[:, :, 0, 0]
    assert torch.allclose(got, lab, atol=0.02)


def test_matrices_are_the_published_ones_to_the_last_digit() -> None:
    """In float64 and by the book; float32 leaves 2e-4 of a Lab unit."""
    rgb = torch.rand(64, 3, 1, 1, generator=torch.Generator().manual_seed(3))
    linear = torch.where(
        rgb > 0.04045, ((rgb.double() + 0.055) / 1.055) ** 2.4, rgb.double() / 12.92
    )[..., 0, 0]
    matrix = torch.tensor(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ],
        dtype=torch.float64,
    )
    x, y, z = (linear @ matrix.T / torch.tensor([0.95047, 1.0, 1.08883])).clamp(1e-8, 1).T
    fx, fy, fz = (
        torch.where(t > 0.008856, t ** (1 / 3), (903.3 * t + 16) / 116) for t in (x, y, z)
    )
    lab = torch.stack((116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)), dim=1)
    got = rgb_to_lab(rgb)[..., 0, 0]
    assert (got - lab).abs().max() < 5e-4
    back = torch.tensor(
        [
            [3.2404542, -1.5371385, -0.4985314],
            [-0.9692660, 1.8760108, 0.0415560],
            [0.0556434, -0.2040259, 1.0572252],
        ],
        dtype=torch.float64,
    )
    white = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64)
    linear = torch.stack((x, y, z), dim=1) * white @ back.T
    expected = torch.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    shown = lab_to_rgb(lab.float()[:, :, None, None])[..., 0, 0]
    assert (shown - expected.clamp(0, 1)).abs().max() < 2e-6


def test_round_trip_over_the_whole_cube() -> None:
    steps = torch.linspace(0, 1, 24)
    rgb = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")).flatten(2)[None]
    assert (lab_to_rgb(rgb_to_lab(rgb)) - rgb).abs().max() < 1e-4


def picture(seed: int, gain: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(1, 3, 16, 16, generator=generator) * gain).clamp(-0.8, 0.8)


def test_each_frame_gets_the_statistics_of_the_portrait() -> None:
    portrait = picture(0, 0.2) + 0.1
    video = torch.stack((picture(1, 0.3), picture(2, 0.1) - 0.1), dim=2)
    matched = match_color(video, measure_color(portrait), 1.0)
    expected = color_statistics(rgb_to_lab((portrait + 1) / 2))
    for frame in matched.unbind(2):
        for got, wanted in zip(
            color_statistics(rgb_to_lab((frame + 1) / 2)), expected, strict=True
        ):
            assert torch.allclose(got, wanted, rtol=0.02, atol=0.3)  # a few pixels are clamped


def test_strength_zero_returns_the_video_itself() -> None:
    video = picture(1, 0.3)[:, :, None]
    assert match_color(video, measure_color(picture(0, 0.2)), 0.0) is video


def test_flat_and_extreme_pictures_stay_finite() -> None:
    video = torch.stack([torch.full((1, 3, 8, 8), value) for value in (-1.0, 0.0, 1.0)], dim=2)
    for portrait in (picture(0, 0.3), torch.zeros(1, 3, 8, 8)):
        matched = match_color(video, measure_color(portrait), 1.0)
        assert matched.isfinite().all()
        assert matched.abs().max() <= 1.0


def test_constants_made_in_inference_serve_training_too() -> None:
    _MIXES.clear()
    with torch.inference_mode():
        reference = measure_color(picture(0, 0.2))
    reference = ColorReference(reference.mean.clone(), reference.deviation.clone())
    video = picture(1, 0.3)[:, :, None].requires_grad_()
    match_color(video, reference, 1.0).sum().backward()
    assert video.grad is not None


def test_gradients_pass_and_are_finite() -> None:
    video = torch.stack([picture(1, 0.5), torch.full((1, 3, 16, 16), -1.0)], dim=2)
    video.requires_grad_()
    match_color(video, measure_color(picture(0, 0.2)), 1.0).sum().backward()
    assert video.grad is not None
    assert video.grad.isfinite().all()
    assert video.grad[:, :, 0].abs().max() > 0
