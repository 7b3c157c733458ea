"""The condition that is concatenated to the noisy latents: mask, reference latents, blinks.

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
from flashtalk.models.tiny.face_code import groups_of


def condition_latents(
    reference_latents: Tensor,
    config: TransformerConfig,
    chunk_latents: int,
    motion_latents: int,
    closed: Tensor | None = None,
) -> Tensor:
    """Mask, reference and blinks of one chunk: [B, mask + C + blink, T, h, w].

    ``reference_latents`` is [B, C, T, h, w], or [B, C, 1, h, w] where the mask marks "motion";
    ``chunk_latents`` is T and ``motion_latents`` how many of them are clean. ``closed`` [B, F] says
    how far the eyes are closed in each frame, for models with ``blink_channels`` only. Raises
    ``ValueError`` if a reference for all T latent frames is needed and another length was given,
    or ``closed`` is missing or not wanted.
    """
    if (closed is not None) != (config.blink_channels > 0):
        raise ValueError(
            f"this model has {config.blink_channels} blink channels, but closed was "
            f"{'not ' if closed is None else ''}given"
        )
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
    parts = [mask, reference_latents]
    if closed is not None:
        blinks = groups_of(closed, config.frames_per_latent).transpose(1, 2).to(mask)
        parts.append(blinks[..., None, None].expand(-1, -1, -1, height, width))
    return torch.cat(parts, dim=1)
