"""What of a decoded frame is the portrait's: how much of each pixel, which color, and from where.

A pixel is ``share * fetched + (1 - share) * paint``. A frame is enlarged by fetching the same
places from a larger portrait (:mod:`flashtalk.models.tiny.enlarging`). Letters: M frames or crops,
h x w pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

ORIGIN_CHANNELS = 6
FETCHED = slice(0, 3)
"""Colors of the warped portrait."""
PLACE = slice(3, 5)
"""Where in the portrait they are from, x before y, -1..1."""
SHARE = slice(5, 6)
"""How much of a pixel is the portrait's, 0..1; the rest is painted."""


def origin_of(fetched: Tensor, places: Tensor, share: Tensor) -> Tensor:
    """``fetched`` [M, 3, h, w] from ``places`` [M, 2, h, w] with a ``share`` [M, 1, h, w].

    -> [M, 6, h, w], in the order above.
    """
    return torch.cat((fetched, places, share), dim=1)
