"""Video of the networks -> pictures as they are shown and encoded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ToPixels = Callable[[Tensor], NDArray[np.uint8]]


def to_pixels(video: Tensor) -> NDArray[np.uint8]:
    """Video [3, F, H, W] in [-1, 1] -> pictures [F, H, W, 3], 0..255, rounded."""
    return _bytes(video).cpu().numpy()


def to_pixels_pinned(video: Tensor) -> NDArray[np.uint8]:
    """:func:`to_pixels` of a GPU, by way of memory that the GPU itself writes to."""
    pictures = _bytes(video).to("cpu", non_blocking=True)  # PyTorch pins what it copies to
    copied = torch.cuda.Event()
    copied.record()
    copied.synchronize()
    return pictures.numpy()


def _bytes(video: Tensor) -> Tensor:
    scaled = ((video.float() + 1.0) * 127.5).round().clamp(0.0, 255.0).to(torch.uint8)
    return scaled.permute(1, 2, 3, 0).contiguous()
