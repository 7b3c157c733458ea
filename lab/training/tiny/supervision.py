"""Parts of a training step that the losses of warp and painters share.

Between :mod:`lab.training.data.codec_dataset` and the losses. It chooses the frames of a batch. It
says how far codes and landmarks are off and how much each pixel weighs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.face_code import GROUP_FRAMES, MOUTH, frame_codes, index_of, paint
from flashtalk.models.tiny.guidance import Guidance
from lab.training.data.codec_dataset import Batch

CHOSEN_FRAMES = 2  # of each group of four


def guidance_of(
    model: PortraitAutoencoder, batch: Batch, noise: float = 0.0, point_noise: float = 0.0
) -> Guidance:
    """Guidance of the portraits, with readings that are off by so much.

    A session paints the portrait's code by the landmarks that it reads. Lips that are misplaced
    have a wrong gap, too. A painter that always knows the gap to a tenth of a pixel fails on
    photographs. Their gap is read two pixels wrong, and teeth stay between shut lips.
    """
    points = batch.points + point_noise * torch.randn_like(batch.points)
    code = batch.portrait_codes.clone()
    if point_noise:
        size = (code.shape[-2], code.shape[-1])
        mouth = [index_of(name) for name in MOUTH]
        code[:, mouth] = paint(points, points.new_zeros(len(points), 2), size)[:, mouth]
    return model.guidance(
        batch.portraits, code=code + noise * torch.randn_like(code), points=points
    )


def chosen_frames(batch: Batch) -> Tensor:
    """Numbers of half of the frames of each group: they resemble each other, others teach more."""
    groups, device = len(batch.codes), batch.codes.device
    chosen = torch.rand(groups, GROUP_FRAMES, device=device).argsort(dim=1)[:, :CHOSEN_FRAMES]
    return (chosen + GROUP_FRAMES * torch.arange(groups, device=device)[:, None]).flatten()


def noisy_codes(batch: Batch, chosen: Tensor, noise: float) -> Tensor:
    """True codes [M, D, h, w] of the chosen frames, off by ``noise``."""
    code = frame_codes(batch.codes)[chosen]
    return code + noise * torch.randn_like(code)


def pixel_weight(batch: Batch, chosen: Tensor) -> Tensor:
    """Weight [M, 1, H, W] of the reconstruction of the ``chosen`` frames [M], for each pixel."""
    return F.interpolate(batch.weight[chosen], scale_factor=4.0, mode="nearest")
