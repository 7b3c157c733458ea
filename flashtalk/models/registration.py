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

SIDE = 64  # pixels of the pictures that are compared, along the shorter side
ROUNDS = 2  # of asking the decoder what it would do
STEPS = 2  # per round
TRUST = 1e-3  # in the first guess, against one squared gradient; decides where nothing is textured
SOFTNESS = 0.1  # residual at which a pixel counts half, pictures in [-1, 1]
GRAY = (0.299, 0.587, 0.114)


def small_gray(pictures: Tensor) -> Tensor:
    """[M, 3, H, W] -> [M, 1, h, w], averaged down to ``SIDE`` along the shorter side."""
    mix = pictures.new_tensor(GRAY)[:, None, None]
    factor = max(1, min(pictures.shape[-2:]) // SIDE)
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


@lru_cache(maxsize=4)
def grid_of(nodes: tuple[int, int], size: tuple[int, int], device: torch.device) -> Grid:
    """The grid of ``nodes`` = (h, w) displacements on pictures of ``size`` = (H, W)."""
    with torch.inference_mode(False):  # what is kept may meet autograd later
        count = nodes[0] * nodes[1]
        each = torch.eye(count, device=device).view(count, 1, *nodes)
        tents = F.interpolate(each, size=size, mode="bilinear", align_corners=False).flatten(1)
        rows, columns = (tents @ tents.T > 0).nonzero(as_tuple=True)
        return Grid(tents, rows, columns, tents[rows] * tents[columns])


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
    normal = normal + TRUST * torch.eye(2 * count, device=normal.device)
    right = torch.stack((across, down), dim=1) * (weight * residual)[:, None]
    right = (right @ grid.tents.T).flatten(1) + TRUST * pull.flatten(1)
    return torch.linalg.solve(normal, right).view_as(pull)
