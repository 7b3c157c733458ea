"""The visible mark: small letters in the upper left corner of every picture.

Players draw their controls over the lower edge.
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

TEXT = "AI-generated"
_HEIGHT = 0.036  # of the short side, and no smaller than can be read
_LEAST_HEIGHT_PX = 11
_WHITE, _BLACK, _GRAY = 235.0, 16.0, 128.0  # in yuv420p of video
_LETTERS, _SHADE = 0.9, 0.4  # how much they cover


class VisibleMark:
    """The mark of pictures of one size; one that is too small for its letters stays as it is.

    Args:
        width: picture width in pixels, even.
        height: picture height in pixels, even.
    """

    def __init__(self, width: int, height: int) -> None:
        font = ImageFont.load_default(max(_LEAST_HEIGHT_PX, round(_HEIGHT * min(width, height))))
        left, top, right, bottom = (round(edge) for edge in font.getbbox(TEXT))
        space = max(2, round(0.4 * (bottom - top)))
        size = (_even(right - left + 2 * space), _even(bottom - top + 2 * space))
        letters = Image.new("L", size)
        place = ((size[0] - right - left) / 2, (size[1] - bottom - top) / 2)
        ImageDraw.Draw(letters).text(place, TEXT, fill=255, font=font)
        covered = _LETTERS * np.asarray(letters, np.float32) / 255
        self._kept = (1 - _SHADE) * (1 - covered)
        self._added = _SHADE * (1 - covered) * _BLACK + covered * _WHITE
        self._fits = size[0] + 2 * space <= width and size[1] + 2 * space <= height
        self._top = self._left = _even(space)

    def draw(self, light: np.ndarray, blue: np.ndarray, red: np.ndarray) -> None:
        """Draws the mark into the planes of a yuv420p picture, uint8, changed in place."""
        if not self._fits:
            return
        kept = cv2.resize(self._kept, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        self._cover(light, self._kept, self._added, 1)
        for plane in (blue, red):
            self._cover(plane, kept, (1 - kept) * _GRAY, 2)

    def _cover(self, plane: np.ndarray, kept: np.ndarray, added: np.ndarray, coarser: int) -> None:
        height, width = kept.shape
        top, left = self._top // coarser, self._left // coarser
        part = plane[top : top + height, left : left + width]
        part[:] = np.rint(part * kept + added).astype(np.uint8)


def _even(length: int) -> int:
    return length // 2 * 2
