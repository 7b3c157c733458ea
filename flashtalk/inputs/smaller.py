"""Large pictures of two kinds at half their size, where decoding all of it costs too much.

Pillow's library for HEIC needs 2.4 s of processor time for 48 megapixels. The one for WebP holds
each picture four times. Used by :mod:`flashtalk.inputs.picture`.
"""

from __future__ import annotations

from typing import IO

import cv2
import numpy as np
from PIL import Image

from flashtalk.inputs.heif_tiles import UnusualError, halved_heic
from flashtalk.inputs.upright import keep_exif

_HALF = cv2.IMREAD_REDUCED_COLOR_2 | cv2.IMREAD_IGNORE_ORIENTATION


def halved(picture: Image.Image) -> Image.Image | None:
    """``picture``, opened and not yet loaded, at half its size; ``None`` of other kinds."""
    file: IO[bytes] | None = getattr(picture, "fp", None)
    if file is None or picture.mode != "RGB" or picture.format not in ("HEIF", "WEBP"):
        return None
    if picture.format == "WEBP" and getattr(picture, "n_frames", 1) > 1:
        return None  # an animation; further ones in a HEIC file are views of the same
    place = file.tell()
    file.seek(0)
    content = file.read()
    file.seek(place)
    pixels = _heic(content, picture.size) if picture.format == "HEIF" else _webp(content)
    if pixels is None:
        return None
    half = Image.fromarray(pixels)
    keep_exif(half, picture)  # and its color profile
    return half


def _heic(content: bytes, size: tuple[int, int]) -> np.ndarray | None:
    try:
        return halved_heic(content, size)
    except UnusualError:
        return None


def _webp(content: bytes) -> np.ndarray | None:
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), _HALF)
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
