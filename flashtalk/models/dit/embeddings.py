"""Into and out of the transformer's tokens: timestep, image states, patches; and its norms.

Used by :mod:`flashtalk.models.dit.transformer`. Attribute names follow the published checkpoint.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAX_PERIOD = 10_000.0


def sinusoidal_embedding(timestep: Tensor, dim: int) -> Tensor:
    """Embeds ``timestep`` [B] (0 .. 1000) as cosines, then sines: [B, dim] float32."""
    # float64: at t = 1000 a float32 angle is already wrong by 6e-5.
    half = dim // 2
    exponents = torch.arange(half, dtype=torch.float64, device=timestep.device) / half
    angles = torch.outer(timestep.double(), MAX_PERIOD**-exponents)
    return torch.cat((angles.cos(), angles.sin()), dim=1).float()


class Float32Sequential(nn.Sequential):
    """Linear layers and activations computed in float32, whatever the weights' type or autocast.

    The timestep steers every layer through a few numbers; 16 bits are too few for them.
    """

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out] float32."""
        with without_autocast(x.device):
            x = x.float()
            for layer in self:
                x = float32_linear(layer, x) if isinstance(layer, nn.Linear) else layer(x)
        return x


def without_autocast(device: torch.device) -> AbstractContextManager[None]:
    """No automatic casts inside; devices that have none (``meta``) have nothing to switch off."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def float32_linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """``layer(x)`` with the layer's weights read as float32."""
    return F.linear(x, layer.weight.float(), layer.bias.float())


class LayerNorm(nn.LayerNorm):
    """Affine layer norm, computed in float32, result in the type of the input."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        weight, bias = self.weight.float(), self.bias.float()
        return F.layer_norm(x.float(), self.normalized_shape, weight, bias, self.eps).to(x.dtype)


class RMSNorm(nn.Module):
    """Divides by the root mean square, in float32; result in the type of the input."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        # By way of the vector norm: half the time of squaring a copy of x on the CPU.
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        scale = torch.rsqrt(length.square() / x.shape[-1] + self.eps)
        return (x * scale).to(x.dtype) * self.weight


class ImageProjector(nn.Module):
    """Image encoder states to context tokens of the transformer's width."""

    def __init__(self, image_dim: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.LayerNorm(image_dim),
            nn.Linear(image_dim, image_dim),
            nn.GELU(),
            nn.Linear(image_dim, dim),
            nn.LayerNorm(dim),
        )

    def forward(self, image: Tensor) -> Tensor:
        """[B, M, image_dim] -> [B, M, dim]."""
        return self.proj(image)


def unpatchify(tokens: Tensor, grid: tuple[int, int, int], patch: tuple[int, int, int]) -> Tensor:
    """Lays the patches [B, L, pt*ph*pw*C] of ``grid`` (T, H, W) out: [B, C, T*pt, H*ph, W*pw]."""
    batch = tokens.shape[0]
    cells = tokens.view(batch, *grid, *patch, -1)  # [B, T, H, W, pt, ph, pw, C]
    cells = cells.permute(0, 7, 1, 4, 2, 5, 3, 6)  # [B, C, T, pt, H, ph, W, pw]
    height, width = grid[1] * patch[1], grid[2] * patch[2]
    return cells.reshape(batch, -1, grid[0] * patch[0], height, width)
