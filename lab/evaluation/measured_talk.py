"""One talk, generated and measured at several of its moments.

The beginning is always drawn, for colors are compared with it. Between segments only what the talk
goes on from is computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.pictures import align, mean_colors
from flashtalk.geometry import ChunkGeometry
from flashtalk.inputs.portrait import portrait_for
from flashtalk.stream.session import Session
from lab.evaluation.measures.reading import read_faces
from lab.evaluation.segment import Judges, measure, reference_of
from lab.evaluation.talks import Talk


@dataclass(frozen=True)
class Plan:
    """Moments and segments of a talk to measure."""

    seconds: tuple[int, ...]
    """Moments of the talk, ascending."""
    segment_s: float
    """Length of the segment before each of them that is measured, or all there is if it is less."""
    opening_s: float = 10.0
    """The beginning of a talk that colors of later segments are compared with."""

    def __post_init__(self) -> None:
        if not self.seconds or list(self.seconds) != sorted(set(self.seconds)):
            raise FlashTalkError(f"Lengths must ascend, got {' '.join(map(str, self.seconds))}.")
        if self.segment_s < 2.0 or self.seconds[0] < 2:
            raise FlashTalkError(
                f"Measured segments must last 2 s or more, got {self.segment_s:g} s in talks of "
                f"{self.seconds[0]} s and more."
            )
        if self.opening_s <= 0.0:
            raise FlashTalkError(f"A talk's beginning must last some time, got {self.opening_s:g}.")

    def segment(self, seconds: int, fps: int) -> tuple[int, int]:
        """First frame of the segment before the moment ``seconds``, and the frame behind it."""
        stop = seconds * fps
        return max(0, stop - round(self.segment_s * fps)), stop


@dataclass(frozen=True)
class Measured:
    """The figures at one moment of a talk."""

    seconds: int
    segment_s: float
    figures: dict[str, float]
    frames_per_s: float
    """Frames drawn per second of wall time."""


class TalkOnItsWay:
    """A session that says a talk chunk by chunk, and its newest frames."""

    def __init__(
        self, session: Session, samples: np.ndarray, geometry: ChunkGeometry, kept_frames: int
    ) -> None:
        """At least ``kept_frames`` stay; ``samples`` [S] is all that is said."""
        self.session = session
        self.samples = samples
        self.geometry = geometry
        self.kept_frames = kept_frames
        self.frames = 0
        self.kept = np.empty((0, geometry.height_px, geometry.width_px, 3), np.uint8)
        self._drawn = 0
        self._spent_s = 0.0
        self._pushed = 0

    def skip(self) -> int:
        """Goes on by a chunk of which nothing will be looked at; how many frames it has."""
        added = self.session.skip(self._coming())
        self.kept = self.kept[:0]
        self.frames += added
        return added

    def draw(self) -> int:
        """Goes on by a chunk and keeps its frames; how many it has."""
        samples = self._coming()
        started_s = time.perf_counter()
        pieces = list(self.session.push(samples))
        self._spent_s += time.perf_counter() - started_s
        added = sum(len(piece.frames) for piece in pieces)
        # one chunk more than a segment: a moment may lie within the newest one
        self.kept = np.concatenate((self.kept, *(piece.frames for piece in pieces)))
        self.kept = self.kept[-(self.kept_frames + added) :]
        self._drawn += added
        self.frames += added
        return added

    def between(self, start: int, stop: int) -> np.ndarray:
        """Frames ``start`` .. ``stop`` - 1 of the talk, as far as they are kept: [F, H, W, 3]."""
        first = self.frames - len(self.kept)
        return self.kept[start - first : stop - first]

    @property
    def frames_per_s(self) -> float:
        """Frames drawn per second of wall time."""
        return self._drawn / self._spent_s

    def _coming(self) -> np.ndarray:
        """The samples that the next chunk waits for."""
        geometry = self.geometry
        heard = self.frames + geometry.new_frames + geometry.lookahead_frames
        samples = self.samples[self._pushed : heard * geometry.samples_per_frame]
        self._pushed += len(samples)
        return samples


def run_talk(
    engine: Engine,
    judges: Judges,
    talk: Talk,
    seed: int,
    plan: Plan,
    on_video: Callable[[float], bool] = lambda seconds: True,
) -> Iterator[Measured]:
    """Generate ``talk`` and measure it at each moment of ``plan``.

    ``on_video`` hears of the seconds added by each chunk and answers whether to go on.
    """
    geometry = engine.preset.geometry
    portrait = portrait_for(talk.person.portrait, engine.preset, crop="cover")
    reference = reference_of(judges.reader, np.asarray(portrait.image))
    coming = [(seconds, *plan.segment(seconds, geometry.fps)) for seconds in plan.seconds]
    opening_frames = round(plan.opening_s * geometry.fps)
    longest = max(opening_frames, *(stop - start for _, start, stop in coming))
    first_colors = None
    with engine.open(portrait, seed=seed) as session:
        going = TalkOnItsWay(session, talk.speech.samples, geometry, longest)
        while coming:
            unseen = going.frames + geometry.new_frames <= coming[0][1]
            added = going.skip() if unseen and going.frames >= opening_frames else going.draw()
            if first_colors is None and going.frames >= opening_frames:  # all of it is kept yet
                opening = going.between(0, opening_frames)
                first_colors = mean_colors(
                    align(opening, read_faces(judges.reader, opening).points)
                )
            while coming and going.frames >= coming[0][2]:
                seconds, start, stop = coming.pop(0)
                shown = going.between(start, stop)
                figures = measure(
                    judges,
                    reference,
                    shown,
                    read_faces(judges.reader, shown),
                    start,
                    talk.speech.within(start, stop),
                    geometry.new_frames,
                    first_colors if stop >= opening_frames else None,
                )
                segment_s = (stop - start) / geometry.fps
                yield Measured(seconds, segment_s, figures, going.frames_per_s)
            if not on_video(added / geometry.fps):
                return
