"""What happens to videos on their way: encoded again, scaled, recorded from a screen."""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import cv2
import numpy as np


def encoded(frames: np.ndarray, fps: int = 25) -> np.ndarray:
    """Through H.264 at crf 28 and back: [F, H, W, 3] uint8."""
    file = io.BytesIO()
    height, width = (side // 2 * 2 for side in frames.shape[1:3])
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=fps, options={"crf": "28"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            pixels = np.ascontiguousarray(frame[:height, :width])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode(None))
    return decoded(file.getvalue())


def decoded(data: bytes) -> np.ndarray:
    """The pictures of a video file: [F, H, W, 3] uint8."""
    with av.open(io.BytesIO(data), "r") as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def scaled(frames: np.ndarray, factor: float) -> np.ndarray:
    """All pictures at ``factor`` times their size."""
    size = [round(factor * side) for side in frames.shape[2:0:-1]]
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.stack([cv2.resize(frame, size, interpolation=way) for frame in frames])


def screen_recording(frames: np.ndarray) -> np.ndarray:
    """Shown at another size in a page, darker, taken at 30 frames a second, at crf 28."""
    shown = scaled(frames[np.arange(len(frames) * 30 // 25) * 25 // 30], 1.7)
    count, height, width, _ = shown.shape
    page = np.full((count, height + 93, width + 171, 3), 240, np.uint8)
    for line in range(20, page.shape[1], 40):
        cv2.putText(page[0], "what else is on the page", (5, line), 0, 0.5, (40, 40, 40))
    page[:] = page[0]
    page[:, 37 : 37 + height, 101 : 101 + width] = shown
    darker = np.rint(255 * (np.arange(256) / 255) ** 1.1).astype(np.uint8)
    return encoded(darker[page], 30)


ATTACKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda frames: frames,
    "one picture": lambda frames: frames[:1],
    "encoded again at crf 28": encoded,
    "three quarters of the size, at crf 28": lambda frames: encoded(scaled(frames, 0.75)),
    "a screen recording": screen_recording,
    "cut at its edges": lambda frames: encoded(scaled(frames, 1.3)[:, 20:-40, 31:-17]),
    "mirrored": lambda frames: encoded(frames[:, :, ::-1]),
}
"""What is done to a video, by name."""
