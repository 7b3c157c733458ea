"""Large HEIC and WebP pictures are decoded at half their size, and look as the library's."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from pi_heif import register_heif_opener
from PIL import Image

from flashtalk.inputs import picture, smaller
from flashtalk.inputs.heif_tiles import UnusualError, halved_heic

TILE_PX = 64


def box(kind: bytes, *content: bytes) -> bytes:
    whole = b"".join(content)
    return struct.pack(">I", len(whole) + 8) + kind + whole


def full(kind: bytes, version: int, *content: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24), *content)


def hevc(pixels: np.ndarray, folder: Path) -> tuple[bytes, bytes]:
    """The ``hvcC`` box and the content of one picture."""
    path = folder / "tile.mp4"
    options = {"preset": "ultrafast", "crf": "8", "x265-params": "log-level=none:keyint=1"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx265", rate=1, options=options)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode()])
    content = path.read_bytes()
    start = content.find(b"hvcC") - 4
    with av.open(str(path)) as container:
        tile = bytes(next(container.demux(video=0)))
    return content[start : start + int.from_bytes(content[start : start + 4], "big")], tile


def heic(pixels: np.ndarray, folder: Path, turns: int = 0) -> bytes:
    """``pixels`` as a grid of tiles, to be turned counterclockwise by quarters."""
    high, wide = pixels.shape[:2]
    rows, columns = -(-high // TILE_PX), -(-wide // TILE_PX)
    missing = ((0, rows * TILE_PX - high), (0, columns * TILE_PX - wide), (0, 0))
    padded = np.pad(pixels, missing, mode="edge")
    blocks = padded.reshape(rows, TILE_PX, columns, TILE_PX, 3).swapaxes(1, 2)
    tiles = [hevc(np.ascontiguousarray(each), folder) for row in blocks for each in row]
    contents = [struct.pack(">4BHH", 0, 0, rows - 1, columns - 1, wide, high)]
    contents += [content for _, content in tiles]
    count = len(contents)
    kinds = [b"grid"] + [b"hvc1"] * len(tiles)
    entries = [
        full(b"infe", 2, struct.pack(">HH", number, 0), kind, b"\0")
        for number, kind in enumerate(kinds, start=1)
    ]
    parts = struct.pack(f">HH{len(tiles)}H", 1, len(tiles), *range(2, count + 1))
    sizes = [(wide, high), (TILE_PX, TILE_PX)]
    known = [full(b"ispe", 0, struct.pack(">II", *size)) for size in sizes]
    known += [tiles[0][0], box(b"irot", bytes([turns]))]
    of_tiles = [struct.pack(">HBBB", number, 2, 2, 0x83) for number in range(2, count + 1)]
    of_all = struct.pack(">IHBBB", count, 1, 2, 1, 0x84)

    def meta(begin: int) -> bytes:
        places = b""
        for number, content in enumerate(contents, start=1):
            places += struct.pack(">HHHII", number, 0, 1, begin, len(content))
            begin += len(content)
        return full(
            b"meta",
            0,
            full(b"hdlr", 0, b"\0\0\0\0pict", b"\0" * 13),
            full(b"pitm", 0, struct.pack(">H", 1)),
            full(b"iloc", 0, struct.pack(">BBH", 0x44, 0, count), places),
            full(b"iinf", 0, struct.pack(">H", count), *entries),
            full(b"iref", 0, box(b"dimg", parts)),
            box(b"iprp", box(b"ipco", *known), full(b"ipma", 0, of_all, *of_tiles)),
        )

    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    begin = len(head) + len(meta(0)) + 8
    return head + meta(begin) + box(b"mdat", *contents)


def person() -> np.ndarray:
    """[90, 150, 3]: no tile and no quarter turn looks like another."""
    pixels = np.full((90, 150, 3), 60, np.uint8)
    pixels[..., 0] = np.linspace(0, 255, 150).astype(np.uint8)
    pixels[..., 1] = np.linspace(0, 255, 90).astype(np.uint8)[:, None]
    pixels[10:40, 100:140, 2] = 220
    return pixels


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_grid_of_tiles_is_what_the_library_reads(tmp_path: Path, turns: int) -> None:
    register_heif_opener()
    content = heic(person(), tmp_path, turns)
    whole = Image.open(io.BytesIO(content))
    half = halved_heic(content, whole.size)
    expected = np.asarray(whole.convert("RGB").reduce(2)).astype(int)
    assert half.shape == expected.shape == np.rot90(person()[::2, ::2], turns).shape
    assert np.abs(half - expected).mean() < 4
    assert np.abs(half - np.rot90(person()[::2, ::2], turns).astype(int)).mean() < 6


def test_damage_is_left_to_the_library(tmp_path: Path) -> None:
    content = heic(person(), tmp_path)
    for broken in (content[: len(content) // 2], content[:40], content.replace(b"hvc1", b"hvc9")):
        with pytest.raises(UnusualError):
            halved_heic(broken, (150, 90))
    with pytest.raises(UnusualError):
        halved_heic(content, (150, 92))


def test_a_large_picture_from_a_telephone_is_halved_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = heic(person(), tmp_path)
    webp = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(person()).save(webp, "WEBP", quality=95, exif=exif)
    monkeypatch.setattr(picture, "WORK_PIXELS", 90 * 150 // 3)
    for source, turns in ((content, 0), (webp.getvalue(), 3)):
        found = np.asarray(picture.open_picture(source)[0]).astype(int)
        assert np.abs(found - np.rot90(person()[::2, ::2], turns)).mean() < 8
        monkeypatch.setattr(picture, "halved", lambda opened: None)
        slow = np.asarray(picture.open_picture(source)[0]).astype(int)
        monkeypatch.setattr(picture, "halved", smaller.halved)
        assert found.shape == slow.shape and np.abs(found - slow).mean() < 4


def test_what_may_be_seen_through_is_read_whole() -> None:
    file = io.BytesIO()
    Image.fromarray(person()).convert("RGBA").save(file, "WEBP", lossless=True)
    assert smaller.halved(Image.open(file)) is not None  # nothing of it can be seen through
    clear = Image.fromarray(person()).convert("RGBA")
    clear.putalpha(40)
    clear.save(file := io.BytesIO(), "WEBP", lossless=True)
    assert smaller.halved(Image.open(file)) is None
