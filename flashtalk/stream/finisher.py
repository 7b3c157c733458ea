"""Frames of the chunk step -> the pictures of a session, without a seam between two chunks.

Nothing that is computed here is continued by the next chunk. Pictures of the networks' own size are
the frames. Larger ones have a seam of their own. Their detail is fetched along the flow. The flow
of a frame that is decoded again is not quite what it was. At last, what moves of a whole picture is
put back into it.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from flashtalk.stream.chunk import Scene, Shown
from flashtalk.stream.seam import CHANGED
from flashtalk.stream.workers import ALONE, WorkerPool

Pictures = NDArray[np.uint8]
"""[F, H, W, 3] RGB."""

_CHANGED_PX = 127.5 * CHANGED


class Finisher:
    """Makes the pictures of one session, in the order in which its frames are shown."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._last: NDArray[np.uint8] | None = None
        self._again: NDArray[np.uint8] | None = None
        self._seam: NDArray[np.float32] | None = None

    def finish(self, shown: Shown, workers: WorkerPool = ALONE) -> Pictures:
        """The pictures of ``shown`` [1, 3, F, H, W], at the size of the video."""
        pictures = self._enlarged(shown, workers)
        if pictures is None:
            return self._scene.to_pixels(shown.video[0])
        if shown.joins:
            self._again, pictures = pictures[0], pictures[1:]
            self._seam = None if self._last is None else _difference(self._last, self._again)
        if self._seam is not None and self._again is not None:
            pictures = self._faded(pictures, shown.frames_before)
        self._last = pictures[-1].copy()  # a view would keep all of them in memory
        still = self._scene.still
        return pictures if still is None else still.around(pictures)

    def forget(self) -> None:
        """What comes next does not follow what was shown last."""
        self._last = None

    def _enlarged(self, shown: Shown, workers: WorkerPool) -> Pictures | None:
        """Pictures of ``shown.decoded``; ``None`` where frames are shown as they are."""
        counts = [count for count, _ in shown.parts]
        videos = shown.decoded.split(counts, dim=2)
        jobs = [
            partial(enlarge, video)
            for (_, enlarge), video in zip(shown.parts, videos, strict=True)
            if enlarge is not None
        ]
        if not jobs:
            return None
        made = workers.map(lambda job: job(), jobs)
        return made[0] if len(made) == 1 else np.concatenate(made)

    def _faded(self, pictures: Pictures, frames_before: int) -> Pictures:
        """As :func:`flashtalk.stream.seam.fade_seam`."""
        seam_frames = self._scene.sampler.seam_frames
        assert self._seam is not None and self._again is not None
        for index in range(min(len(pictures), seam_frames - frames_before)):
            picture = pictures[index]
            share = 1.0 - (frames_before + index + 1) / (seam_frames + 1)
            change = np.abs(_difference(picture, self._again)).max(axis=2, keepdims=True)
            weight = share / (1.0 + np.square(change / _CHANGED_PX))
            picture[:] = np.rint(picture + weight * self._seam).clip(0, 255)
        return pictures


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    return one.astype(np.float32) - other
