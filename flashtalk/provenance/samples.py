"""A video or picture file -> the pictures in which the watermark is searched for.

Of a video they are means of its frames: of all that are looked at, and of each quarter. A talk may
be a part of a longer video.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.containers import open_container
from flashtalk.inputs.files import Kind, open_file, short
from flashtalk.inputs.picture import NotAPictureError, open_picture
from flashtalk.inputs.sound import FORMATS as SOUND_FORMATS

_PARTS = 4
_FRAMES = 48
_LOOKED_AT = 6_000  # frames from the beginning: four minutes at 25 frames a second
_SHORT_SIDE_PX = 720  # larger frames are looked at smaller
_MAX_PIXELS = 50_000_000
_FILE = Kind("file", "video or picture", "Use a video such as MP4, or a picture such as PNG")
SOUND = "a sound without pictures, so there is no watermark in it"
NEITHER = "not a picture or video that can be read"
_FORMATS = "mov,mp4,m4a,matroska,webm,avi,mpeg,mpegts,flv,asf,ogg"


def pictures_of(path: Path) -> list[np.ndarray]:
    """Pictures of a file: each [H, W, 3], RGB, 0..255.

    Raises:
        FlashTalkError: it cannot be read, or is neither a video nor a picture.
    """
    frames = list(_frames(path))
    if not frames:
        try:
            return [np.asarray(open_picture(path)[0])]
        except NotAPictureError as error:
            told = SOUND if _is_sound(path) else NEITHER
            raise FlashTalkError(f"{short(path.name)} is {told}. {_FILE.supported}.") from error
    size = -(-len(frames) // _PARTS)
    parts = [frames[start : start + size] for start in range(0, len(frames), size)]
    return [_mean(each) for each in ([frames] if len(parts) < _PARTS else [frames, *parts])]


def _mean(frames: list[np.ndarray]) -> np.ndarray:
    total = np.zeros(frames[0].shape, np.float32)
    for frame in frames:
        total += frame
    return total / np.float32(len(frames))


def _frames(path: Path) -> Iterator[np.ndarray]:
    """Evenly spaced frames of a video; none of a file that is no video."""
    with open_file(path, _FILE) as file:
        try:
            with open_container(file, _FORMATS) as container:
                if not container.streams.video:
                    return
                stream = container.streams.video[0]
                if stream.width * stream.height > _MAX_PIXELS:
                    raise FlashTalkError(
                        f"{short(path.name)} has {stream.width} x {stream.height} pixels; the "
                        f"limit is {_MAX_PIXELS / 1e6:g} megapixels. Scale it down first."
                    )
                size = _size(stream)
                step = -(-min(_count(stream), _LOOKED_AT) // _FRAMES)
                for index, frame in enumerate(container.decode(stream)):
                    if index % step == 0:
                        yield frame.to_ndarray(format="rgb24", width=size[0], height=size[1])
                    if index >= _LOOKED_AT:
                        return
        except av.FFmpegError:  # no video, or damaged from here on
            return


def _is_sound(path: Path) -> bool:
    with open_file(path, _FILE) as file:
        try:
            with open_container(file, SOUND_FORMATS) as container:
                return any(True for _ in container.decode(audio=0))
        except (av.FFmpegError, IndexError):  # IndexError: no sound in it
            return False


def _size(stream: av.VideoStream) -> tuple[int, int]:
    """Width and height in which frames are looked at."""
    scale = min(1.0, _SHORT_SIDE_PX / min(stream.width, stream.height))
    return round(scale * stream.width), round(scale * stream.height)


def _count(stream: av.VideoStream) -> int:
    if stream.frames:
        return stream.frames
    if stream.duration and stream.time_base and stream.average_rate:
        return max(1, round(stream.duration * stream.time_base * stream.average_rate))
    return _LOOKED_AT
