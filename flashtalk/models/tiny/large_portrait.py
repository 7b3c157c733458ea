"""The portrait at the size of the pictures, from which their detail is fetched.

Where it is a part of a larger picture, its sides are pinned. Motion fades toward them, and the
outermost pixels are the portrait's own. Pixels are blended only where nothing moves: an outline
that moved, over one at rest, would be seen twice. A tilted face has frames that are turned in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flashtalk.inputs.still import FILLING, Place, Sides, Span
from flashtalk.models.pixels import to_pixels
from flashtalk.models.tiny.warpable import warpable_pixels

FREE = 0.16  # of a side: so far from a pinned one, all moves
PINNED = 0.02  # nearer than this, nothing does
_NO_MORE = np.empty(0, np.float32)  # maps of OpenCV come in one array or in two
_RAMP_PX = 256


@dataclass(frozen=True, eq=False)
class LargePortrait:
    """One portrait at the size of the pictures, of which H' x W' pixels are shown."""

    source: NDArray[np.uint8]
    """[2 H, 2 W, 3] RGB, prepared for being warped (:mod:`~.warpable`)."""
    home: NDArray[np.float32]
    """[H', W', 2] where each pixel that is shown is itself in ``source``, x before y."""
    still: NDArray[np.uint8]
    """[H', W', 3] the portrait as it is, there."""
    place: Place = FILLING
    """Of frames in it."""

    @classmethod
    def of(cls, portrait: Tensor, place: Place = FILLING) -> LargePortrait:
        """``portrait`` [1, 3, H, W] in [-1, 1]."""
        source = warpable_pixels(portrait)
        down, across = (np.arange(side, dtype=np.float32) * 2 + 0.5 for side in portrait.shape[2:])
        rows, columns = place.shown(*portrait.shape[2:])
        home = np.stack(np.meshgrid(across[columns], down[rows]), axis=-1)
        still = to_pixels(portrait[..., rows, columns].transpose(0, 1))[0]
        return cls(source, home, still, place)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what is shown, in pixels."""
        return self.home.shape[1], self.home.shape[0]

    def freedom(self, width: int, height: int) -> NDArray[np.float32] | None:
        """The share of its motion that a pixel makes, 0..1: [h, w, 1] of what is shown of a frame.

        ``None``: all of it. The frame has ``width`` and ``height``.
        """
        if not any(self.place.pinned):
            return None
        ramps = _ramps(width, height, self.place.pinned, PINNED, FREE)
        return ramps[self.place.shown(height, width)][..., None]

    def warped(self, offset: np.ndarray) -> NDArray[np.uint8]:
        """A picture [H', W', 3] whose pixels come from ``offset`` [h, w, 2] beside their own.

        In picture units of a frame: it is 2 wide and 2 high.
        """
        if self.place.turn_deg:
            offset = offset @ self.place.rotation.T.astype(np.float32)
        height, width = self.source.shape[:2]
        offset = offset * np.array((width / 2, height / 2), np.float32)
        places = cv2.add(self.spread(offset), self.home)
        picture = np.empty((*self.home.shape[:2], 3), np.uint8)
        border = cv2.BORDER_REPLICATE
        cv2.remap(self.source, places, _NO_MORE, cv2.INTER_LINEAR, picture, border)
        return picture

    def spread(self, maps: np.ndarray) -> np.ndarray:
        """Maps of a frame [h, w, D] at the size of the pictures; 0 beside a turned frame."""
        if not self.place.turn_deg:
            return cv2.resize(maps, self.size)
        matrix = self.place.matrix(maps.shape[1::-1], self.size)
        return cv2.warpAffine(maps, matrix, self.size)

    def spread_part(
        self,
        maps: np.ndarray,
        small: Span,
        part: Span,
        frame: tuple[int, int],
        border: int = cv2.BORDER_REPLICATE,
    ) -> np.ndarray:
        """Maps of the ``small`` part of a frame in a ``part`` of the pictures, finely.

        They fill it, or lie in it turned. What is beside them then follows from ``border``.
        ``frame`` is (width, height).
        """
        size = part[1].stop - part[1].start, part[0].stop - part[0].start
        if not self.place.turn_deg:
            way = cv2.INTER_CUBIC if size[0] >= maps.shape[1] else cv2.INTER_AREA
            return cv2.resize(maps, size, interpolation=way)
        matrix = self.place.matrix(frame, self.size)
        matrix[:, 2] += matrix[:, :2] @ (small[1].start, small[0].start)
        matrix[:, 2] -= part[1].start, part[0].start
        return cv2.warpAffine(maps, matrix, size, flags=cv2.INTER_CUBIC, borderMode=border)

    def part_of(self, small: Span, frame: tuple[int, int]) -> Span:
        """The part of pictures around the ``small`` part of a turned ``frame`` (width, height)."""
        rows, columns = small
        corners = [*product((columns.start, columns.stop), (rows.start, rows.stop), (1,))]
        places = self.place.matrix(frame, self.size) @ np.array(corners, np.float64).T
        low, high = np.floor(places.min(axis=1)), np.ceil(places.max(axis=1))
        left, top = (max(0, int(edge)) for edge in low)
        right, bottom = (min(side, int(e)) for side, e in zip(self.size, high, strict=True))
        return slice(top, bottom), slice(left, right)

    def pin(self, picture: NDArray[np.uint8]) -> None:
        """Gives the ``picture`` [H', W', 3] its pinned sides, in place, where nothing has moved."""
        if any(self.place.pinned):
            cv2.blendLinear(picture, self.still, *self._shares, picture)

    @cached_property
    def _shares(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Of a picture that moves, and of the portrait as it is: [H', W'] each, 1 in all."""
        if self.place.turn_deg:
            ramps = _ramps(_RAMP_PX, _RAMP_PX, self.place.pinned, 0.0, PINNED)
            moving = self.spread(ramps).astype(np.float32, copy=False)
        else:
            height, width = (side // 2 for side in self.source.shape[:2])
            moving = _ramps(width, height, self.place.pinned, 0.0, PINNED)
            moving = np.ascontiguousarray(moving[self.place.shown(height, width)])
        return moving, np.float32(1.0) - moving


def placed(points: Tensor, place: Place) -> Tensor:
    """Landmarks ``points`` [B, L, 2] of a frame in the portrait that it has a ``place`` in."""
    return points @ torch.from_numpy(place.rotation.T).to(points) if place.turn_deg else points


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
