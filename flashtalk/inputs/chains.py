"""An Ogg file that is a chain: several files one after another, as radio stations send them.

FFmpeg goes on from one link to the next where rate and channels stay, and stops elsewhere. So each
link is read by itself. Used by :mod:`flashtalk.inputs.tracks`.
"""

from __future__ import annotations

import io
from typing import BinaryIO

from flashtalk.inputs.endings import PAGE, PAGE_HEADER_BYTES

_FLAGS, _SEGMENTS = 5, 26  # places in a page's header
_BEGINS = 2  # flag of a stream's first page


def links(file: BinaryIO) -> list[BinaryIO]:
    """The files that ``file`` is a chain of; others are a chain of themselves."""
    starts = _starts(file)
    file.seek(0)
    if len(starts) < 2:
        return [file]
    content = file.read()
    ends = [*starts[1:], len(content)]
    return [io.BytesIO(content[start:end]) for start, end in zip(starts, ends, strict=True)]


def _starts(file: BinaryIO) -> list[int]:
    """Where first pages of streams follow pages of others."""
    starts, place, inside = [0], 0, False
    while True:
        file.seek(place)
        header = file.read(PAGE_HEADER_BYTES)
        if len(header) < PAGE_HEADER_BYTES or not header.startswith(PAGE):
            return starts
        begins = bool(header[_FLAGS] & _BEGINS)
        if begins and inside:
            starts.append(place)
        inside = not begins
        place += PAGE_HEADER_BYTES + header[_SEGMENTS] + sum(file.read(header[_SEGMENTS]))
