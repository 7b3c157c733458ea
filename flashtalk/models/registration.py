"""Reading motion back out of pictures: the flow channels of latents, by analysis through synthesis.

Used where the last frames of a chunk are encoded again ("motion frames"). There a small error is
not small: whatever the encoder misreads of the flow, the next chunk starts displaced by, and the
picture jumps at the border. A network that reads flow to two pixels is of no use for that, but it
is a good first guess: from it, a few Gauss-Newton steps find the coarse displacements with which
*this decoder* would have warped the portrait into the picture at hand.

Least squares on a bilinear grid of displacements (free-form registration; Baker and Matthews,
"Lucas-Kanade 20 Years On", 2004, forward-additive form), with a Cauchy weight on the residual so
that what is no warp (teeth, eyelids) does not pull.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

SIDES = (64, 128)  # of the compared pictures, in pixels along the shorter side, round by round
STEPS = 2  # per round; between rounds the decoder is asked what it would make of the latents
# Weights against the mean squared gradient of a picture; they decide where nothing is textured.
TRUST = 1e-3
STIFFNESS = 1e-3
SOFTNESS = 0.1  # residual at which a pixel counts half, pictures in [-1, 1]
GRAY = (0.299, 0.587, 0.114)


def small_gray(pictures: Tensor, side: int) -> Tensor:
    """[M, 3, H, W] -> [M, 1, h, w], averaged down to ``side`` along the shorter side."""
    mix = pictures.new_tensor(GRAY)[:, None, None]
    factor = max(1, min(pictures.shape[-2:]) // side)
    return F.avg_pool2d((pictures * mix).sum(dim=1, keepdim=True), factor)


def slopes(gray: Tensor) -> Tensor:
    """Central differences along x and y per picture unit (2 wide): [M, 1, h, w] -> [M, 2, h, w]."""
    padded = F.pad(gray, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) * (gray.shape[-1] / 4)
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) * (gray.shape[-2] / 4)
    return torch.cat((across, down), dim=1)


@dataclass(frozen=True)
class Grid:
    """A bilinear grid of n displacements over P pixels, and which of them act together."""

    tents: Tensor
    """[n, P] how much each displacement moves each pixel."""
    rows: Tensor
    """[q] and ``columns``: the pairs of displacements that share pixels."""
    columns: Tensor
    products: Tensor
    """[q, P] products of the tents of each pair; a tent meets only its eight neighbors."""
    trust: Tensor
    """[n, n] how a change of the first guess is held back: a little by itself, more by where its
    neighbors go, so that a cheek without texture moves with the rest of the face."""


@lru_cache(maxsize=4)
def grid_of(nodes: tuple[int, int], size: tuple[int, int], device: torch.device) -> Grid:
    """The grid of ``nodes`` = (h, w) displacements on pictures of ``size`` = (H, W)."""
    with torch.inference_mode(False):  # what is kept may meet autograd later
        count = nodes[0] * nodes[1]
        each = torch.eye(count, device=device).view(count, 1, *nodes)
        tents = F.interpolate(each, size=size, mode="bilinear", align_corners=False).flatten(1)
        rows, columns = (tents @ tents.T > 0).nonzero(as_tuple=True)
        joined = torch.zeros(count, count, device=device)
        joined[rows, columns] = -1.0
        joined.fill_diagonal_(0.0)
        stiff = joined - torch.diag(joined.sum(dim=1))  # graph Laplacian over the neighbors
        trust = TRUST * torch.eye(count, device=device) + STIFFNESS * stiff
        return Grid(tents, rows, columns, tents[rows] * tents[columns], trust)


def step(target: Tensor, portrait: Tensor, positions: Tensor, grid: Grid, pull: Tensor) -> Tensor:
    """One Gauss-Newton step of grid displacements [M, 2, h, w], picture units.

    ``target`` [M, 1, H, W] is to be matched by ``portrait`` [M, 3, H, W] (gray and its slopes)
    looked up at ``positions`` [M, H, W, 2]; ``pull`` [M, 2, h, w] leads back to the first guess.
    """
    seen = F.grid_sample(portrait, positions, padding_mode="border", align_corners=False)
    gray, across, down = seen.flatten(2).unbind(1)  # [M, P] each
    residual = target.flatten(1) - gray
    weight = 1.0 / ((1.0 + (residual / SOFTNESS).square()) * gray.shape[1])
    curvature = torch.stack((across * across, across * down, down * down), dim=1) * weight[:, None]
    pairs = curvature @ grid.products.T  # [M, 3, q]
    count = len(grid.tents)
    normal = pairs.new_zeros(len(pairs), 3, count, count)
    normal[:, :, grid.rows, grid.columns] = pairs
    xx, xy, yy = normal.unbind(1)
    normal = torch.cat((torch.cat((xx, xy), dim=2), torch.cat((xy, yy), dim=2)), dim=1)
    normal = normal + torch.block_diag(grid.trust, grid.trust)
    right = torch.stack((across, down), dim=1) * (weight * residual)[:, None]
    right = (right @ grid.tents.T + pull.flatten(2) @ grid.trust).flatten(1)
    return torch.linalg.solve(normal, right).view_as(pull)
