"""Fragments on disk, in parts: of a talk without an end, the oldest part goes as a new one comes.

Each part is a playable fragmented mp4, so any of them may be the first one.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from itertools import islice
from pathlib import Path

from flashtalk.outputs.fragments import init_segment_of

logger = logging.getLogger(__name__)

_PARTS = 10  # so many hold what is kept; the one that is being written comes on top
_COPY_BYTES = 1 << 20


@dataclass
class _Part:
    path: Path
    size_bytes: int = 0
    duration_s: float = 0.0


class Parts:
    """The newest fragments of a talk.

    Args:
        folder: where the files go.
        keep_s: seconds of video that are kept at least; ``None``: all.

    Raises:
        OSError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, keep_s: float | None = None) -> None:
        self._folder, self._keep_s = folder, keep_s
        self._parts: deque[_Part] = deque()
        self._begun = 0  # parts so far
        self._init = b""  # what each part begins with
        self.begins_s = 0.0
        """Where in the talk the oldest part begins, in seconds."""
        self._file = self._begin()

    @property
    def empty(self) -> bool:
        """Whether nothing was appended so far."""
        return not self._init

    def append(self, fragment: bytes, duration_s: float) -> None:
        """Adds one fragment of so many seconds; the first one has the init segment.

        A fragment that does not fit on the disk is left out as a whole.

        Raises:
            OSError: the disk is full or went away.
        """
        init = self._init or init_segment_of(fragment)
        if self._keep_s is not None and self._parts[-1].duration_s * _PARTS >= self._keep_s:
            self._file.close()
            self._file = self._begin()
        part = self._parts[-1]
        begun = part.size_bytes or self.empty
        self._write(fragment if begun else self._init + fragment)
        part.duration_s += duration_s
        self._init = init
        self._drop_oldest()

    def join(self) -> Path:
        """Ends the writing; one file of all that is kept, which needs hardly more space.

        Where the disk does not have that, the file ends with the last part that fits.
        """
        self._file.close()
        whole, *others = self._parts
        with whole.path.open("r+b", buffering=0) as end:
            for part in others:
                size_bytes = end.seek(0, 2)
                try:
                    self._copy(part, end)
                except OSError as error:
                    end.truncate(size_bytes)
                    logger.warning("The video ends early: %s", error)
                    break
                part.path.unlink()
        return whole.path

    def close(self) -> None:
        """Ends the writing; may be called twice."""
        self._file.close()

    # --- inside ---------------------------------------------------------------------------------
    def _begin(self) -> FileIO:
        part = _Part(self._folder / f"live-{self._begun}.mp4")
        file = part.path.open("wb", buffering=0)
        self._begun += 1
        self._parts.append(part)
        return file

    def _write(self, data: bytes) -> None:
        part = self._parts[-1]
        try:
            _write_all(self._file, data)
        except OSError:
            self._file.truncate(part.size_bytes)
            raise
        part.size_bytes += len(data)

    def _copy(self, part: _Part, end: FileIO) -> None:
        """Appends ``part`` to ``end``, which has its init segment."""
        with part.path.open("rb") as rest:
            rest.seek(len(self._init))
            while piece := rest.read(_COPY_BYTES):
                _write_all(end, piece)

    def _drop_oldest(self) -> None:
        while self._keep_s and sum(part.duration_s for part in self._newer()) >= self._keep_s:
            oldest = self._parts.popleft()
            oldest.path.unlink()
            self.begins_s += oldest.duration_s

    def _newer(self) -> Iterator[_Part]:
        """All parts but the oldest."""
        return islice(self._parts, 1, None)


def _write_all(file: FileIO, data: bytes) -> None:
    """A file without a buffer may take less than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
