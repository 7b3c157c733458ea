"""Frames within and across latents are smoothed alike.

Last layer of :class:`flashtalk.models.tiny.denoiser.TinyDenoiser`, whose latents hold the values of
several frames one after another. Frames of one latent come out of
one token and share its error. Without this filter the picture twitches wherever the next token
begins.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RADIUS = 4  # frames to each side
JOIN_FRAMES = 6  # over which the first new frames join the last given one
SIGMA = 1.0  # of the Gaussian that training begins with, in frames


class FrameSmoothing(nn.Module):
    """A weighted mean over neighboring frames, the weights learned for each value of a frame."""

    def __init__(self, channels: int, frames_per_latent: int) -> None:
        super().__init__()
        self.frames = frames_per_latent
        self.causal = False  # set: a frame is smoothed with earlier ones alone
        distance = torch.arange(-RADIUS, RADIUS + 1).float()
        logits = -(distance**2) / (2 * SIGMA**2)
        self.logits = nn.Parameter(logits.repeat(channels // frames_per_latent, 1))

    def forward(self, latents: Tensor, num_motion: int) -> Tensor:
        """[B, frames * D, T, h, w] -> the same, each of the D values smoothed over frames * T.

        The first ``num_motion`` latents are known. Smoothed, the last frame of theirs is not quite
        what it was. The frames after it begin with that difference, so that they join it.
        """
        batch, _, count, height, width = latents.shape
        values = latents.unflatten(1, (self.frames, -1)).permute(0, 4, 5, 2, 3, 1)
        values = values.reshape(batch * height * width, -1, count * self.frames)
        logits = self.logits.float()
        if self.causal:
            later = torch.arange(2 * RADIUS + 1, device=logits.device) > RADIUS
            logits = logits.masked_fill(later, -torch.inf)
        weights = logits.softmax(dim=1)[:, None]  # [D, 1, 2 * RADIUS + 1]
        before = values[..., :1].expand(-1, -1, RADIUS)
        # turned about the last frame, not repeated: a motion that goes on is not slowed down
        after = 2.0 * values[..., -1:] - values[..., -RADIUS - 1 : -1].flip(-1)
        smooth = F.conv1d(torch.cat((before, values, after), dim=-1), weights, groups=len(weights))
        last = num_motion * self.frames - 1
        since = torch.arange(values.shape[-1], device=values.device) - last
        share = (1.0 - since / (JOIN_FRAMES + 1)).clamp(0.0, 1.0) * (since > 0)
        smooth = smooth + share * (values - smooth)[..., last : last + 1]
        smooth = smooth.view(batch, height, width, -1, count, self.frames)
        return smooth.permute(0, 5, 3, 4, 1, 2).flatten(1, 2)
