"""All chunk arithmetic: seconds <-> samples <-> frames <-> latents <-> tokens, in exact integers.

Every number that depends on another number lives here and nowhere else. One chunk of the published
system (SoulX-FlashTalk, section "Inference"; 25 fps, 16 kHz, temporal stride 4)::

    frames   0 1 2 3 4 | 5 6 7 ............................ 32      33 frames, 9 latents
             `-------'   `-----------------------------------'
              5 motion             28 new = 1.12 s = 17,920 samples
              = 2 latents
    latents  0 |  1    |  2   |  3   | ...                |  8      latent 0 holds frame 0,
             f0  f1-4    f5-8   f9-12                      f29-32   latent j >= 1 frames 4j-3 .. 4j

The last 5 frames of a chunk become the 2 motion latents of the next one, which continues them. The
first chunk has a single motion latent: the portrait.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from flashtalk.errors import FlashTalkError

SPEECH_RATE_HZ = 16_000  # of mono speech, as the models hear it


def exact_div(value: int, divisor: int, what: str) -> int:
    """``value / divisor`` as an integer; raises ``ValueError`` naming ``what`` if it is not one."""
    if divisor <= 0 or value % divisor:
        raise ValueError(f"{what}: {value} is not a whole multiple of {divisor}")
    return value // divisor


@dataclass(frozen=True)
class ChunkGeometry:
    """Sizes of one chunk. Wrong combinations raise ``ValueError`` when the object is built."""

    height_px: int
    """Picture height; a multiple of ``spatial_stride * patch_height``."""
    width_px: int
    """Picture width; a multiple of ``spatial_stride * patch_width``."""
    spatial_stride: int
    """Pixels per latent cell, both directions (Wan 2.1 VAE: 8; embedded autoencoder: 32)."""
    patch: tuple[int, int, int] = (1, 2, 2)
    """Latent frames, rows and columns in one token."""
    chunk_frames: int = 33
    """Frames denoised at once, motion frames included; ``1 + k * temporal_stride``."""
    motion_frames: int = 5
    """Frames handed from chunk to chunk; ``1 + k * temporal_stride``."""
    temporal_stride: int = 4
    """Frames per latent after the first one."""
    fps: int = 25  # frames per second
    sample_rate_hz: int = SPEECH_RATE_HZ
    speech_window_frames: int = 200
    """Frames of speech kept for the encoder (8 s in the published system)."""
    lookahead_frames: int = 0
    """Frames of speech beyond a chunk that are heard before it is made. Lips get ready before their
    sound comes; without these, the last frames of a chunk guess. Whoever speaks live waits so much
    longer. Published: 0."""

    def __post_init__(self) -> None:
        for name in (
            "height_px",
            "width_px",
            "spatial_stride",
            "chunk_frames",
            "motion_frames",
            "temporal_stride",
            "fps",
            "sample_rate_hz",
            "speech_window_frames",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.patch[0] != 1:
            raise ValueError(
                f"patch must cover one latent frame, got {self.patch[0]} in {self.patch}"
            )
        if self.lookahead_frames < 0:
            raise ValueError(f"lookahead_frames must be 0 or more, got {self.lookahead_frames}")
        exact_div(self.chunk_frames - 1, self.temporal_stride, "chunk_frames - 1")
        exact_div(self.motion_frames - 1, self.temporal_stride, "motion_frames - 1")
        exact_div(self.sample_rate_hz, self.fps, "sample_rate_hz per frame")
        exact_div(self.height_px, self.spatial_stride * self.patch[1], "height_px")
        exact_div(self.width_px, self.spatial_stride * self.patch[2], "width_px")
        if self.motion_frames >= self.chunk_frames:
            raise ValueError(
                f"motion_frames ({self.motion_frames}) must be fewer than "
                f"chunk_frames ({self.chunk_frames})"
            )
        if self.speech_window_frames < self.chunk_frames + self.lookahead_frames:
            raise ValueError(
                f"speech_window_frames ({self.speech_window_frames}) must cover a chunk "
                f"({self.chunk_frames}) and what is heard ahead ({self.lookahead_frames})"
            )

    def sized(self, height_px: int, width_px: int) -> ChunkGeometry:
        """The same chunk at another picture size; ``ValueError`` if the sides do not divide."""
        return replace(self, height_px=height_px, width_px=width_px)

    # --- time -----------------------------------------------------------------------------------
    @property
    def samples_per_frame(self) -> int:
        """640 at 16 kHz and 25 fps."""
        return self.sample_rate_hz // self.fps

    @property
    def new_frames(self) -> int:
        """Frames that a chunk adds to the video (28)."""
        return self.chunk_frames - self.motion_frames

    @property
    def new_samples(self) -> int:
        """Samples of speech that a chunk consumes (17,920)."""
        return self.new_frames * self.samples_per_frame

    @property
    def lookahead_samples(self) -> int:
        """Samples beyond a chunk that are heard before it is made."""
        return self.lookahead_frames * self.samples_per_frame

    @property
    def frames_per_new(self) -> float:
        """Frames of a chunk for each one that it adds (1.18)."""
        return self.chunk_frames / self.new_frames

    @property
    def new_s(self) -> float:
        """Seconds that a chunk adds (1.12)."""
        return self.new_frames / self.fps

    @property
    def speech_window_samples(self) -> int:
        """Samples kept for the speech encoder (128,000)."""
        return self.speech_window_frames * self.samples_per_frame

    def first_frame_of(self, chunk: int) -> int:
        """Where chunk ``chunk`` (from 0) begins in the video; its motion frames came before that.

        -5, 23, 51, ...: the first chunk begins before the video does.
        """
        return chunk * self.new_frames - self.motion_frames

    # --- latents --------------------------------------------------------------------------------
    def latents_of(self, frames: int) -> int:
        """Latent frames that encode ``frames`` = 1 + 4k pixel frames."""
        return 1 + exact_div(frames - 1, self.temporal_stride, "frames - 1")

    @property
    def chunk_latents(self) -> int:
        """Latent frames of a chunk (9)."""
        return self.latents_of(self.chunk_frames)

    @property
    def num_motion(self) -> int:
        """Latents of the motion frames (2); the first chunk has one."""
        return self.latents_of(self.motion_frames)

    @property
    def latent_height(self) -> int:
        return self.height_px // self.spatial_stride

    @property
    def latent_width(self) -> int:
        return self.width_px // self.spatial_stride

    # --- tokens ---------------------------------------------------------------------------------
    @property
    def token_grid(self) -> tuple[int, int, int]:
        """Tokens along (time, height, width)."""
        return (
            self.chunk_latents,
            self.latent_height // self.patch[1],
            self.latent_width // self.patch[2],
        )

    @property
    def tokens_per_latent(self) -> int:
        return self.token_grid[1] * self.token_grid[2]

    @property
    def tokens(self) -> int:
        """Tokens of a chunk (12,096 at 768x448 with stride 8 and patch 2)."""
        return self.chunk_latents * self.tokens_per_latent

    # --- whole recordings -----------------------------------------------------------------------
    def frames_for(self, samples: int) -> int:
        """Frames shown for ``samples`` of speech: the last frame may be partly silent."""
        return -(-samples // self.samples_per_frame)


def parse_size(text: str, otherwise: str = "") -> tuple[int, int]:
    """Height and width of HEIGHTxWIDTH, as in 768x448; :class:`FlashTalkError` for anything else.

    ``otherwise`` is what the caller takes besides, for the sentence.
    """
    sides = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if sides is None:
        raise FlashTalkError(
            f"--size must be HEIGHTxWIDTH in pixels, as in 768x448{otherwise}; got {text!r}."
        )
    return int(sides[1]), int(sides[2])
