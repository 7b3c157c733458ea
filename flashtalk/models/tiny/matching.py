"""Block matching of a frame against the portrait: the cost volume of an optical flow network.

Part of the embedded autoencoder's encoder (:mod:`flashtalk.models.tiny.flow_guess`). It has no
weights and passes no gradient. Letters: N portraits, G frames of each, h x w cells of 8 pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MATCH_REACH = 3  # cells of 8 pixels that the matching looks to each side
MATCH_PLACES = (2 * MATCH_REACH + 1) ** 2


@torch.no_grad()
def matching_features(pictures: Tensor) -> Tensor:
    """Pictures [N, 3, H, W] -> unit features [N, 48, H/8, W/8] for block matching.

    The 16x16 pixels around a cell describe it at a quarter of the resolution. Their mean is removed
    per color, so the product of two features is a normalized correlation.
    """
    small = F.avg_pool2d(pictures, 4)  # [N, 3, H/4, W/4]
    blocks = F.unfold(F.pad(small, (1, 1, 1, 1), mode="replicate"), 4, stride=2)
    blocks = blocks.unflatten(1, (3, 16))
    blocks = (blocks - blocks.mean(dim=2, keepdim=True)).flatten(1, 2)
    return F.normalize(blocks, dim=1, eps=0.05).unflatten(2, (small.shape[2] // 2, -1))


@torch.no_grad()
def correlate(frames: Tensor, portrait: Tensor) -> Tensor:
    """How well each cell of a frame matches the portrait's cells around it: the cost volume.

    Unit features ``frames`` [N, G, D, h, w] and ``portrait`` [N, D, h, w] -> cosines
    [N * G, MATCH_PLACES, h, w].
    """
    height, width = portrait.shape[-2:]
    padded = F.pad(portrait, (MATCH_REACH,) * 4)[:, None]
    cosines = [
        (frames * padded[..., down : down + height, across : across + width]).sum(dim=2)
        for down in range(2 * MATCH_REACH + 1)
        for across in range(2 * MATCH_REACH + 1)
    ]
    return torch.stack(cosines, dim=2).flatten(0, 1)


def expected_place(scores: Tensor) -> Tensor:
    """Cost volume [N, MATCH_PLACES, h, w] -> expected displacement [N, 2, h, w] in -1..1."""
    reach = torch.linspace(-1.0, 1.0, 2 * MATCH_REACH + 1, device=scores.device)
    share = scores.softmax(dim=1).unflatten(1, (len(reach), len(reach)))  # rows, columns
    across = torch.einsum("nrchw,c->nhw", share, reach)
    down = torch.einsum("nrchw,r->nhw", share, reach)
    return torch.stack((across, down), dim=1)
