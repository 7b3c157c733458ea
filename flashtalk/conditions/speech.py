"""Speech features around each video frame of a chunk.

The encoder hears a window of several seconds; the chunk's frames are its last ones. Nothing beyond
the speech that was pushed is seen, so the last two frames repeat their right neighbor::

    features  0 .............................. | F-33 ........... F-1 |   newest speech at the right
    row F-1 sees                                         F-3 F-2 F-1 F-1 F-1
"""

from __future__ import annotations

import torch
from torch import Tensor


def speech_windows(features: Tensor, window: int) -> Tensor:
    """Features [F, layers, width] -> [F, window, layers, width], centered, indices clamped."""
    return last_speech_windows(features, window, features.shape[0])


def last_speech_windows(features: Tensor, window: int, frames: int) -> Tensor:
    """The windows of the last ``frames`` rows only: [frames, window, layers, width].

    Their left neighbors may lie before those rows. Equal to ``speech_windows(...)[-frames:]``.
    """
    length = features.shape[0]
    reach = window // 2
    rows = torch.arange(length - frames, length, device=features.device)
    offsets = torch.arange(-reach, reach + 1, device=features.device)
    return features[(rows[:, None] + offsets).clamp(0, length - 1)]
