"""Clips as latents of the embedded model: Stage 1's data, straight from the renderer's knowledge.

The channels of an embedded latent have a meaning (:mod:`flashtalk.models.tiny.face_code`), so the
clips' latents need no encoder. Training the transformer does not wait for the autoencoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from flashtalk.config import Preset
from flashtalk.models.tiny.face_code import GROUP_FRAMES
from lab.synthesis.voices.augment import augment
from lab.training.data.chunks import buckets_of, draw_bucket, speech_of
from lab.training.data.clips import Clip, ClipSet
from lab.training.data.codes import clip_codes, mirror, painted_weight

DEGRADED = 0.6  # share of chunks that sound recorded


@dataclass(frozen=True)
class LatentClip:
    """One clip for Stage 1. Letters: F frames, D features of one frame, h w cells, K curves."""

    codes: np.ndarray
    """[F, D, h, w] float16."""
    reference: np.ndarray
    """[D, h, w] float16: the portrait's."""
    samples: np.ndarray
    """[F * 640] float32 at 16 kHz."""
    curves: np.ndarray
    """[F, K] float32: what the renderer was told; for evaluation."""
    closed: np.ndarray
    """[F] float32: how far the eyes are closed, 0..1."""

    @classmethod
    def of(cls, clip: Clip) -> LatentClip:
        """Paint the codes of ``clip``."""
        codes, reference = clip_codes(clip)
        return cls(codes, reference, clip.samples, clip.curves, clip.closed)

    @cached_property
    def weight(self) -> np.ndarray:
        """[F, D, h, w] float16: emphasis in the loss, knowing the frames around each."""
        return painted_weight(self.codes).astype(np.float16)

    def window(
        self, start: int, frames: int, mirrored: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Latents [C, T, h, w], their loss weight and the reference [C, 1, h, w] of one chunk.

        Latent 0 holds frame ``start`` four times, latent j the frames start+4j-3 .. start+4j.
        """
        shown = np.r_[[start] * GROUP_FRAMES, start + 1 : start + frames]
        codes = np.concatenate(
            (self.codes[shown], np.repeat(self.reference[None], GROUP_FRAMES, axis=0))
        )
        weight = self.weight[shown]
        if mirrored:
            codes, weight = mirror(codes), weight[..., ::-1]
        packed = pack(codes.astype(np.float32))
        return packed[:, :-1], pack(weight.astype(np.float32)), packed[:, -1:]


def pack(codes: np.ndarray) -> np.ndarray:
    """Codes of 4T frames [4T, D, h, w] -> latents [4D, T, h, w], frame by frame."""
    frames, features, height, width = codes.shape
    groups = codes.reshape(frames // GROUP_FRAMES, GROUP_FRAMES * features, height, width)
    return np.ascontiguousarray(groups.swapaxes(0, 1))


def load_latents(clips: ClipSet) -> list[LatentClip]:
    """All clips as latents."""
    return [LatentClip.of(clip) for clip in clips.clips]


class LatentSampler:
    """Draws batches of chunks: latents, reference, weight, closed eyes, speech samples."""

    def __init__(self, clips: list[LatentClip], preset: Preset, seed: int | None) -> None:
        self.clips = clips
        self.preset = preset
        self.buckets = buckets_of(preset)
        self.rng = np.random.default_rng(seed)

    def draw(self, size: int) -> tuple[Preset, tuple[Tensor, ...]]:
        """A batch of one bucket, and the preset with chunks of that size.

        Latents [B, C, T, h, w], reference [B, C, 1, h, w], weight [B, C, T, h, w], closures
        [B, F], samples [B, S].
        """
        preset = draw_bucket(self.buckets, self.rng).fitted(self.preset)
        chunks = [self._chunk(preset) for _ in range(size)]
        return preset, tuple(torch.from_numpy(np.stack(each)) for each in zip(*chunks, strict=True))

    def _chunk(self, preset: Preset) -> tuple[np.ndarray, ...]:
        clip = self.clips[self.rng.integers(len(self.clips))]
        frames, ahead = preset.geometry.chunk_frames, preset.geometry.lookahead_frames
        start = int(self.rng.integers(0, len(clip.codes) - frames - ahead + 1))
        window, weight, reference = clip.window(start, frames, self.rng.random() < 0.5)
        sound = speech_of(clip.samples, start, preset.geometry)
        if self.rng.random() < DEGRADED:
            sound = augment(sound, self.rng)
        closed = clip.closed[start : start + frames]
        return window, reference, weight, closed, sound.astype(np.float32)
