"""Fragments → one finished mp4 that every player can seek in.

The fragments of :mod:`flashtalk.outputs.fragments` are collected in a hidden folder beside the
destination. Of a talk without an end, the newest ones stay. Finishing copies their packets (nothing
is encoded twice) into an ordinary mp4 with its index in front, and signs it. The file gets its name
in one step. A reader therefore sees either no file or a whole one. Where the disk has no room for
the copy, the collected fragments become the file. They play everywhere, too, and seek more slowly.
A file without content credentials says so in a notice.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av

from flashtalk.errors import FlashTalkError
from flashtalk.outputs.fragments import MARK
from flashtalk.outputs.parts import Parts
from flashtalk.outputs.scratch import ScratchFolder
from flashtalk.provenance.credentials import NotSigned, Origin
from flashtalk.provenance.marking import Marking

logger = logging.getLogger(__name__)

UNSIGNED = (
    "The video has no content credentials: {reason}. It has its watermark, and a comment that says "
    "that it is AI-generated."
)


class Recording:
    """Collects fragments; a context manager that leaves nothing half-written behind.

    Args:
        destination: the file to be made; an older one stays until the new one is complete.
        origin: what the content credentials say.
        marking: who signs them.
        metadata: what the file says of itself, beside the mark.
        least_bytes: what the file will have at least.
        keep_s: seconds of video that the file has, the newest ones; ``None``: all.

    Raises:
        FlashTalkError: if the folder cannot be written to, or has no space for that.
    """

    def __init__(
        self,
        destination: str | Path,
        origin: Origin = Origin(),  # noqa: B008, both are frozen
        marking: Marking = Marking(),  # noqa: B008
        metadata: Mapping[str, str] = MappingProxyType({}),
        least_bytes: int = 0,
        keep_s: float | None = None,
    ) -> None:
        self._origin, self._marking = origin, marking
        self.notices: tuple[str, ...] = ()
        """Sentences about what the finished file lacks."""
        # A relative name such as 12:30/talk.mp4 would be a protocol and an address for FFmpeg.
        # The file that a link names is made, and the link stays.
        self.destination = Path(destination).resolve()
        self._metadata = {**metadata, "comment": MARK}
        try:
            self.destination.parent.mkdir(parents=True, exist_ok=True)
            _check_space(self.destination.parent, least_bytes)
            self._scratch = ScratchFolder(self.destination.parent)
            self._parts = Parts(self._scratch.path, keep_s)
        except OSError as error:
            raise FlashTalkError(
                f"The video cannot be written to {destination}: {error.strerror}. "
                "Choose a folder that exists and may be written to."
            ) from error
        self._begins_s: float | None = None  # of the finished file

    @property
    def empty(self) -> bool:
        """Whether nothing was appended so far."""
        return self._parts.empty

    @property
    def begins_s(self) -> float:
        """Where in the talk the file begins, in seconds; known to a key frame before it is made."""
        return self._parts.begins_s if self._begins_s is None else self._begins_s

    def append(self, fragment: bytes, duration_s: float = 0.0) -> None:
        """Adds the bytes of ``FragmentEncoder.encode`` or ``finish``, in order, and their seconds.

        A fragment that does not fit on the disk is left out as a whole.

        Raises:
            OSError: the disk is full or went away.
        """
        self._parts.append(fragment, duration_s)

    def finish(self) -> Path:
        """Writes the finished mp4 and returns its path.

        Raises:
            FlashTalkError: if nothing was appended.
            OSError: the destination went away.
        """
        if self.empty:
            raise FlashTalkError("There is no picture to save yet: nothing was generated.")
        whole, joined = self._scratch.path / "finished.mp4", self._parts.join()
        try:
            self._begins_s = _make_seekable(joined, whole, self._metadata)
        except OSError as error:
            logger.warning("The video's index is not in front, so seeking is slow: %s", error)
            whole.unlink(missing_ok=True)
            whole = joined
        whole = self._signed(whole)
        whole.replace(self.destination)
        self.close()
        return self.destination

    def close(self) -> None:
        """Drops what was collected; harmless after :meth:`finish`."""
        self._parts.close()
        self._scratch.close()

    def _signed(self, whole: Path) -> Path:
        """A copy of ``whole`` with credentials; where they cannot be written, ``whole``."""
        signed = self._scratch.path / "signed.mp4"
        try:
            self._marking.sign(whole, signed, self._origin)
        except NotSigned as error:
            signed.unlink(missing_ok=True)
            self.notices = (UNSIGNED.format(reason=error),)
            logger.warning("%s", self.notices[0])
            return whole
        return signed

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _check_space(folder: Path, least_bytes: int) -> None:
    usage = shutil.disk_usage(folder)
    if usage.total and usage.free < least_bytes:  # some file systems say nothing of themselves
        raise FlashTalkError(
            f"There is no space for the video: it needs {least_bytes / 1e6:.1f} MB or more, and "
            f"{usage.free / 1e6:.1f} MB are free where it goes. Free some space first."
        )


def _make_seekable(fragmented: Path, destination: Path, metadata: Mapping[str, str]) -> float:
    """Copies the packets of a fragmented mp4 into one with a single index at its beginning.

    It begins at the first key frame, and at the time 0; returns the second that this one had.
    """
    options = {"movflags": "+faststart"}
    start: Fraction | None = None
    with av.open(str(fragmented)) as source, av.open(str(destination), "w", options=options) as out:
        out.metadata.update(metadata)
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is None or packet.pts is None:  # the demuxer's end mark
                continue
            time = packet.pts * packet.time_base
            if start is None and packet.stream.type == "video" and packet.is_keyframe:
                start = time
            if start is None or time < start:
                continue
            packet.pts -= round(start / packet.time_base)
            packet.dts -= round(start / packet.time_base)
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    return float(start or 0)
