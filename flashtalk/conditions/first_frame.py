"""The condition that is concatenated to the noisy latents: a mask and the reference latents.

Two members of the family, two conventions, told apart by ``TransformerConfig.mask_marks``:

* ``"reference"`` (Wan 2.1 image-to-video, published model): the mask is 1 on latent frame 0, where
  the reference is, and the same for every chunk. It does not mark the motion latents.
* ``"motion"`` (embedded model): the reference is repeated on every latent frame, and the mask is 1
  on the clean motion latents, so the network need not guess which latents carry no noise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.config import TransformerConfig


def condition_latents(
    reference_latents: Tensor, config: TransformerConfig, chunk_latents: int, motion_latents: int
) -> Tensor:
    """Mask and reference of one chunk: [B, mask + C, T, h, w].

    ``reference_latents`` is [B, C, T, h, w], or [B, C, 1, h, w] where the mask marks "motion";
    ``chunk_latents`` is T and ``motion_latents`` how many of them are clean. Raises ``ValueError``
    if a reference for all T latent frames is needed and another length was given.
    """
    batch, _, frames, height, width = reference_latents.shape
    if config.mask_marks == "reference":
        if frames != chunk_latents:
            raise ValueError(
                f'mask_marks "reference" needs reference latents for all {chunk_latents} latent '
                f"frames of a chunk, got {frames}"
            )
        marked = 1
    else:
        reference_latents = reference_latents[:, :, :1].expand(-1, -1, chunk_latents, -1, -1)
        marked = motion_latents
    mask = reference_latents.new_zeros(batch, config.mask_channels, chunk_latents, height, width)
    mask[:, :, :marked] = 1.0
    return torch.cat((mask, reference_latents), dim=1)
