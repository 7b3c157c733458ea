"""What the header of a sound file says: how long it should be, and what FFmpeg mistakes in it.

A length is believed where bytes are missing. A file that has all of its bytes is whole, whatever
FFmpeg makes of its numbers. Used by :mod:`flashtalk.inputs.tracks`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import BinaryIO

import av

# Containers that know how long their sound is. Others guess it from its first packets.
_TELLING = ("flac", "mov", "matroska", "aiff", "caf", "au", "w64", "asf", "ape", "tta", "wv", "mp3")
# Speech of telephones: FFmpeg takes the first for AMR, and the bits of others in a wrong order.
_NMS, _G721 = 0x38, 0x40  # of WAV files
_G72X = (23, 24, 25, 26)  # of Sun's files
_UNKNOWN = (0, 0x7FFFFFFF)  # lengths that were written while the sound was recorded
_BEYOND = 0xFFFF_FF00


def declared_s(
    container: av.container.InputContainer, stream: av.AudioStream, file: BinaryIO, head: bytes
) -> float | None:
    """How long the track should be, if the file knows; ``head`` is how the file begins."""
    kind = container.format.name.split(",")[0]
    if kind not in _TELLING or (kind == "mp3" and _xing(head) < 0):
        return None
    promised = _promised_bytes(kind, head)
    if promised is not None and promised <= _size(file):
        return None
    late_s = 0.0
    if kind == "matroska":  # which knows ends, and of tracks only by their tags
        late_s = max(0.0, float((stream.start_time or 0) * (stream.time_base or 0)))
    elif stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    told = stream.metadata.get("DURATION", "")
    if told.count(":") == 2:
        with suppress(ValueError):  # words where times should be
            hours, minutes, seconds = (float(part) for part in told.split(":"))
            return 3_600 * hours + 60 * minutes + seconds - late_s
    if len(container.streams) != 1 or container.duration is None:
        return None
    return container.duration / av.time_base - late_s


def is_mistaken(head: bytes) -> bool:
    """Whether FFmpeg would make noise of a file that begins with ``head``."""
    if head.startswith(b".snd"):
        return int.from_bytes(head[12:16], "big") in _G72X
    start = head.find(b"fmt ", 12)
    if not (head.startswith((b"RIFF", b"RF64")) and head[8:12] == b"WAVE" and start > 0):
        return False
    return int.from_bytes(head[start + 8 : start + 10], "little") in (_NMS, _G721)


def promised_by_wav(file: BinaryIO, head: bytes) -> float:
    """By how much a WAV file should be longer than it is; 1: it is whole, or does not know.

    FFmpeg's own length is that of what is there, or of the whole, or of a wrong bit rate.
    """
    start = head.find(b"data", 12) + 8
    if not head.startswith(b"RIFF") or start < 12 or len(head) < start:
        return 1.0
    size = int.from_bytes(head[start - 4 : start], "little")
    there = _size(file) - start
    if size in _UNKNOWN or size >= _BEYOND or not 0 < there < size:
        return 1.0
    return size / there


def _promised_bytes(kind: str, head: bytes) -> int | None:
    """How many bytes the file should have at least, if it says so."""
    if kind == "aiff":
        return 8 + int.from_bytes(head[4:8], "big")
    if kind == "au":
        return int.from_bytes(head[4:8], "big") + int.from_bytes(head[8:12], "big")
    if kind == "w64":
        return int.from_bytes(head[16:24], "little")
    if kind == "mp3":
        place = _xing(head) + 4
        flags = int.from_bytes(head[place : place + 4], "big")
        place += 8 if flags & 1 else 4
        return place + int.from_bytes(head[place : place + 4], "big") if flags & 2 else None
    return None


def _xing(head: bytes) -> int:
    """Where in ``head`` an MP3 file says how long it is; -1: nowhere."""
    return max(head.find(b"Xing"), head.find(b"Info"))


def _size(file: BinaryIO) -> int:
    place = file.tell()
    size = file.seek(0, 2)
    file.seek(place)
    return size
