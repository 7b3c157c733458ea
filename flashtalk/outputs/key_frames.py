"""The picture that a key frame encodes, so that nobody sees it come.

A key frame draws the whole picture anew. Encoded from the new picture, it would correct at once
what drifted below the eye's threshold for seconds. That is seen as a pulse. It is therefore drawn
from the picture on the screen, and from the new one where the two visibly differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import av
import cv2
import numpy as np
from av.codec.context import Flags
from av.packet import Packet

# Mean difference of brightness, of 255, around a pixel: below the first the picture on the screen
# stays, above the second the new one comes. A talking mouth differs by 10 and more.
_SAME, _NEW = 1.5, 4.0
_AROUND_PX = 9


class Screen:
    """What viewers of an H.264 stream see: decodes the packets as they leave the encoder.

    Args:
        extradata: the encoder's parameter sets.
    """

    def __init__(self, extradata: bytes) -> None:
        self._decoder = av.CodecContext.create("h264", "r")
        self._decoder.extradata = extradata
        self._decoder.thread_count = 1  # threads would hold frames back
        self._decoder.flags |= Flags.low_delay
        self._shown: av.VideoFrame | None = None

    def show(self, packets: Iterable[Packet[Any]]) -> None:
        """Decodes the next picture."""
        for packet in packets:
            for frame in self._decoder.decode(Packet(bytes(packet))):
                self._shown = frame

    def key_frame(self, frame: av.VideoFrame) -> av.VideoFrame:
        """``frame`` where it visibly differs from what is shown, and the shown picture elsewhere.

        Both are yuv420p; the first frame of all comes back as it is.
        """
        if self._shown is None:
            return frame
        width, height = frame.width, frame.height
        new, shown = (f.to_ndarray().astype(np.float32) for f in (frame, self._shown))
        away = cv2.blur(np.abs(new - shown)[:height], (_AROUND_PX, _AROUND_PX))
        share = np.clip((away - _SAME) / (_NEW - _SAME), 0, 1)
        half = cv2.resize(share, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        shares = np.concatenate([share.ravel(), half.ravel(), half.ravel()]).reshape(new.shape)
        mixed = np.round(shown + shares * (new - shown)).astype(np.uint8)
        return av.VideoFrame.from_ndarray(mixed, format="yuv420p")
