"""Motion latents as they come in a talk: bent, with a way back. For Stage 1.

Each chunk adds an error to the displacements of the face. A model that has only
seen true ones continues an error as faithfully as a pose. After a minute faces are visibly bent.
Training therefore bends motion latents and asks for the true displacements at the end of the chunk.
The flow prior (:mod:`flashtalk.models.tiny.flow_anchor`) learns what no face does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.models.tiny.face_code import FLOW_PLACE, GROUP_FRAMES
from flashtalk.models.tiny.flow_anchor import FlowPrior, remaining

BENT = 0.7  # share of chunks
LARGEST = 0.2  # root mean square of the error, in units of the flow channels
CELL_NOISE = 0.03  # of single cells, in the same units
WIDTHS = (0.5, 2.5)  # of the Gaussian that makes the error smooth, in cells


def random_bends(batch: int, size: tuple[int, int]) -> Tensor:
    """Smooth random displacements [B, 2, h, w] of random strength; some are 0."""
    strength = LARGEST * torch.rand(batch, 1, 1, 1) * (torch.rand(batch, 1, 1, 1) < BENT)
    return strength * smooth_fields(batch, size)


def smooth_fields(batch: int, size: tuple[int, int]) -> Tensor:
    """Smooth random displacements [B, 2, h, w], root mean square 1."""
    low, high = WIDTHS
    width = low + (high - low) * torch.rand(batch, 1, 1)

    def blur(count: int) -> Tensor:
        places = torch.arange(count).float()
        return torch.exp(-(((places[:, None] - places) / width) ** 2) / 2)[:, None]

    field = blur(size[0]) @ torch.randn(batch, 2, *size) @ blur(size[1])
    return field / field.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()


def bent(latents: Tensor, bends: Tensor, motion: int) -> Tensor:
    """``latents`` [B, C, T, h, w] of the embedded model with ``bends`` [B, 2, h, w] in their flow.

    In full in the first ``motion`` latents, then less from frame to frame.
    """
    left = remaining(GROUP_FRAMES, latents.shape[2], motion, latents.device)
    share = left.view(1, GROUP_FRAMES, 1, -1, 1, 1)
    codes = latents.unflatten(1, (GROUP_FRAMES, -1)).clone()  # [B, 4, D, T, h, w]
    codes[:, :, FLOW_PLACE] += share * bends[:, None, :, None]
    return codes.flatten(1, 2)


def unbending_error(network: FlowPrior, codes: Tensor, portraits: Tensor) -> Tensor:
    """Mean squared error of displacements that were bent and freed of it again.

    ``codes`` and ``portraits`` [N, D, h, w]: true ones of frames, and of their portraits. Besides
    the bends each cell has noise of its own, up to ``CELL_NOISE``.
    """
    flow = codes[:, FLOW_PLACE]
    noise = CELL_NOISE * torch.rand(len(flow), 1, 1, 1).to(flow) * torch.randn_like(flow)
    wrong = flow + random_bends(len(flow), (flow.shape[-2], flow.shape[-1])).to(flow) + noise
    return (network(wrong, portraits) - flow).square().mean()
