"""Speech features around each video frame of a chunk.

The encoder hears a window of several seconds. The chunk's frames are its last ones, but for those
that are only heard ahead (``lookahead_frames``, none in the published system). Nothing beyond the
window is seen, so its last two frames would repeat their right neighbor::

    features  0 ................... | 33 of the chunk | ahead |   newest speech at the right
    row F-1 sees                                 F-3 F-2 F-1 F-1 F-1
"""

from __future__ import annotations

import torch
from torch import Tensor


def last_speech_windows(features: Tensor, window: int, frames: int, ahead: int = 0) -> Tensor:
    """The windows of ``frames`` rows, the last but ``ahead``: [frames, window, layers, width].

    Each window is centered on its row; its neighbors may lie before and behind those rows.
    """
    length = features.shape[0]
    reach = window // 2
    rows = torch.arange(length - frames - ahead, length - ahead, device=features.device)
    offsets = torch.arange(-reach, reach + 1, device=features.device)
    return features[(rows[:, None] + offsets).clamp(0, length - 1)]
