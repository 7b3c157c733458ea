"""Whether all of a file is there, where the file does not say how long it is.

Each page of an Ogg file and each frame of ADTS (files named ``.aac``) says its own length. So a
file that ends within a page or frame was cut. Used by :mod:`flashtalk.inputs.tracks`.
"""

from __future__ import annotations

from typing import BinaryIO

PAGE = b"OggS"
PAGE_HEADER_BYTES = 27
_LONGEST_PAGE_BYTES = PAGE_HEADER_BYTES + 255 + 255 * 255
_BEGINS = 2  # flag of a stream's first page
_FRAME_HEADER_BYTES = 7
_ID3_BYTES = 10


def breaks_off(file: BinaryIO, kind: str) -> bool:
    """``file`` of FFmpeg's ``kind`` lacks its end; false of kinds that do not show it."""
    if kind == "ogg":
        return _ogg_breaks_off(file)
    return kind == "aac" and _adts_breaks_off(file)


def has_lost_pages(file: BinaryIO) -> bool:
    """Whether pages of an Ogg file of sound alone are missing: they are numbered."""
    file.seek(0)
    content = file.read()
    last: dict[bytes, int] = {}
    lost, begun, place = False, 0, content.find(PAGE)
    while 0 <= place <= len(content) - PAGE_HEADER_BYTES:
        flags, serial = content[place + 5], content[place + 14 : place + 18]
        number = int.from_bytes(content[place + 18 : place + 22], "little")
        begun += flags & _BEGINS > 0
        lost |= not flags & _BEGINS and number > last.get(serial, number) + 1
        last[serial] = number
        place = content.find(PAGE, place + PAGE_HEADER_BYTES)
    return lost and begun == 1


def _ogg_breaks_off(file: BinaryIO) -> bool:
    # Not by the flag of a stream's last page: Android's own writer never sets it.
    size = file.seek(0, 2)
    file.seek(max(0, size - 2 * _LONGEST_PAGE_BYTES))
    tail = file.read()
    start = tail.rfind(PAGE)
    if start < 0:
        return False  # something else follows, such as a tag
    page = tail[start:]
    if len(page) < PAGE_HEADER_BYTES:
        return True
    lengths = page[PAGE_HEADER_BYTES : PAGE_HEADER_BYTES + page[26]]
    return len(page) < PAGE_HEADER_BYTES + page[26] + sum(lengths)


def _adts_breaks_off(file: BinaryIO) -> bool:
    file.seek(0)
    content = file.read()
    position = 0
    if content[:3] == b"ID3" and len(content) >= _ID3_BYTES:
        size = 0
        for byte in content[6:_ID3_BYTES]:  # seven bits each
            size = size << 7 | byte & 0x7F
        position = _ID3_BYTES + size
    while position < len(content):
        head = content[position : position + _FRAME_HEADER_BYTES]
        if head[:1] != b"\xff" or (len(head) > 1 and head[1] & 0xF6 != 0xF0):
            return False  # something else follows, such as a tag
        if len(head) < _FRAME_HEADER_BYTES:
            return True
        length = (head[3] & 0x03) << 11 | head[4] << 3 | head[5] >> 5
        if length < _FRAME_HEADER_BYTES:
            return False
        position += length
    return position > len(content)
