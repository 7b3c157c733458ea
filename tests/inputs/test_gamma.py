"""PNG files that say which gamma their values have: shown as browsers show them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from flashtalk.inputs.picture import open_picture

VALUES = np.linspace(0, 255, 96).astype(np.uint8)[None].repeat(80, 0)


def png(image: Image.Image, gamma: float, *more: tuple[bytes, bytes]) -> bytes:
    """``image`` with a chunk that says so, and ``more`` chunks."""
    file = io.BytesIO()
    image.save(file, "PNG")
    content = file.getvalue()
    said = b""
    for name, data in ((b"gAMA", struct.pack(">I", round(gamma * 100_000))), *more):
        said += struct.pack(">I", len(data)) + name + data
        said += struct.pack(">I", zlib.crc32(name + data))
    return content[:33] + said + content[33:]  # behind the header


def red(content: bytes) -> np.ndarray:
    return np.asarray(open_picture(content)[0])[..., 0].astype(int)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "I;16"])
@pytest.mark.parametrize("gamma", [1.0, 1 / 1.8])
def test_values_of_another_gamma_are_as_bright_as_a_browser_shows_them(
    mode: str, gamma: float
) -> None:
    image = Image.fromarray(VALUES)
    if mode == "I;16":
        image = Image.fromarray(VALUES.astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    expected = 255 * (VALUES / 255) ** (1 / 2.2 / gamma)
    assert np.abs(red(png(image, gamma)) - expected).max() <= 1


@pytest.mark.parametrize(
    ("gamma", "more"),
    [
        (0.45455, ()),
        (0.00001, ()),  # not believed
        (20_000.0, ()),
        (1.0, ((b"sRGB", b"\0"),)),  # which counts more
    ],
)
def test_all_others_keep_their_values(gamma: float, more: tuple[tuple[bytes, bytes], ...]) -> None:
    assert (red(png(Image.fromarray(VALUES), gamma, *more)) == VALUES).all()


def test_opacity_has_no_gamma() -> None:
    pixels = np.full((80, 96, 4), 255, np.uint8)
    pixels[..., 3] = 64
    expected = 128 + (255 - 128) * 64 / 255
    assert np.abs(red(png(Image.fromarray(pixels), 1.0)) - expected).max() <= 1
