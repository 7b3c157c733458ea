"""Fragments → one finished mp4 that every player can seek in.

The fragments of :mod:`flashtalk.outputs.fragments` are collected in a hidden file beside the
destination; finishing copies their packets (nothing is encoded twice) into an ordinary mp4 with
its index in front and gives it its name in one step. A reader therefore sees either no file or a
whole one, and a run that was stopped keeps all that it had made.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType

import av

from flashtalk.errors import FlashTalkError

MARK = "AI-generated with FlashTalk"
"""Written into the file's comment, so that the video carries its origin."""


class Recording:
    """Collects fragments; a context manager that leaves nothing half-written behind.

    Args:
        destination: the file to be made; an older one stays until the new one is complete.

    Raises:
        FlashTalkError: if the folder cannot be written to.
    """

    def __init__(self, destination: str | Path) -> None:
        self.destination = Path(destination)
        try:
            self.destination.parent.mkdir(parents=True, exist_ok=True)
            self._folder = tempfile.TemporaryDirectory(
                prefix=".flashtalk-", dir=self.destination.parent
            )
            self._live = Path(self._folder.name) / "live.mp4"
            self._file = self._live.open("wb")
        except OSError as error:
            raise FlashTalkError(
                f"The video cannot be written to {self.destination}: {error.strerror}. "
                "Choose a folder that exists and may be written to."
            ) from error
        self._size_bytes = 0

    @property
    def empty(self) -> bool:
        """Whether nothing was appended so far."""
        return self._size_bytes == 0

    def append(self, fragment: bytes) -> None:
        """Adds the bytes of ``FragmentEncoder.encode`` or ``finish``, in order."""
        self._size_bytes += self._file.write(fragment)

    def finish(self) -> Path:
        """Writes the finished mp4 and returns its path.

        Raises:
            FlashTalkError: if nothing was appended.
        """
        if self.empty:
            raise FlashTalkError("There is no picture to save yet: nothing was generated.")
        self._file.close()
        whole = self._live.with_name("finished.mp4")
        _make_seekable(self._live, whole)
        whole.replace(self.destination)
        self.close()
        return self.destination

    def close(self) -> None:
        """Drops what was collected; harmless after :meth:`finish`."""
        self._file.close()
        self._folder.cleanup()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _make_seekable(fragmented: Path, destination: Path) -> None:
    """Copies the packets of a fragmented mp4 into one with a single index at its beginning."""
    options = {"movflags": "+faststart"}
    with av.open(str(fragmented)) as source, av.open(str(destination), "w", options=options) as out:
        out.metadata["comment"] = MARK
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is None:  # the demuxer's end mark
                continue
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
