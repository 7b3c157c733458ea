"""TIFF files of numbers that Pillow does not know."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.picture import open_picture

UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def tiff(values: np.ndarray, numbers: int, orientation: int = 1) -> bytes:
    """``values`` [H, W, channels], uncompressed; two channels are gray and opacity."""
    height, width, count = values.shape
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    bits = 8 * values.dtype.itemsize
    tags: list[tuple[int, str, list[int]]] = [
        (256, "I", [width]),
        (257, "I", [height]),
        (258, "H", [bits] * count),
        (259, "H", [1]),
        (262, "H", [2 if count > 2 else 1]),
        (273, "I", [0]),
        (274, "H", [orientation]),
        (277, "H", [count]),
        (278, "I", [height]),
        (279, "I", [len(data)]),
    ]
    tags += [(338, "H", [2])] if count in (2, 4) else []
    tags += [(339, "H", [numbers] * count)]
    place = 8 + 2 + 12 * len(tags) + 4
    lists = {tag: struct.pack(f"<{len(each)}{of}", *each) for tag, of, each in tags}
    begin = place + sum(len(each) for each in lists.values() if len(each) > 4)
    lists[273] = struct.pack("<I", begin)
    entries, far = b"", b""
    for tag, of, each in tags:
        content = lists[tag]
        if len(content) > 4:
            content, far = struct.pack("<I", place + len(far)), far + content
        entries += struct.pack("<HHI", tag, 3 if of == "H" else 4, len(each))
        entries += content.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + b"\0" * 4 + far + data


def shade() -> np.ndarray:
    """[80, 96, 3] in 0..1: red grows to the right, green downward."""
    values = np.full((80, 96, 3), 0.3)
    values[..., 0] = np.linspace(0, 1, 96)
    values[..., 1] = np.linspace(0, 1, 80)[:, None]
    return values


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_floats_are_as_bright_as_eight_bits(kind: type, count: int) -> None:
    values = np.dstack([shade(), np.ones((80, 96))])[..., :count].astype(kind)
    found = np.asarray(open_picture(tiff(values, FLOAT))[0]).astype(float)
    expected = np.broadcast_to(255 * values[..., :3], found.shape)
    assert np.abs(found - expected).max() <= 1


def test_signed_colors_and_deep_gray_with_opacity_are_read() -> None:
    signed = (4_095 * shade()).astype(np.int16)
    found = np.asarray(open_picture(tiff(signed, SIGNED))[0])
    assert np.abs(found - 255 * shade()).max() <= 1
    gray = np.dstack([65_535 * shade()[..., 0], np.full((80, 96), 65_535)]).astype(np.uint16)
    found = np.asarray(open_picture(tiff(gray, UNSIGNED))[0])
    assert np.abs(found - 255 * shade()[..., :1]).max() <= 2


def test_a_picture_of_floats_is_turned_upright_too() -> None:
    found = np.asarray(open_picture(tiff(shade().astype(np.float32), FLOAT, 6))[0])
    assert np.abs(found - np.rot90(255 * shade(), -1)).max() <= 1


def test_kinds_that_nothing_reads_are_named() -> None:
    half = shade().astype(np.float16)
    for content in (tiff(half, FLOAT), tiff(shade().astype(np.float32), FLOAT)[:5_000]):
        with pytest.raises(FlashTalkError, match=r"TIFF picture of a kind.*PNG"):
            open_picture(content)
    with pytest.raises(FlashTalkError, match=r"limit is 0\.005 megapixels"):
        open_picture(tiff(half, FLOAT), max_pixels=5_000)
    with pytest.raises(FlashTalkError, match="not a picture that can be read"):
        open_picture(b"II*\0" + b"\xff" * 60)
