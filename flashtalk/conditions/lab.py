"""RGB <-> CIE Lab (sRGB, D65) and the color statistics of a portrait.

Below ``stream.color``, which matches chunks to those statistics. All of it runs in float32 whatever
the decoder's dtype, and all of it can be differentiated.

Constants: IEC 61966-2-1 (sRGB) and CIE 15 (Lab). White point and both matrices are the published
system's to the last digit. The colors of one chunk are those that the next one continues.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

WHITE = (0.95047, 1.0, 1.08883)
RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
XYZ_TO_RGB = (  # the inverse, as the published system rounds it
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)
LAB_OF_RESPONSE = (  # (fx, fy, fz) -> (L + 16, a, b)
    (0.0, 116.0, 0.0),
    (500.0, -500.0, 0.0),
    (0.0, 200.0, -200.0),
)
OFFSET = 16.0
SLOPE = 903.3  # of L over Y below the knee
# Below these knees a straight line replaces the power. Each half is computed on its own side of the
# knee and the two are added: quicker than choosing, and no power is ever differentiated at zero.
RGB_KNEE = 0.04045
LINEAR_KNEE = 0.0031308
XYZ_KNEE = 0.008856
RESPONSE_KNEE = XYZ_KNEE ** (1.0 / 3.0)
DARKEST = 1e-8


@dataclass(frozen=True)
class ColorReference:
    """Lab mean and spread of a portrait, each [B, 3, 1, 1]."""

    mean: Tensor
    deviation: Tensor
    """Population standard deviation over the pixels."""


def measure_color(portrait: Tensor) -> ColorReference:
    """Portrait [B, 3, H, W] in [-1, 1] -> its Lab statistics."""
    mean, deviation = color_statistics(rgb_to_lab((portrait.float() + 1.0) / 2.0))
    return ColorReference(mean=mean, deviation=deviation)


def color_statistics(lab: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and population deviation over the pixels of [N, 3, H, W], each [N, 3, 1, 1]."""
    mean = lab.mean(dim=(-2, -1), keepdim=True)
    variance = (lab - mean).square().mean(dim=(-2, -1), keepdim=True)
    return mean, variance.clamp(min=DARKEST**2).sqrt()


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """[N, 3, H, W] sRGB in [0, 1] -> L in 0..100, a, b."""
    mixes = _mixes(rgb.device)
    curve = _power(rgb.clamp(min=RGB_KNEE).add_(0.055), 2.4, scale=1.055**-2.4)
    linear = torch.add(curve, rgb.clamp(max=RGB_KNEE), alpha=1.0 / 12.92)
    xyz = mixes.linear_to_xyz(linear).clamp(DARKEST, 1.0)
    root = _power(xyz.clamp(min=XYZ_KNEE), 1.0 / 3.0)
    response = torch.add(root, xyz.clamp(max=XYZ_KNEE), alpha=SLOPE / 116.0)
    x, y, z = response.unbind(dim=-3)
    # Differences before they are scaled: gray would round to 500 x - 500 y, seen in dark pictures.
    lightness = torch.add(y.new_tensor(-(XYZ_KNEE * SLOPE + OFFSET)), y, alpha=116.0)
    return torch.stack((lightness, (x - y).mul_(500.0), (y - z).mul_(200.0)), dim=-3)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """L, a, b [N, 3, H, W] -> sRGB, clamped to [0, 1]."""
    mixes = _mixes(lab.device)
    response = mixes.lab_to_response(lab)
    upper = response.clamp(min=RESPONSE_KNEE)
    line = response.clamp(max=RESPONSE_KNEE)
    linear = mixes.xyz_to_linear(torch.add(upper * upper * upper, line, alpha=116.0 / SLOPE))
    curve = _power(linear.clamp(min=LINEAR_KNEE), 1.0 / 2.4, scale=1.055)
    joined = torch.add(curve, linear.clamp(max=LINEAR_KNEE), alpha=12.92)
    return joined.sub_(0.055 + 12.92 * LINEAR_KNEE).clamp(0.0, 1.0)


def _power(x: Tensor, exponent: float, scale: float = 1.0) -> Tensor:
    """``scale * x ** exponent`` for positive x; a third of the time of ``pow`` on a processor."""
    return torch.log2(x).mul_(exponent).add_(math.log2(scale)).exp2_()


@dataclass(frozen=True)
class _Mix:
    """One linear step between color spaces: ``matrix @ (color + before) + after``."""

    matrix: Tensor  # [3, 3]
    constant: Tensor  # [3, 1]

    @classmethod
    def of(cls, matrix: Tensor, before: float, device: torch.device, after: float = 0.0) -> _Mix:
        constant = before * matrix.sum(dim=1, keepdim=True) + after
        return cls(matrix.to(device, torch.float32), constant.to(device, torch.float32))

    def __call__(self, color: Tensor) -> Tensor:
        """Applies the matrix to the color channels of [N, 3, H, W]."""
        count = color.shape[0]
        mixed = torch.baddbmm(
            self.constant.expand(count, 3, 1), self.matrix.expand(count, 3, 3), color.flatten(-2)
        )
        return mixed.unflatten(-1, color.shape[-2:])


@dataclass(frozen=True)
class _Mixes:
    """All linear steps, both ways. The constants are what the joined halves are too high by."""

    linear_to_xyz: _Mix
    lab_to_response: _Mix
    xyz_to_linear: _Mix


_MIXES: dict[torch.device, _Mixes] = {}  # not functools.cache, which a compiled graph goes past


def _mixes(device: torch.device) -> _Mixes:
    if device not in _MIXES:
        _MIXES[device] = _new_mixes(device)
    return _MIXES[device]


def _new_mixes(device: torch.device) -> _Mixes:
    # Kept constants may meet autograd later, so they must not become inference tensors.
    with torch.inference_mode(False):
        white = torch.tensor(WHITE, dtype=torch.float64)
        xyz_of_rgb = torch.tensor(RGB_TO_XYZ, dtype=torch.float64) / white[:, None]
        rgb_of_xyz = torch.tensor(XYZ_TO_RGB, dtype=torch.float64) * white
        lab_of_response = torch.tensor(LAB_OF_RESPONSE, dtype=torch.float64)
        return _Mixes(
            linear_to_xyz=_Mix.of(xyz_of_rgb, -RGB_KNEE / 12.92, device),
            lab_to_response=_Mix.of(lab_of_response.inverse(), 0.0, device, OFFSET / 116.0),
            xyz_to_linear=_Mix.of(rgb_of_xyz, -RESPONSE_KNEE * 116.0 / SLOPE, device),
        )
