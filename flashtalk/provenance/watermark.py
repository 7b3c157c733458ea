"""The invisible watermark: a fixed pattern in the blue-yellow channel of every picture.

Additive spread spectrum, as Cox et al. describe it (Secure Spread Spectrum Watermarking for
Multimedia, 1997), with one bit: it is there. The eye hardly sees fine blue-yellow differences,
and pictures hold few of their own there. So a weak pattern is enough. The pattern does not change
over time, so codecs keep it.

It says where a video comes from to those who ask. It does not hinder those who want it gone: its
key is in this repository.
"""

from __future__ import annotations

import cv2
import numpy as np

from flashtalk.provenance.pattern import field

STRENGTH = 1.6
"""Standard deviation in steps of Cb, of 255."""
_STEPS_OF_VIDEO = 224 / 255  # video's Cb runs from 16 to 240


class Watermark:
    """The watermark of pictures of one size.

    Args:
        width: picture width in pixels, even.
        height: picture height in pixels, even.
    """

    def __init__(self, width: int, height: int) -> None:
        steps = STRENGTH * _STEPS_OF_VIDEO * field(height // 2, width // 2)
        self._steps = np.rint(steps).astype(np.int16)

    def add(self, blue: np.ndarray) -> None:
        """Adds the pattern to a Cb plane of yuv420p: [H / 2, W / 2] uint8, changed in place."""
        blue[:] = cv2.add(blue, self._steps, dtype=cv2.CV_8U)
