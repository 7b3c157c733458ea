"""Color pictures of 16 bits a channel and more: Pillow reads their upper bytes, or none.

That is enough for pictures that fill the 16 bits. Cameras and scanners put 10 to 14 bits into 16,
whose upper bytes are nearly black. OpenCV reads those whole, and TIFF files of floats. Used by
:mod:`flashtalk.inputs.picture`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

import cv2
import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

from flashtalk.inputs.chunks import PNG, pixels_alone
from flashtalk.inputs.levels import STRAYS, eight_bits, white_of
from flashtalk.inputs.upright import keep_exif

_DIM = 70  # of 255: upper bytes of 14 bits reach 63, of fewer bits less
_TIFF = (b"II*\0", b"MM\0*")
_WIDTH, _HEIGHT = 256, 257  # tags of TIFF
_STEP = 8  # every eighth pixel of every eighth row tells what white is

# Scanners write tags that OpenCV does not know, and it would say so on stderr.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def sixteen_bit_file(picture: Image.Image) -> IO[bytes] | None:
    """The file of a picture with 16 bits a channel of color, before it is loaded; else ``None``."""
    if not isinstance(picture, ImageFile.ImageFile) or picture.mode not in ("RGB", "RGBA", "LA"):
        return None
    return picture.fp if any(_is_deep(tile[0], tile[3]) for tile in picture.tile) else None


def _is_deep(decoder: str, settings: object) -> bool:
    if decoder.startswith("ppm") and isinstance(settings, tuple):
        return settings[-1] > 255  # by the largest value
    return ";16" in str(settings)


def with_lower_bytes(picture: Image.Image, file: IO[bytes]) -> Image.Image:
    """``picture``, loaded from ``file``, as bright as its bits say."""
    if not _is_dim(picture):
        return picture
    file.seek(0)
    values = _values(file.read(), picture.tell())
    if values is None or values.dtype != np.uint16 or values.ndim != 3:
        return picture  # a kind that OpenCV does not know: dim rather than refused
    parts = [values[..., 2::-1], values[..., 3:]]  # color and opacity have scales of their own
    pixels = [eight_bits(part, white_of(part[::_STEP, ::_STEP])) for part in parts if part.size]
    whole = Image.fromarray(np.dstack(pixels))
    keep_exif(whole, picture)
    return whole


@dataclass(frozen=True, eq=False)
class Tiff:
    """A TIFF file of a kind that Pillow does not know."""

    content: bytes
    size: tuple[int, int]
    """Width and height by its header."""

    @classmethod
    def of(cls, file: IO[bytes]) -> Tiff | None:
        """``None`` of another file, or without a header that can be read."""
        file.seek(0)
        head = file.read(8)
        if head[:4] not in _TIFF:
            return None
        tags = TiffImagePlugin.ImageFileDirectory_v2(head)
        file.seek(tags.next)
        try:
            tags.load(file)
            size = int(tags[_WIDTH]), int(tags[_HEIGHT])
        except Exception:  # a header parser may raise anything at all on damaged bytes
            return None
        file.seek(0)
        return cls(file.read(), size)

    def values(self) -> np.ndarray | None:
        """[H, W] or [H, W, 3 or 4] of any type; ``None`` of kinds that nothing here reads."""
        packed = np.frombuffer(self.content, np.uint8)
        try:
            values = cv2.imdecode(packed, cv2.IMREAD_UNCHANGED)
        except cv2.error:
            return None
        if values is None or values.ndim == 2:
            return values
        return np.concatenate([values[..., 2::-1], values[..., 3:]], axis=2)


def _values(content: bytes, page: int) -> np.ndarray | None:
    """What OpenCV reads of that ``page``; nothing where it cannot."""
    if content.startswith(PNG):
        content = pixels_alone(content)
    elif page:
        pages = (page, page + 1)
        packed = np.frombuffer(content, np.uint8)
        found, values = cv2.imdecodemulti(packed, cv2.IMREAD_UNCHANGED, range=pages)
        return values[0] if found and values else None
    if page:
        return None  # of an animated PNG, of which OpenCV reads the first
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def _is_dim(picture: Image.Image) -> bool:
    counts = np.array(picture.histogram()).reshape(-1, 256)
    colors = counts[: -1 if picture.mode in ("RGBA", "LA") else None]
    return bool(colors[:, _DIM:].sum() < STRAYS * colors.sum())
