"""What a page needs of whoever makes its videos: an engine of its own, or workers elsewhere.

:class:`flashtalk.engine.Engine` fulfills these, and so do the workers of
:mod:`flashtalk.cluster`. Whoever opens a session here does not ask where it is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from flashtalk.config import FramingWay, Preset
from flashtalk.inputs.portrait import Portrait
from flashtalk.stream.piece import VideoPiece

if TYPE_CHECKING:
    import torch


class VideoSession(Protocol):
    """A visitor's talk; as :class:`flashtalk.stream.session.Session`."""

    def push(self, samples: Sequence[float] | np.ndarray) -> Iterator[VideoPiece]:
        """Adds mono 16 kHz speech [S], and returns the video that is ready."""

    def flush(self) -> Iterator[VideoPiece]:
        """Ends the speech, and returns the rest of the video."""

    def hold(self, samples: Sequence[float] | np.ndarray) -> Iterator[VideoPiece]:
        """Adds speech; nothing is computed for what the next chunk can do without."""

    def close(self) -> None:
        """Ends the session at once; may be called twice, and from any thread."""

    def __enter__(self) -> VideoSession: ...

    def __exit__(self, *exception: object) -> None: ...


class TalkEngine(Protocol):
    """Opens sessions; as :class:`flashtalk.engine.Engine`."""

    def at_size(self, size: tuple[int, int] | None) -> TalkEngine:
        """The same for pictures of another height and width in pixels; ``None``: this one."""

    def open(
        self,
        portrait: Portrait,
        *,
        seed: int = 0,
        steps: int | None = None,
        color_strength: float | None = None,
        prompt: str | None = None,
        chunk_frames: int | None = None,
        live: bool = False,
        first_fragment_frames: int = 0,
        timed: bool = False,
    ) -> VideoSession:
        """A session in which the person of a framed ``portrait`` talks."""


@dataclass(frozen=True)
class EngineState:
    """How far one engine is, and how fast."""

    cost: float | None = None
    """Seconds that a second of video took at its warm-up; ``None`` before one."""
    stage: Literal["starting", "ready", "draining"] = "ready"
    """Only one that is ready takes talks; one that drains finishes those that it has."""


class Engines(Protocol):
    """All that make videos for one page, by their names."""

    @property
    def preset(self) -> Preset:
        """What all of them run."""

    @property
    def any_size(self) -> Preset:
        """The same before a size was chosen."""

    @property
    def notices(self) -> Mapping[FramingWay, str]:
        """What sessions of each framing say of smaller pictures, where they are smaller."""

    @property
    def device(self) -> torch.device:
        """The kind of device that each computes on."""

    @property
    def encoder_thread(self) -> bool:
        """Whether the page encodes on a thread of its own."""

    @property
    def states(self) -> Mapping[str, EngineState]:
        """Those that are there at the moment."""

    def at(self, name: str) -> TalkEngine:
        """The engine called ``name``, one of ``states``."""

    def prepare(self, portrait: Portrait) -> None:
        """Gets ready for talks of a framed ``portrait``, without keeping the caller."""

    def prompt_notice(self, prompt: str | None) -> str | None:
        """A sentence for the visitor if ``prompt`` is longer than the model reads."""

    def live_pace(self, enough: float) -> float:
        """Seconds of video per second of work in live speech, of the slowest of them."""
