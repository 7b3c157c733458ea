"""Which thread makes which frames of a chunk: two ways to the same pieces of video.

``in_turn`` decodes with all threads at once, then makes pictures. It has the most frames a second.
``apart`` is for somebody who waits while speaking. One thread shows the chunk. The caller decodes
the frames that the next chunk continues. Neither waits for the other at each step. A browser on the
same cores then takes little from both.

Above: :class:`flashtalk.stream.session.Session`, which asks for pieces. Below: the chunk step and
:mod:`flashtalk.stream.finisher`. Both generators yield pieces that were begun, as futures of their
pictures. They return frames [B, 3, F, H, W] whose last ones are carried on. Both raise what the
chunk step raises.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from flashtalk.stream import faults
from flashtalk.stream.chunk import Bounds, Scene, Shown, carried_bounds, show
from flashtalk.stream.compute import HERE, Computer
from flashtalk.stream.finisher import Pictures, finish
from flashtalk.stream.state import SessionState
from flashtalk.stream.workers import ALONE, WorkerPool

Finished = tuple[Pictures, float]
"""Pictures [F, H, W, 3] of a piece, and the seconds that made them of frames."""
Pieces = Generator[Future[Finished], None, Tensor]


def in_turn(
    scene: Scene,
    state: SessionState,
    latents: Tensor,
    bounds: tuple[Bounds, ...],
    thread: Computer | None,
) -> Pieces:
    """Pieces of ``bounds``; ``thread``, if there is one, makes the pictures of the last piece."""
    last: Tensor | None = None
    for shown, (_, stop) in zip(show(scene, state, latents, bounds), bounds, strict=True):
        faults.require_numbers(shown.video)
        if last is None or shown.video.shape[2] >= scene.geometry.motion_frames:
            last = shown.video
        else:
            last = torch.cat((last, shown.video), dim=2)
        if thread is None or stop < scene.geometry.chunk_frames:
            yield HERE.begin(partial(_finish, scene, shown, scene.workers))
        else:
            yield thread.begin(partial(_finish, scene, shown, ALONE))
    assert last is not None  # a chunk has a piece
    return last


def can_part(scene: Scene, bounds: tuple[Bounds, ...]) -> bool:
    """Whether :func:`apart` can make the pieces of ``bounds``.

    There are two, and carried frames are in the second one.
    """
    carried, _ = carried_bounds(scene.geometry)
    return len(bounds) == 2 and bounds[0][1] <= carried


def apart(
    scene: Scene,
    state: SessionState,
    latents: Tensor,
    bounds: tuple[Bounds, ...],
    thread: Computer,
) -> Pieces:
    """Pieces of ``bounds`` that ``thread`` makes, beside the carried frames of the caller."""
    geometry, alone = scene.geometry, replace(scene, workers=ALONE)
    (carried, end), (start, _) = carried_bounds(geometry), bounds[1]
    # the first carried frame ends a latent, so it is decoded twice
    before = show(alone, state, latents, (bounds[0], (start, carried + 1)))
    beyond: Future[Shown] = Future()

    def begin() -> Finished:
        return _finish(scene, _next(before), ALONE)

    def rest() -> Finished:
        pictures, first_s = _finish(scene, _next(before), ALONE)
        others, then_s = _finish(scene, beyond.result(), ALONE)
        return np.concatenate((pictures[: carried - start], others)), first_s + then_s

    pieces = [thread.begin(begin), thread.begin(rest)]
    try:
        (shown,) = show(alone, state, latents, ((carried, end),))
        faults.require_numbers(shown.video)
        beyond.set_result(shown)
    except BaseException as error:
        beyond.set_exception(error)
        raise
    yield from pieces
    return shown.video


def _next(shown: Iterator[Shown]) -> Shown:
    with torch.inference_mode(), faults.said():
        made = next(shown)
        faults.require_numbers(made.video)
        return made


def _finish(scene: Scene, shown: Shown, workers: WorkerPool) -> Finished:
    begin_s = time.perf_counter()
    with torch.inference_mode(), faults.said():
        pictures = finish(scene, shown, workers)
    return pictures, time.perf_counter() - begin_s
