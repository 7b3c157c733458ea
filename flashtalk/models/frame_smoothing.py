"""Frames within and across latents are smoothed alike.

Last layer of :class:`flashtalk.models.transformer.VideoTransformer` where a latent holds the values
of several frames one after another (the embedded model). Frames of one latent come out of one
token and share its error; without this filter the picture twitches wherever the next token begins.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RADIUS = 4  # frames to each side
SIGMA = 1.0  # of the Gaussian that training begins with, in frames


class FrameSmoothing(nn.Module):
    """A weighted mean over neighboring frames, the weights learned for each value of a frame."""

    def __init__(self, channels: int, frames_per_latent: int) -> None:
        super().__init__()
        self.frames = frames_per_latent
        distance = torch.arange(-RADIUS, RADIUS + 1).float()
        logits = -(distance**2) / (2 * SIGMA**2)
        self.logits = nn.Parameter(logits.repeat(channels // frames_per_latent, 1))

    def forward(self, latents: Tensor) -> Tensor:
        """[B, frames * D, T, h, w] -> the same, each of the D values smoothed over frames * T."""
        batch, _, count, height, width = latents.shape
        values = latents.unflatten(1, (self.frames, -1)).permute(0, 4, 5, 2, 3, 1)
        values = values.reshape(batch * height * width, -1, count * self.frames)
        weights = self.logits.float().softmax(dim=1)[:, None]  # [D, 1, 2 * RADIUS + 1]
        padded = F.pad(values, (RADIUS, RADIUS), mode="replicate")
        smooth = F.conv1d(padded, weights, groups=len(weights))
        smooth = smooth.view(batch, height, width, -1, count, self.frames)
        return smooth.permute(0, 5, 3, 4, 1, 2).flatten(1, 2)
