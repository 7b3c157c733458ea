"""Large HEIC pictures at half their size, tile by tile: FFmpeg decodes them four times as fast.

Telephones save a picture as a grid of tiles of 512 x 512 pixels. The library of
:mod:`flashtalk.inputs.picture` decodes 48 megapixels in 2.4 s of processor time and holds all of
them twice. Here each tile is halved before the next one is read. What is unusual in a file (deep
colors, mirrors, cut edges) is left to the library.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

_FORMATS = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")
_MATRICES = {1: Colorspace.ITU709, 2: Colorspace.ITU601, 5: Colorspace.ITU601, 6: Colorspace.ITU601}
_FULL_RANGE = 2
_ALTERING = (b"imir", b"clap", b"auxC")  # what is not done here
_MOST_PIXELS = 50_000_000  # of a tile


class UnusualError(Exception):
    """The library has to read this file."""


def halved_heic(content: bytes, size: tuple[int, int]) -> np.ndarray:
    """The picture in a HEIC file at half its ``size`` (width, height): [H / 2, W / 2, 3] RGB.

    Raises:
        UnusualError: for anything but 8-bit tiles that are to be laid side by side, or damage.
    """
    try:
        picture = _halved(Items.of(content), size)
    except (av.FFmpegError, IndexError, KeyError, ValueError, MemoryError) as error:
        raise UnusualError from error
    return np.ascontiguousarray(picture)


def _halved(items: Items, size: tuple[int, int]) -> np.ndarray:
    grid = items.grid()
    quarters = items.quarter_turns(items.primary)
    width, height = size[::-1] if quarters % 2 else size
    if (grid.width_px, grid.height_px) != (width, height):
        raise UnusualError
    canvas = np.zeros((-(-height // 2), -(-width // 2), 3), np.uint8)
    first = grid.tiles[0]
    decoder = Tiles(items.only(first, b"hvcC"), items.nclx(first) or items.nclx())
    for number, tile in enumerate(grid.tiles):
        if items.only(tile, b"hvcC") != items.only(first, b"hvcC") or items.quarter_turns(tile):
            raise UnusualError
        pixels = decoder.halved(items.content_of(tile))
        high, wide = pixels.shape[:2]
        top, left = number // grid.columns * high, number % grid.columns * wide
        place = canvas[top : top + high, left : left + wide]
        place[:] = pixels[: place.shape[0], : place.shape[1]]
    if top + high < canvas.shape[0] or left + wide < canvas.shape[1]:
        raise UnusualError
    return np.rot90(canvas, quarters)


class Tiles:
    """Decodes HEVC pictures that share their ``setup``; ``nclx`` are the colors' own numbers."""

    def __init__(self, setup: bytes, nclx: tuple[int, bool] | None) -> None:
        self._context = av.CodecContext.create("hevc", "r")
        self._context.extradata = setup
        self._context.thread_type = "NONE"
        self._context.options = {"max_pixels": str(_MOST_PIXELS)}
        self._nclx = nclx

    def halved(self, content: bytes) -> np.ndarray:
        """[H / 2, W / 2, 3] RGB."""
        frames = [*self._context.decode(av.Packet(content)), *self._context.decode(None)]
        self._context.flush_buffers()
        (frame,) = frames
        if frame.format.name not in _FORMATS or frame.width % 2 or frame.height % 2:
            raise UnusualError
        matrix, full = self._nclx or (frame.colorspace, frame.color_range == _FULL_RANGE)
        return frame.to_ndarray(
            format="rgb24",
            width=frame.width // 2,
            height=frame.height // 2,
            src_colorspace=_MATRICES[int(matrix)],
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA,
        )


@dataclass(frozen=True)
class Grid:
    """Tiles by their numbers, row by row."""

    width_px: int
    height_px: int
    columns: int
    tiles: list[int]


@dataclass
class Items:
    """What a HEIF file (ISO 23008-12) holds: items by number, how they refer, their properties."""

    content: bytes
    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)
    extents: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    """Each: how it is stored (0: in the file, 1: beside the descriptions), begin, length."""
    properties: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    beside: bytes = b""

    @classmethod
    def of(cls, content: bytes) -> Items:
        """The items of a file."""
        items = cls(content)
        meta = dict(_boxes(content))[b"meta"]
        inner = dict(_boxes(meta[4:]))
        items.beside = inner.get(b"idat", b"")
        items.primary = _int(inner[b"pitm"], 4, 4 if inner[b"pitm"][0] else 2)
        items.kinds = dict(_kinds(inner[b"iinf"]))
        items.parts = dict(_parts(inner[b"iref"])) if b"iref" in inner else {}
        items.extents = dict(_extents(inner[b"iloc"]))
        properties = dict(_boxes(inner[b"iprp"]))
        known = list(_boxes(properties[b"ipco"]))
        for item, indices in _associations(properties[b"ipma"]):
            items.properties[item] = [known[index - 1] for index in indices if index]
        return items

    def grid(self) -> Grid:
        """The tiles of the primary item, which may be one tile itself."""
        if self.kinds[self.primary] == b"hvc1":
            size = self.only(self.primary, b"ispe")
            return Grid(_int(size, 4, 4), _int(size, 8, 4), 1, [self.primary])
        if self.kinds[self.primary] != b"grid":
            raise UnusualError
        told, tiles = self.content_of(self.primary), self.parts[self.primary]
        length = 4 if told[1] & 1 else 2
        grid = Grid(_int(told, 4, length), _int(told, 4 + length, length), told[3] + 1, tiles)
        if len(tiles) != (told[2] + 1) * grid.columns or {self.kinds[each] for each in tiles} != {
            b"hvc1"
        }:
            raise UnusualError
        return grid

    def only(self, item: int, kind: bytes) -> bytes:
        """The one property of that ``kind``."""
        (found,) = (content for name, content in self.properties[item] if name == kind)
        return found

    def nclx(self, item: int | None = None) -> tuple[int, bool] | None:
        """Matrix and whether all values are used, where the file says so beside its tiles."""
        for kind, content in self.properties[self.primary if item is None else item]:
            if kind == b"colr" and content[:4] == b"nclx":
                return _int(content, 8, 2), content[10] >= 0x80
        return None

    def quarter_turns(self, item: int) -> int:
        """Counterclockwise."""
        turns = 0
        for kind, content in self.properties[item]:
            if kind in _ALTERING:
                raise UnusualError
            turns += content[0] & 3 if kind == b"irot" else 0
        return turns % 4

    def content_of(self, item: int) -> bytes:
        """The bytes of an item."""
        return b"".join(
            (self.beside if stored else self.content)[begin : begin + length]
            for stored, begin, length in self.extents[item]
        )


# --- boxes of ISO 14496-12 ------------------------------------------------------------------------
def _int(content: bytes, at: int, length: int) -> int:
    if at + length > len(content):
        raise IndexError
    return int.from_bytes(content[at : at + length], "big")


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size, kind, head = _int(content, at, 4), content[at + 4 : at + 8], 8
        if size == 1:
            size, head = _int(content, at + 8, 8), 16
        end = at + size if size else len(content)
        if size and size < head:
            raise ValueError
        yield kind, content[at + head : end]
        at = end


def _kinds(iinf: bytes) -> Iterator[tuple[int, bytes]]:
    for kind, entry in _boxes(iinf[8 if iinf[0] else 6 :]):
        if kind == b"infe" and entry[0] >= 2:
            length = 2 if entry[0] == 2 else 4
            yield _int(entry, 4, length), entry[6 + length : 10 + length]


def _parts(iref: bytes) -> Iterator[tuple[int, list[int]]]:
    length = 4 if iref[0] else 2
    for kind, entry in _boxes(iref[4:]):
        if kind == b"dimg":
            count = _int(entry, length, 2)
            places = range(length + 2, length + 2 + count * length, length)
            yield _int(entry, 0, length), [_int(entry, place, length) for place in places]


def _extents(iloc: bytes) -> Iterator[tuple[int, list[tuple[int, int, int]]]]:
    version = iloc[0]
    offset_bytes, length_bytes, base_bytes = iloc[4] >> 4, iloc[4] & 15, iloc[5] >> 4
    index_bytes = iloc[5] & 15 if version else 0
    id_bytes = 4 if version == 2 else 2
    count, at = _int(iloc, 6, id_bytes), 6 + id_bytes
    for _ in range(count):
        item = _int(iloc, at, id_bytes)
        at += id_bytes
        stored = _int(iloc, at, 2) & 15 if version else 0
        at += 4 if version else 2
        base = _int(iloc, at, base_bytes)
        at += base_bytes
        extents, parts = [], _int(iloc, at, 2)
        at += 2
        for _ in range(parts):
            at += index_bytes
            begin = base + _int(iloc, at, offset_bytes)
            extents.append((stored, begin, _int(iloc, at + offset_bytes, length_bytes)))
            at += offset_bytes + length_bytes
        yield item, extents


def _associations(ipma: bytes) -> Iterator[tuple[int, list[int]]]:
    """Items and the places of their properties, from 1 on."""
    id_bytes, wide = (4 if ipma[0] else 2), ipma[3] & 1
    at = 8
    for _ in range(_int(ipma, 4, 4)):
        item, count = _int(ipma, at, id_bytes), ipma[at + id_bytes]
        at += id_bytes + 1
        size = 2 if wide else 1
        mask = 0x7FFF if wide else 0x7F
        yield item, [_int(ipma, at + size * each, size) & mask for each in range(count)]
        at += size * count
