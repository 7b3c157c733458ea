"""Pictures of high dynamic range: as bright as the same picture in sRGB."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from flashtalk.inputs.hdr import INFO, Hdr, hdr_of, to_srgb
from flashtalk.inputs.picture import open_picture

COLORS = np.array([(0, 0, 0), (60, 60, 60), (128, 128, 128), (190, 150, 130), (90, 60, 40)])
BT2020 = np.array(
    [(0.6274, 0.3293, 0.0433), (0.0691, 0.9195, 0.0114), (0.0164, 0.0880, 0.8956)]
)  # from linear sRGB, by ITU-R BT.2087


def light_of(colors: np.ndarray) -> np.ndarray:
    value = colors / 255
    return np.where(value < 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def coded(colors: np.ndarray, transfer: int) -> np.ndarray:
    """sRGB colors [N, 3] as 8 bits of BT.2020 with PQ (16) or HLG (18), white at 203 cd/m²."""
    nits = 203 * light_of(colors) @ BT2020.T
    if transfer == 16:
        power = (nits / 10_000) ** 0.1593017578125
        value = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    else:
        luminance = (nits / 1_000) @ (0.2627, 0.6780, 0.0593)
        scene = nits / 1_000 / np.maximum(luminance, 1e-9)[:, None] ** (0.2 / 1.2)
        high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        value = np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)
    return np.rint(255 * value).astype(np.uint8)


def patches(colors: np.ndarray) -> Image.Image:
    return Image.fromarray(np.repeat(np.repeat(colors.astype(np.uint8)[None], 80, 0), 20, 1))


def png(picture: Image.Image, transfer: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    content, said = file.getvalue(), b"cICP" + bytes((9, transfer, 0, 1))
    chunk = struct.pack(">I", 4) + said + struct.pack(">I", zlib.crc32(said))
    return content[:33] + chunk + content[33:]


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_looks_as_it_does_on_a_usual_screen(transfer: int) -> None:
    picture, notices = open_picture(png(patches(coded(COLORS, transfer)), transfer))
    found = np.asarray(picture)[40, 10::20].astype(int)
    assert notices == () and np.abs(found - COLORS).max() <= 8


@pytest.mark.parametrize("transfer", [1, 2, 13, 15, 255])
def test_other_transfers_are_read_as_they_were(transfer: int) -> None:
    picture, _ = open_picture(png(patches(COLORS), transfer))
    assert (np.asarray(picture)[40, 10::20] == COLORS).all()


def test_what_is_brighter_than_white_keeps_its_order() -> None:
    ramp = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2))
    found = np.asarray(to_srgb(ramp, Hdr(9, 16)))[0, :, 1].astype(int)
    assert (np.diff(found) >= 0).all() and found[0] == 0 and found[-1] == 255
    assert found[148] < found[160], "148 is white on paper"


def test_what_shines_through_stays_so() -> None:
    clear = patches(coded(COLORS, 16)).convert("RGBA")
    clear.putalpha(7)
    assert to_srgb(clear, Hdr(9, 16)).getchannel("A").getextrema() == (7, 7)


def test_boxes_of_avif_and_heif_are_found() -> None:
    head = b"\0\0\0\x1cftypavif" + b"\0" * 90
    box = b"colrnclx" + struct.pack(">HHHB", 9, 18, 9, 0)
    file = io.BytesIO(head + box)
    assert hdr_of(file) == Hdr(9, 18) and file.tell() == 0
    for other in (head, head + box[:9], b"BM" + box, b""):
        assert hdr_of(io.BytesIO(other)) is None


def test_the_mark_is_no_word_of_a_file() -> None:
    picture, _ = open_picture(png(patches(COLORS), 13))
    assert picture.info.get(INFO) is None
