"""What every encoded picture carries: the watermark, and the visible mark if it is wanted."""

from __future__ import annotations

import av
import numpy as np
from av.video.plane import VideoPlane

from flashtalk.provenance.visible import VisibleMark
from flashtalk.provenance.watermark import Watermark


class Marks:
    """Marks pictures of one size as AI-generated.

    Args:
        width: picture width in pixels, even.
        height: picture height in pixels, even.
        visible: draw the visible mark, too; the watermark is always there.
    """

    def __init__(self, width: int, height: int, *, visible: bool = True) -> None:
        self._watermark = Watermark(width, height)
        self._visible = VisibleMark(width, height) if visible else None

    def mark(self, frame: av.VideoFrame) -> None:
        """Marks a yuv420p ``frame``, in place."""
        light, blue, red = (_pixels(plane) for plane in frame.planes)
        self._watermark.add(blue)
        if self._visible is not None:
            self._visible.draw(light, blue, red)


def _pixels(plane: VideoPlane) -> np.ndarray:
    """A view of a plane's pixels: [H, W] uint8."""
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)  # type: ignore[call-overload]
    return rows[:, : plane.width]
