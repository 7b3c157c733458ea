"""Video of the networks -> pictures as they are shown and encoded."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_pixels(video: Tensor) -> NDArray[np.uint8]:
    """Video [3, F, H, W] in [-1, 1] -> pictures [F, H, W, 3], 0..255, rounded."""
    scaled = ((video.float() + 1.0) * 127.5).round().clamp(0.0, 255.0).to(torch.uint8)
    return scaled.permute(1, 2, 3, 0).contiguous().cpu().numpy()
