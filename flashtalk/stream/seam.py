"""The seam between two chunks: what re-encoding lost is not dropped at once but faded out.

Part of the chunk step, behind the color match. The autoencoder reads the last frames of a chunk
back with a small error; decoded again, they are not quite what was shown. Without this station the
video jumps by that error at every border. Here the difference between the last picture that was
shown and the same picture decoded from the motion latents is added to the first new frames, a
little less to each.
"""

from __future__ import annotations

import torch
from torch import Tensor


def fade_seam(video: Tensor, difference: Tensor, frames_before: int, seam_frames: int) -> Tensor:
    """Video [B, 3, F, H, W] plus a falling share of ``difference`` [B, 3, 1, H, W], in [-1, 1].

    ``frames_before`` of the chunk's new frames came before ``video``; after ``seam_frames`` of them
    nothing is left to add. The share falls evenly, so that each step hides as much as the others.
    """
    after = torch.arange(video.shape[2], device=video.device, dtype=torch.float32)
    after = after + frames_before + 1
    share = (1.0 - after / (seam_frames + 1)).clamp(min=0.0).view(1, 1, -1, 1, 1)
    touched = int((share > 0).sum())
    if not touched:
        return video
    joined = video[:, :, :touched] + share[:, :, :touched] * difference
    return torch.cat((joined.clamp(-1.0, 1.0), video[:, :, touched:]), dim=2)
