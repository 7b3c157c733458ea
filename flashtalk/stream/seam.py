"""The seam between two chunks: what re-encoding lost is not dropped at once but faded out.

Part of the chunk step, behind the color match. The autoencoder reads the last frames of a chunk
back with a small error; decoded again, they are not quite what was shown. Without this station the
video jumps by that error at every border. Here the difference between the last picture that was
shown and the same picture decoded from the motion latents is added to the first new frames, a
little less to each, and less where a frame no longer shows what the difference was found on: an
open mouth's must not stay on the chin once the lips are shut.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHANGED = 0.15
"""Change of a pixel, in [-1, 1], at which half of the difference is left. Over 54 borders of six
held-out people (2026-11-26), what is added where a pixel has changed by more than 0.3 falls to an
eighth, and the jump at the border from 1.10 to 1.08 of what moves anyway; with 0.05 it is 1.09."""


@dataclass(frozen=True)
class Seam:
    """The last picture of a chunk, twice: [B, 3, 1, H, W] in [-1, 1]."""

    shown: Tensor
    decoded: Tensor
    """The same, from the motion latents that were made of it."""


def fade_seam(video: Tensor, seam: Seam, frames_before: int, seam_frames: int) -> Tensor:
    """Video [B, 3, F, H, W] plus a falling share of what ``seam`` lost, in [-1, 1].

    ``frames_before`` of the chunk's new frames came before ``video``; after ``seam_frames`` of them
    nothing is left to add. The share falls evenly, so that each step hides as much as the others.
    """
    touched = max(0, min(video.shape[2], seam_frames - frames_before))
    if not touched:
        return video
    first = video[:, :, :touched]
    after = torch.arange(touched, device=video.device, dtype=torch.float32) + frames_before + 1
    share = (1.0 - after / (seam_frames + 1)).view(1, 1, -1, 1, 1)
    change = (first - seam.decoded).abs().amax(dim=1, keepdim=True)
    share = share / (1.0 + (change / CHANGED).square())
    joined = first + share * (seam.shown - seam.decoded)
    return torch.cat((joined.clamp(-1.0, 1.0), video[:, :, touched:]), dim=2)
