"""Image registration: the flow with which the decoder warps the portrait into a given frame.

Used where frames are encoded whose codes nobody knows: the portrait, and clips of a training. What
is misread there is learned. A network that reads flow to two pixels is a good first guess. From it
a few Gauss-Newton steps find the coarse displacements with which *this decoder* would make the
frame. This is analysis by synthesis.

Least squares on a bilinear grid of displacements, in the forward-additive form of Baker and
Matthews ("Lucas-Kanade 20 Years On", 2004). A Cauchy weight keeps what is no warp (teeth, eyelids)
from pulling. Letters: M frames, B portraits, n displacements, h x w of them, H x W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from flashtalk.geometry import exact_div
from flashtalk.models.tiny.maps import warp
from flashtalk.models.tiny.tone import luma_of

SIDES_PX = (64, 128, 256)  # shorter side of the compared pictures, round by round
STEPS = 2  # per round; each round begins with what the decoder makes of the latents
# Both weigh against the mean squared gradient of a picture: they decide where it has no texture.
PRIOR_WEIGHT = 5e-4  # of the first guess itself
SMOOTHNESS_WEIGHT = 5e-4  # of equal changes of neighbors
CAUCHY_SCALE = 0.1  # residual at which a pixel counts half, pictures in [-1, 1]


def small_gray(pictures: Tensor, side_px: int) -> Tensor:
    """[M, 3, H, W] -> luma [M, 1, h, w], averaged down to ``side_px`` along the shorter side."""
    factor = max(1, min(pictures.shape[-2:]) // side_px)
    return F.avg_pool2d(luma_of(pictures), factor)


def image_gradient(gray: Tensor) -> Tensor:
    """Central differences along x and y per picture unit: [M, 1, h, w] -> [M, 2, h, w]."""
    padded = F.pad(gray, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) * (gray.shape[-1] / 4)
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) * (gray.shape[-2] / 4)
    return torch.cat((across, down), dim=1)


@dataclass(frozen=True)
class DisplacementGrid:
    """A bilinear grid of n displacements over a picture, as blocks between four displacements.

    ::

        x---+---x---+---x     x  a displacement, in the middle of its cell
        |   |   |   |   |     A block lies between four of them; at the rim of the picture two of
        +---B---+---B---+     the four, or all, are the same. B blocks of P pixels cover the
        |   |   |   |   |     picture and half a block of nothing around it.
    """

    corners: Tensor
    """[4, P] how much each of its four displacements moves each pixel of a block."""
    products: Tensor
    """[16, P] products of these, for all pairs."""
    nodes: Tensor
    """[B * 4] which displacements the corners of the blocks are."""
    pairs: Tensor
    """[B * 16] and which entries of the [n, n] matrix their pairs."""
    prior: Tensor
    """[n, n] how a change of the first guess is held back: a bit by itself, more by its neighbors.

    So a cheek without texture moves with the rest of the face.
    """
    blocks: tuple[int, int]
    """Rows and columns of blocks."""

    def cut(self, maps: Tensor) -> Tensor:
        """Maps [M, D, H, W] -> [M, D, B, P], zeros around them."""
        down, across = self.blocks
        height, width = maps.shape[-2] // (down - 1), maps.shape[-1] // (across - 1)
        rim = (width // 2, width - width // 2, height // 2, height - height // 2)
        maps = F.pad(maps, rim).unflatten(-1, (across, width)).unflatten(-3, (down, height))
        return maps.transpose(-3, -2).flatten(-2).flatten(2, 3)


@lru_cache(maxsize=8)
def displacement_grid(
    nodes: tuple[int, int], size: tuple[int, int], device: torch.device
) -> DisplacementGrid:
    """The grid of ``nodes`` = (h, w) displacements on pictures of ``size`` = (H, W)."""
    with torch.inference_mode(False):  # what is kept may meet autograd later
        ramps, near = [], []
        for count, length in zip(nodes, size, strict=True):
            pixels = exact_div(length, count, "pixels between two displacements")
            ramp = torch.arange(pixels, device=device) + 0.5 + pixels / 2 - pixels // 2
            ramp = ramp / pixels
            ramps.append(torch.stack((1 - ramp, ramp)))  # [2, pixels]
            first = torch.arange(-1, count, device=device)
            near.append(torch.stack((first, first + 1), dim=1).clamp(0, count - 1))
        down, across = ramps
        corners = (down[:, None, :, None] * across[None, :, None, :]).flatten(2).flatten(0, 1)
        rows, columns = near
        which = (rows[:, None, :, None] * nodes[1] + columns[None, :, None, :]).flatten(0, 1)
        which = which.flatten(1)  # [B, 4]
        pairs = which[:, :, None] * (nodes[0] * nodes[1]) + which[:, None, :]
        return DisplacementGrid(
            corners=corners,
            products=(corners[:, None] * corners[None]).flatten(0, 1),
            nodes=which.flatten(),
            pairs=pairs.flatten(),
            prior=_prior(nodes, device),
            blocks=(nodes[0] + 1, nodes[1] + 1),
        )


def _prior(nodes: tuple[int, int], device: torch.device) -> Tensor:
    """Precision [n, n] of changes: a multiple of the identity and of the grid's graph Laplacian."""
    count = nodes[0] * nodes[1]
    index = torch.arange(count, device=device)
    row, column = index // nodes[1], index % nodes[1]
    apart = torch.maximum((row - row[:, None]).abs(), (column - column[:, None]).abs())
    joined = -(apart == 1).float()
    laplacian = joined - torch.diag(joined.sum(dim=1))
    return PRIOR_WEIGHT * torch.eye(count, device=device) + SMOOTHNESS_WEIGHT * laplacian


def gauss_newton_step(
    target: Tensor, portrait: Tensor, sampling: Tensor, grid: DisplacementGrid, pull: Tensor
) -> Tensor:
    """One Gauss-Newton step of grid displacements [M, 2, h, w], picture units.

    The portraits [B, 3, H, W] (luma and its gradient), sampled at ``sampling`` [M, 2, H, W], are to
    match ``target`` [M, 1, H, W]. ``pull`` [M, 2, h, w] leads back to the first guess.
    """
    gray, gradient = warp(portrait, sampling).split((1, 2), dim=1)
    residual = target - gray
    weight = 1.0 / ((1.0 + (residual / CAUCHY_SCALE).square()) * gray[0].numel())
    across, down = gradient.split(1, dim=1)
    curvature = torch.cat((across * across, across * down, down * down), dim=1) * weight
    sums = (grid.cut(curvature) @ grid.products.T).flatten(2)  # [M, 3, B * 16]
    count = len(grid.prior)
    normal = sums.new_zeros(len(sums), 3, count * count).index_add_(2, grid.pairs, sums)
    xx, xy, yy = normal.unflatten(2, (count, count)).unbind(1)
    normal = torch.cat((torch.cat((xx, xy), dim=2), torch.cat((xy, yy), dim=2)), dim=1)
    normal = normal + torch.block_diag(grid.prior, grid.prior)
    sums = (grid.cut(gradient * (weight * residual)) @ grid.corners.T).flatten(2)  # [M, 2, B * 4]
    right = sums.new_zeros(len(sums), 2, count).index_add_(2, grid.nodes, sums)
    right = (right + pull.flatten(2) @ grid.prior).flatten(1)
    return torch.linalg.solve(normal, right).view_as(pull)
