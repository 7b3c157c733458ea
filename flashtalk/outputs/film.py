"""The one loop from pieces of video to film: fragments for a player and a finished file.

Page, command line, benchmark and evaluation all make their videos here. The pieces come from a
session (or from another process that has one), the sound from the speech as it was given. Whatever
ends the loop (the speech, a stop, an error, Ctrl-C, a full disk), leaving the ``with`` block turns
what was made by then into a file. ``ahead`` computes the next piece while one is encoded and shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np

from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.inputs.speech import Speech
from flashtalk.outputs.ahead import Ahead, InTurn
from flashtalk.outputs.fragments import FragmentEncoder
from flashtalk.outputs.recording import Recording
from flashtalk.provenance.credentials import Origin
from flashtalk.provenance.marking import Marking
from flashtalk.stream.contracts import VideoSession
from flashtalk.stream.piece import VideoPiece

# Half of what calm talks have, which is 39 kB a second at 256 x 256 and 114 kB at 512 x 512.
_LEAST_SOUND = 12_000
_LEAST_PER_PIXEL = 0.15
_MOVING_PIXELS = 512 * 512  # of larger pictures no more may move


class Voice(Protocol):
    """What is heard: a whole recording, or speech as far as it has been spoken."""

    @property
    def sample_count(self) -> int:
        """Samples of speech at 16 kHz."""

    @property
    def channels(self) -> int:
        """Of the sound for viewers."""

    @property
    def playback_rate_hz(self) -> int:
        """Of the sound for viewers."""

    def sound(self, start: int, count: int) -> np.ndarray:
        """What is heard during ``count`` samples from ``start`` on: [channels, n]."""


@dataclass(frozen=True, eq=False)
class Fragment:
    """A piece of video, encoded with its sound."""

    piece: VideoPiece
    data: bytes
    """A player appends it to the fragments so far."""
    encode_s: float
    """Seconds that the encoding took."""


def pieces_of(session: VideoSession, speech: Speech) -> Iterator[VideoPiece]:
    """All video of ``speech``, computed while it is consumed; closes the session at the end."""
    with session:
        yield from chain(session.push(speech.samples), session.flush())


class Film:
    """Pictures and sound of one talk; use it in a ``with`` block, which finishes the file.

    Args:
        size: width and height of the pictures in pixels.
        fps: frames per second.
        speech: what is heard; it may still grow.
        destination: the file to be made; ``None`` encodes and keeps nothing. An older file stays
            until the new one is complete. Without a single picture there is no file.
        metadata: what the file says of itself (:mod:`flashtalk.outputs.credits`).
        ahead: compute the next piece, on another thread, while one is encoded.
        origin: what the file's content credentials say.
        marking: what is visible, and who signs.
        keep_s: seconds of video that the file has, the newest ones; ``None``: all.

    Raises:
        FlashTalkError: if the destination's folder cannot be written to, or has too little space.
    """

    def __init__(
        self,
        size: tuple[int, int],
        fps: int,
        speech: Voice,
        destination: Path | None = None,
        *,
        ahead: bool = False,
        metadata: Mapping[str, str] = MappingProxyType({}),
        origin: Origin = Origin(),  # noqa: B008, both are frozen
        marking: Marking = Marking(),  # noqa: B008
        keep_s: float | None = None,
    ) -> None:
        self._speech = speech
        self._ahead = ahead
        self._worked_until_s = 0.0
        self.fps = fps
        """Frames per second."""
        self._encoder = FragmentEncoder(
            *size, fps, speech.playback_rate_hz, speech.channels, visible_mark=marking.visible
        )
        self._recording: Recording | None = None
        if destination is not None:
            least_bytes = round(self.total_s * _least_rate(size))
            self._recording = Recording(destination, origin, marking, metadata, least_bytes, keep_s)
        self._heard_samples = 0  # of the speech that has its pictures
        self._whole = True  # whether encoder and recording agree
        self._finished = False
        self.made_s = 0.0
        """Seconds of video made by now."""
        self.work_s = 0.0
        """Seconds of work that went into them."""
        self.tail = b""
        """The last sound, for the player; known once the film is finished."""
        self.path: Path | None = None
        """The file, once there is one."""
        self.notices: tuple[str, ...] = ()
        """Sentences about what the file lacks; known once the film is finished."""

    @property
    def total_s(self) -> float:
        """Seconds of video that the speech gives, as far as it is known."""
        return -(-self._speech.sample_count * self.fps // SPEECH_RATE_HZ) / self.fps

    @property
    def mime(self) -> str:
        """The exact type for ``MediaSource.addSourceBuffer``."""
        return self._encoder.mime

    @property
    def complete(self) -> bool:
        """Whether all of the speech has its pictures."""
        return self._heard_samples == self._speech.sample_count

    @property
    def real_time(self) -> float:
        """Seconds of video made per second of work; above 1 is faster than it plays."""
        return self.made_s / self.work_s if self.work_s else 0.0

    @property
    def kept_s(self) -> float:
        """Seconds of video in the file, as far as it is made: less than all of a long live talk."""
        return self.made_s - (0.0 if self._recording is None else self._recording.begins_s)

    def fragments(
        self, pieces: Iterable[VideoPiece], stopped: Callable[[], bool] = lambda: False
    ) -> Generator[Fragment, None, None]:
        """Encodes and records ``pieces`` as they come, until they end or ``stopped()`` is true.

        A generator of pieces is closed at the end.
        """
        source = (Ahead if self._ahead else InTurn)(pieces, stopped)
        with closing(source):
            for made in source:
                self._worked(made.begin_s, made.end_s)
                begin_s = time.perf_counter()
                data = self._add(made.item)
                end_s = time.perf_counter()
                self._worked(begin_s, end_s)
                yield Fragment(made.item, data, end_s - begin_s)

    def finish(self) -> None:
        """Turns what was made into the file; may be called twice.

        Raises:
            OSError: the file cannot be written to its end.
        """
        if self._finished:
            return
        self._finished = True
        try:
            if self._whole:  # after a break inside a fragment, what the encoder holds is beyond it
                self.tail = self._encoder.finish()
                self._record(self.tail, 0.0)
        finally:
            if self._recording is not None:
                with self._recording:
                    if not self._recording.empty:
                        self.path = self._recording.finish()
                        self.notices = self._recording.notices

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *exception: object) -> None:
        self.finish()

    # --- inside ---------------------------------------------------------------------------------
    def _worked(self, begin_s: float, end_s: float) -> None:
        """Counts a time of work once, also where computing and encoding overlap."""
        self.work_s += max(0.0, end_s - max(begin_s, self._worked_until_s))
        self._worked_until_s = max(self._worked_until_s, end_s)

    def _add(self, piece: VideoPiece) -> bytes:
        sound = self._speech.sound(self._heard_samples, len(piece.samples))
        self._whole = False
        data = self._encoder.encode(piece.frames, sound)
        self._record(data, piece.duration_s)
        self._whole = True
        self._heard_samples += len(piece.samples)
        self.made_s = self._encoder.frames / self.fps
        return data

    def _record(self, data: bytes, duration_s: float) -> None:
        if self._recording is not None:
            self._recording.append(data, duration_s)


def _least_rate(size: tuple[int, int]) -> float:
    """Bytes of a second of video, of any that there may be."""
    return _LEAST_SOUND + _LEAST_PER_PIXEL * min(size[0] * size[1], _MOVING_PIXELS)
