"""PNG files whose words about the picture are damaged are read, as browsers show them."""

from __future__ import annotations

import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from flashtalk.inputs.levels import eight_bits
from flashtalk.inputs.picture import open_picture

PIXELS = np.random.default_rng(0).integers(0, 255, (80, 90, 3), np.uint8)
NAMES = ("iCCP", "cHRM", "gAMA", "sRGB", "eXIf", "tEXt", "zTXt", "iTXt", "pHYs", "sBIT", "tRNS")
NAMES += ("bKGD", "hIST", "acTL", "fcTL", "cICP", "mDCV", "oFFs", "xxxx")


def chunk(name: str, data: bytes, check: int | None = None) -> bytes:
    content = name.encode() + data
    check = zlib.crc32(content) if check is None else check
    return struct.pack(">I", len(data)) + content + struct.pack(">I", check)


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()


def stderr_of(capfd: pytest.CaptureFixture[str]) -> str:
    return capfd.readouterr().err


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 9, 40])
def test_damaged_words_are_left_out(name: str, size: int, capfd) -> None:
    content = png(PIXELS)
    for check in (None, 0):
        damaged = content[:33] + chunk(name, b"\xfe" * size, check) + content[33:]
        picture, notices = open_picture(damaged)
        if check == 0 or name not in ("gAMA", "cHRM", "tRNS"):  # whole ones may have a meaning
            assert (np.asarray(picture) == PIXELS).all()
        assert notices == () and stderr_of(capfd) == ""


@pytest.mark.parametrize("name", ["iCCP", "cHRM", "tRNS", "sBIT", "PLTE"])
def test_so_they_are_of_sixteen_bits(name: str, capfd) -> None:
    content = png(PIXELS.astype(np.uint16) << 4)
    damaged = content[:33] + chunk(name, b"\xfe" * 9) + content[33:]
    picture, _ = open_picture(damaged)
    assert np.abs(np.asarray(picture).astype(int) - PIXELS).max() <= 2
    assert stderr_of(capfd) == ""


def test_a_wrong_check_sum_of_pixels_is_no_darkness(capfd) -> None:
    content = png(PIXELS.astype(np.uint16) << 4)
    picture, _ = open_picture(content[:-16] + bytes(4) + content[-12:])
    assert np.abs(np.asarray(picture).astype(int) - PIXELS).max() <= 2
    assert stderr_of(capfd) == ""


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_exif_that_is_none_turns_nothing(kind: str, capfd) -> None:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, exif=b"Exif\0\0" + os.urandom(40))
    assert open_picture(file.getvalue())[0].size == (90, 80)
    assert stderr_of(capfd) == ""


def test_colors_of_a_palette_stay(capfd) -> None:
    file = io.BytesIO()
    small = Image.fromarray(PIXELS).quantize(8)
    small.save(file, "PNG")
    content = file.getvalue()
    damaged = content[:33] + chunk("iCCP", b"\xfe" * 9) + content[33:]
    assert (np.asarray(open_picture(damaged)[0]) == np.asarray(small.convert("RGB"))).all()
    assert stderr_of(capfd) == ""


def test_stray_floats_are_told_to_nobody(recwarn) -> None:
    stray = np.full((2, 2), 0.5, np.float32)
    stray[0, 0], stray[1, 1] = 3e38, np.nan
    assert eight_bits(stray, 1.0)[0].tolist() == [255, 128]
    assert not recwarn.list


def test_a_large_picture_with_damaged_exif_is_read(capfd) -> None:
    file = io.BytesIO()
    large = Image.new("RGB", (3_000, 4_000), (90, 60, 40))
    large.save(file, "WEBP", quality=10, exif=b"Exif\0\0" + b"\xfe" * 40)
    assert open_picture(file.getvalue())[0].size == (1_500, 2_000)
    assert stderr_of(capfd) == ""
