"""Pictures of high dynamic range (PQ, HLG) -> sRGB, in which they would otherwise look pale.

PNG files say it in their chunk cICP, AVIF and HEIF files in their box nclx. White on paper is
203 cd/m² (ITU-R BT.2408); what is brighter is compressed. Used by :mod:`flashtalk.inputs.picture`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

import numpy as np
from PIL import Image

from flashtalk.inputs.chunks import PNG

_HEAD_BYTES = 65_536
_PQ, _HLG = 16, 18  # transfers of ITU-T H.273
_WHITE_NITS, _HLG_NITS = 203.0, 1_000.0
_BRIGHTEST = 4.0  # in whites, beyond which all is white
_STEPS = 8_192
_ROWS = 256  # at once, to spare memory
_KNEE = 0.75  # of white: what is brighter is compressed
# From linear values of these primaries to those of sRGB; the rows sum to 1.
_TO_SRGB = {
    9: ((1.6605, -0.5876, -0.0729), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1188)),
    12: ((1.2249, -0.2249, 0.0), (-0.0420, 1.0420, 0.0), (-0.0197, -0.0786, 1.0983)),
}
_LUMINANCE = np.array((0.2627, 0.6780, 0.0593), np.float32)
INFO = "flashtalk_hdr"
"""Where a picture's ``info`` has its :class:`Hdr`."""


@dataclass(frozen=True)
class Hdr:
    """Primaries and transfer, by the numbers of ITU-T H.273."""

    primaries: int
    transfer: int


def hdr_of(file: BinaryIO) -> Hdr | None:
    """What ``file`` says of itself, if that is a high dynamic range; its place is kept."""
    place = file.tell()
    head = file.read(_HEAD_BYTES)
    file.seek(place)
    if head.startswith(PNG):
        start = head[: max(0, head.find(b"IDAT"))].find(b"cICP") + 4
        numbers = head[start : start + 2] if start > 3 else b""
    elif head[4:8] == b"ftyp":
        start = head.find(b"colrnclx") + 8
        numbers = head[start + 1 : start + 4 : 2] if start > 7 else b""
    else:
        return None
    found = Hdr(*numbers) if len(numbers) == 2 else None
    return found if found is not None and found.transfer in (_PQ, _HLG) else None


def to_srgb(picture: Image.Image, hdr: Hdr) -> Image.Image:
    """``picture`` of any mode as RGB or RGBA, as bright as on a usual screen."""
    clear = picture.has_transparency_data
    values = np.array(picture.convert("RGBA" if clear else "RGB"))
    light, coded = _light(hdr.transfer), _coded()
    for top in range(0, len(values), _ROWS):
        colors = values[top : top + _ROWS, :, :3]
        colors[:] = coded[_steps(light[colors], hdr)]
    return Image.fromarray(values)


def _steps(light: np.ndarray, hdr: Hdr) -> np.ndarray:
    """Linear ``light`` [h, w, 3] of the picture's primaries -> places in :func:`_coded`."""
    if hdr.transfer == _HLG:
        luminance = (light @ _LUMINANCE)[..., None]
        light = light * (luminance ** np.float32(0.2) * np.float32(_HLG_NITS / _WHITE_NITS))
    if hdr.primaries in _TO_SRGB:
        light = light @ np.array(_TO_SRGB[hdr.primaries], np.float32).T
    light = np.clip(light, 0.0, _BRIGHTEST)
    return (np.sqrt(light / np.float32(_BRIGHTEST)) * (_STEPS - 1) + 0.5).astype(np.uint16)


@cache
def _coded() -> np.ndarray:
    """[steps] of sRGB for light in steps of its root; what is brighter than white is compressed."""
    light = np.linspace(0, 1, _STEPS) ** 2 * _BRIGHTEST
    bright = _KNEE + (1 - _KNEE) * (1 - np.exp(-(light - _KNEE) / (1 - _KNEE)))
    light = np.where(light > _KNEE, bright, light)
    coded = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * coded).astype(np.uint8)


@cache
def _light(transfer: int) -> np.ndarray:
    """[256] of each value: shares of white for PQ, of the scene's brightest light for HLG."""
    value = np.arange(256) / 255
    if transfer == _PQ:
        root = value ** (32 / 2_523)
        ratio = np.maximum(root - 3_424 / 4_096, 0) / (2_413 / 128 - 2_392 / 128 * root)
        light = 10_000 * ratio ** (16_384 / 2_610) / _WHITE_NITS
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    return light.astype(np.float32)
