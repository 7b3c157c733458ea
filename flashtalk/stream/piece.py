"""A piece of video: what a session hands out, a whole chunk or a part of one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class VideoPiece:
    """Consecutive frames and the speech that belongs to them; pieces follow without gaps."""

    index: int
    """Counts the pieces of a session from 0."""
    frames: NDArray[np.uint8]
    """[F, H, W, 3] RGB, F >= 1."""
    samples: NDArray[np.float32]
    """[S] mono speech at 16 kHz; at the very end S may fall short of F whole frames."""
    start_s: float
    """Where the first frame lies in the session."""
    fps: int = 25
    """Frames per second."""
    chunk_index: int = 0
    """The chunk that the frames are from, counted from 0."""
    completes_chunk: bool = True
    """Whether no other piece of the same chunk follows."""
    notices: tuple[str, ...] = ()
    """Sentences for the visitor; the first piece of a session has what its portrait asks for."""
    compute_s: float = 0.0
    """Seconds that computing took since the previous piece, waiting for others left out."""
    held: bool = False
    """Whether the last picture stays and nothing was computed."""
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds by stage (speech, denoise, decode, color, finish, motion_encode) since the last;
    empty without a timer. ``motion_encode`` made the motion latents that this piece continues."""

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or not len(self.frames) or self.frames.shape[-1] != 3:
            raise ValueError(f"frames must be [F >= 1, H, W, 3], got {list(self.frames.shape)}")
        if self.samples.ndim != 1:
            raise ValueError(f"samples must be [S], got {list(self.samples.shape)}")

    @property
    def duration_s(self) -> float:
        """Seconds that the frames are shown."""
        return len(self.frames) / self.fps

    @property
    def end_s(self) -> float:
        """Where the frames of the next piece begin."""
        return self.start_s + self.duration_s
