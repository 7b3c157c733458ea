"""Frames of the chunk step -> the pictures of a session.

Nothing that is computed here is continued by the next chunk. Pictures of the networks' own size are
the frames. Larger ones fetch the portrait's detail along the flow. At last, what moves of a whole
picture is put back into it.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from flashtalk.stream.chunk import Scene, Shown
from flashtalk.stream.workers import ALONE, WorkerPool

Pictures = NDArray[np.uint8]
"""[F, H, W, 3] RGB."""


def finish(scene: Scene, shown: Shown, workers: WorkerPool = ALONE) -> Pictures:
    """The pictures of ``shown`` [1, 3, F, H, W], at the size of the video."""
    videos = shown.video.split([count for count, _ in shown.parts], dim=2)
    jobs = [
        partial(enlarge, video)
        for (_, enlarge), video in zip(shown.parts, videos, strict=True)
        if enlarge is not None
    ]
    if not jobs:
        return scene.to_pixels(shown.video[0])
    made = workers.map(lambda job: job(), jobs)
    pictures = made[0] if len(made) == 1 else np.concatenate(made)
    return pictures if scene.still is None else scene.still.around(pictures)
