"""A batch of Stage 1: chunks of one bucket, with everything they are conditioned on.

It is above the clips and below what turns them into latents. That is
:mod:`lab.training.data.latents` for the embedded model and :mod:`lab.training.data.video_dataset`
for a published checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from flashtalk.conditions.speech import last_speech_windows
from flashtalk.config import Preset
from flashtalk.geometry import ChunkGeometry
from flashtalk.models.contracts import SpeechEncoder

SHORT_CHUNK_FRAMES = 17
SHORT_CHUNKS = 0.15  # share of batches; all others have a session's length


@dataclass(frozen=True)
class Bucket:
    """The size that all chunks of a batch have."""

    frames: int
    height_px: int
    width_px: int
    odds: float = 1.0
    """How often it is drawn, compared with the others."""

    def __post_init__(self) -> None:
        for name in ("frames", "height_px", "width_px"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.odds <= 0:
            raise ValueError(f"odds must be above 0, got {self.odds}: leave the bucket out instead")

    def fitted(self, preset: Preset) -> Preset:
        """``preset`` with chunks of this size; ``ValueError`` if its strides do not allow them."""
        sized = preset.with_size((self.height_px, self.width_px))
        return replace(sized, geometry=replace(sized.geometry, chunk_frames=self.frames))


def buckets_of(preset: Preset, sizes: Sequence[tuple[int, int]] = ()) -> tuple[Bucket, ...]:
    """Every length in every one of ``sizes`` (height, width), without them the preset's.

    A preset of one size has buckets of length only. Sizes are equally likely, short chunks are the
    share ``SHORT_CHUNKS``. Raises ``ValueError`` for a size that the preset cannot make.
    """
    geometry = preset.geometry
    sizes = sizes or preset.sizes or ((geometry.height_px, geometry.width_px),)
    lengths = ((geometry.chunk_frames, 1.0 - SHORT_CHUNKS), (SHORT_CHUNK_FRAMES, SHORT_CHUNKS))
    buckets = tuple(Bucket(frames, *size, odds) for size in sizes for frames, odds in lengths)
    for bucket in buckets:
        bucket.fitted(preset)
    return buckets


def draw_bucket(buckets: Sequence[Bucket], rng: np.random.Generator) -> Bucket:
    """One of ``buckets``, by their odds."""
    odds = np.array([bucket.odds for bucket in buckets])
    return buckets[rng.choice(len(buckets), p=odds / odds.sum())]


@dataclass(frozen=True)
class ChunkBatch:
    """Chunks and their conditions. Letters: B chunks, T latents, F = 1 + 4 (T - 1) frames."""

    latents: Tensor
    """[B, C, T, h, w] clean."""
    reference: Tensor
    """[B, C, 1 or T, h, w] the denoiser's reference clip, encoded."""
    weight: Tensor
    """[B, C or 1, T, h, w] emphasis of mouth, eyes and face in the loss."""
    speech: Tensor
    """[B, F, window, layers, width]."""
    control: Tensor | None = None
    """[B, F] control signal (how far the eyes are closed, 0..1); only for models with one."""
    text: Tensor | None = None
    """[B, L, text_dim]; only for models that read a prompt, as ``null_text`` [B, L, text_dim]."""
    null_text: Tensor | None = None
    image: Tensor | None = None
    """[B, image_tokens, image_dim]; only for models that have it."""


def speech_of(samples: np.ndarray, start: int, geometry: ChunkGeometry) -> np.ndarray:
    """The samples of [S] that a session would hold when the chunk at frame ``start`` is made.

    [speech window], silent before the clip began.
    """
    last = start + geometry.chunk_frames + geometry.lookahead_frames
    end = last * geometry.samples_per_frame
    begin = end - geometry.speech_window_samples
    heard = samples[max(0, begin) : end]
    return np.pad(heard, (geometry.speech_window_samples - len(heard), 0))


def windowed_features(encoder: SpeechEncoder, samples: Tensor, preset: Preset) -> Tensor:
    """Samples [B, S] of whole speech windows -> [B, F, window, layers, width] of the chunk."""
    features = encoder(samples)
    frames, ahead = preset.geometry.chunk_frames, preset.geometry.lookahead_frames
    window = preset.transformer.speech.window_frames
    return torch.stack([last_speech_windows(each, window, frames, ahead) for each in features])
