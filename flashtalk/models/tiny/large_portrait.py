"""The portrait at the size of the pictures, from which their detail is fetched."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flashtalk.models.pixels import to_pixels
from flashtalk.models.tiny.warpable import warpable

_NO_MORE = np.empty(0, np.float32)  # maps of OpenCV come in one array or in two


@dataclass(frozen=True, eq=False)
class LargePortrait:
    """One portrait at the size of the pictures."""

    source: NDArray[np.uint8]
    """[2 H, 2 W, 3] RGB, prepared for being warped (:func:`~.warpable.warpable`)."""
    home: NDArray[np.float32]
    """[H, W, 2] where each pixel is itself in ``source``, x before y."""

    @classmethod
    def of(cls, portrait: Tensor) -> LargePortrait:
        """``portrait`` [1, 3, H, W] in [-1, 1]."""
        source = to_pixels(warpable(portrait).transpose(0, 1))[0]
        down, across = (np.arange(side, dtype=np.float32) * 2 + 0.5 for side in portrait.shape[2:])
        return cls(source, np.stack(np.meshgrid(across, down), axis=-1))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures in pixels."""
        return self.home.shape[1], self.home.shape[0]

    def warped(self, offset: np.ndarray) -> NDArray[np.uint8]:
        """A picture [H, W, 3] whose pixels are fetched from ``offset`` [h, w, 2] beside their own.

        In picture units: a picture is 2 wide and 2 high.
        """
        offset = offset * np.array(self.size, np.float32)
        places = cv2.add(cv2.resize(offset, self.size), self.home)
        picture = np.empty((*self.home.shape[:2], 3), np.uint8)
        border = cv2.BORDER_REPLICATE
        cv2.remap(self.source, places, _NO_MORE, cv2.INTER_LINEAR, picture, border)
        return picture
