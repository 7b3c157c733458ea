"""PNG files whose words about the picture are damaged: the picture alone, as browsers show it.

Pillow refuses such files, and libpng complains of them on stderr. Used by
:mod:`flashtalk.inputs.picture` and :mod:`flashtalk.inputs.deep`.
"""

from __future__ import annotations

import struct
import zlib

PNG = b"\x89PNG\r\n\x1a\n"
_HEADER, _COLORS, _CLEAR, _PIXELS = b"IHDR", b"PLTE", b"tRNS", b"IDAT"
_GRAY, _RGB, _PALETTE = 0, 2, 3  # kinds of color, and how long their tRNS may be
_CLEAR_BYTES = {_GRAY: (2,), _RGB: (6,), _PALETTE: range(1, 257)}


def pixels_alone(content: bytes) -> bytes:
    """The PNG file ``content`` without all that is no pixel, and with check sums that fit."""
    parts, place, kind = [PNG], len(PNG), -1
    while place + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, place)
        name = content[place + 4 : place + 8]
        data = content[place + 8 : place + 8 + size]
        if name == _HEADER and len(data) == 13:
            kind = data[9]
        if _is_pixels(name, data, kind):
            parts.append(_chunk(name, data))
        place += 12 + size
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _is_pixels(name: bytes, data: bytes, kind: int) -> bool:
    if name == _CLEAR:
        return len(data) in _CLEAR_BYTES.get(kind, ())
    if name == _COLORS:  # elsewhere only a proposal, which may be damaged
        return kind == _PALETTE
    return name in (_HEADER, _PIXELS)


def _chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)
