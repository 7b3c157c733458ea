"""When the eyes of a session close: drawn from its seed, painted by the network.

Speech hardly says when people blink, so the model is told. GeneFace and ER-NeRF, too, take blinks
as a control signal. How a blink looks on a face, with its squint and gaze, stays the transformer's
work.

Time is cut into slots of equal length with one blink somewhere in each. So any moment of an endless
session is found without the moments before it, and no two chunks disagree.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flashtalk.geometry import ChunkGeometry

CLOSURES = (
    np.array([0.45, 1.0, 1.0, 0.75, 0.45, 0.2, 0.06]),
    np.array([0.3, 0.85, 1.0, 0.9, 0.6, 0.35, 0.15, 0.05]),
)
"""Two blinks, frame by frame at 25 fps: 0 as usual, 1 shut. Two frames to close, four to six to
open."""
SHORT_BLINKS = 0.7  # share of the first kind
SLOT_S = 3.2
"""19 blinks a minute; people make 17 at rest and 26 in conversation (Bentivoglio et al. 1997)."""
EARLIEST, LATEST = 0.1, 0.9  # where in its slot a blink begins; 0.6 to 5.8 s between two
BLINK_STREAM = 3  # keeps these random numbers apart from the noise of the same seed


def draw_blink(rng: np.random.Generator) -> np.ndarray:
    """One of ``CLOSURES``."""
    return CLOSURES[0] if rng.random() < SHORT_BLINKS else CLOSURES[1]


def closures(seed: int, first_frame: int, frames: int, fps: int) -> np.ndarray:
    """How far the eyes are closed from ``first_frame`` of a session on: [frames] float32, 0..1.

    Frames before 0, where a session has not begun, are open.
    """
    slot_frames = SLOT_S * fps
    longest = max(map(len, CLOSURES))
    closed = np.zeros(frames, np.float32)
    first_slot = max(0, int((first_frame - longest) // slot_frames))
    for slot in range(first_slot, int((first_frame + frames) // slot_frames) + 1):
        rng = np.random.default_rng(np.random.SeedSequence((seed, BLINK_STREAM, slot)))
        start = int((slot + rng.uniform(EARLIEST, LATEST)) * slot_frames) - first_frame
        shape = draw_blink(rng)
        begin, end = max(start, 0), min(start + len(shape), frames)
        if begin < end:
            closed[begin:end] = shape[begin - start : end - start]
    return closed


def chunk_closures(seed: int, chunk: int, batch: int, geometry: ChunkGeometry) -> Tensor:
    """Closures [B, F] of all frames of chunk ``chunk``; each of the batch blinks in its own time.

    ``B`` sessions that share a seed differ by their place in the batch.
    """
    first, frames = geometry.first_frame_of(chunk), geometry.chunk_frames
    rows = [closures(seed + row, first, frames, geometry.fps) for row in range(batch)]
    return torch.from_numpy(np.stack(rows))
