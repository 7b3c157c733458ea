"""Silent talks of nobody: they warm an engine up, and measure its pace.

Used by :class:`flashtalk.engine.Engine`, which opens the sessions.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from flashtalk.config import Preset
from flashtalk.stream.session import Session

Shape = tuple[tuple[int, int], int]
"""Height and width in pixels, frames of a chunk."""

logger = logging.getLogger(__name__)


class Opener(Protocol):
    """Opens a session of a gray picture."""

    def __call__(self, preset: Preset, size: tuple[int, int] | None = None) -> Session:
        """With the chunks of ``preset``, and networks that see ``size`` (height, width)."""


def rehearse(opened: Opener, preset: Preset, shapes: Sequence[Shape]) -> float:
    """Runs two silent chunks in each of ``shapes``; seconds of work for a second in the first one.

    The first chunk has one motion latent, all others more: the second one counts.
    """
    costs = []
    for number, (size, chunk_frames) in enumerate(shapes, start=1):
        if len(shapes) > 1:
            told = (number, len(shapes), *size, chunk_frames)
            logger.info("Warm-up %d of %d: %dx%d pixels, chunks of %d frames", *told)
        chunked = preset.with_chunk(chunk_frames)
        with opened(chunked, size) as session:
            session.push(np.zeros(2 * chunked.geometry.new_samples, np.float32))
            *_, last = session.flush()
        costs.append(last.compute_s / last.duration_s)
    return costs[0]


def live_pace(opened: Opener, preset: Preset, enough: float, chunks: int) -> float:
    """Seconds of video per second of work in chunks of ``preset``, of the quickest one.

    Measures ``chunks`` of them, or fewer once one is quick ``enough``.
    """
    geometry, pace = preset.geometry, 0.0
    with opened(preset) as session:
        list(session.push(np.zeros(geometry.new_samples + geometry.lookahead_samples, "f4")))
        for _ in range(chunks):
            start_s = time.perf_counter()
            list(session.push(np.zeros(geometry.new_samples, np.float32)))
            pace = max(pace, geometry.new_s / (time.perf_counter() - start_s))
            if pace >= enough:
                break
    return pace
