"""The portrait at the size of the pictures, from which their detail is fetched.

Where it is a part of a larger picture, its sides are pinned. Motion fades toward them, and the
outermost pixels are the portrait's own. Pixels are blended only where nothing moves: an outline
that moved, over one at rest, would be seen twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flashtalk.inputs.still import NO_SIDES, Sides
from flashtalk.models.pixels import to_pixels
from flashtalk.models.tiny.warpable import warpable

FREE = 0.16  # of a side: so far from a pinned one, all moves
PINNED = 0.02  # nearer than this, nothing does
_NO_MORE = np.empty(0, np.float32)  # maps of OpenCV come in one array or in two


@dataclass(frozen=True, eq=False)
class LargePortrait:
    """One portrait at the size of the pictures."""

    source: NDArray[np.uint8]
    """[2 H, 2 W, 3] RGB, prepared for being warped (:func:`~.warpable.warpable`)."""
    home: NDArray[np.float32]
    """[H, W, 2] where each pixel is itself in ``source``, x before y."""
    still: NDArray[np.uint8]
    """[H, W, 3] the portrait as it is."""
    pinned: Sides = NO_SIDES

    @classmethod
    def of(cls, portrait: Tensor, pinned: Sides = NO_SIDES) -> LargePortrait:
        """``portrait`` [1, 3, H, W] in [-1, 1]."""
        source = to_pixels(warpable(portrait).transpose(0, 1))[0]
        down, across = (np.arange(side, dtype=np.float32) * 2 + 0.5 for side in portrait.shape[2:])
        home = np.stack(np.meshgrid(across, down), axis=-1)
        return cls(source, home, to_pixels(portrait.transpose(0, 1))[0], pinned)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures in pixels."""
        return self.home.shape[1], self.home.shape[0]

    def freedom(self, width: int, height: int) -> NDArray[np.float32] | None:
        """[height, width, 1] the share of its motion that a pixel makes, 0..1; ``None``: all."""
        if not any(self.pinned):
            return None
        return _ramps(width, height, self.pinned, PINNED, FREE)[..., None]

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

    def pin(self, picture: NDArray[np.uint8]) -> None:
        """Gives the ``picture`` [H, W, 3] its pinned sides, in place, where nothing has moved."""
        if any(self.pinned):
            cv2.blendLinear(picture, self.still, *self._shares, picture)

    @cached_property
    def _shares(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Of a picture that moves, and of the portrait as it is: [H, W] each, 1 in all."""
        moving = _ramps(*self.size, self.pinned, 0.0, PINNED)
        return moving, 1.0 - moving


def _ramps(width: int, height: int, sides: Sides, start: float, end: float) -> NDArray[np.float32]:
    """[height, width]: 0 up to ``start`` of a side from one of ``sides``, 1 from ``end`` on."""

    def ramp(count: int, low: bool, high: bool) -> NDArray[np.float32]:
        place = np.arange(count, dtype=np.float32) / count
        way = np.ones(count, np.float32)
        for pinned, distance in ((low, place), (high, place[::-1])):
            if pinned:
                way = np.minimum(way, ((distance - start) / (end - start)).clip(0.0, 1.0))
        return way * way * (3.0 - 2.0 * way)

    left, top, right, bottom = sides
    return ramp(height, top, bottom)[:, None] * ramp(width, left, right)
