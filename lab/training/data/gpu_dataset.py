"""Stage 1's data in the memory of the device that trains: batches are gathered, not made.

The same chunks as :class:`lab.training.data.latents.LatentSampler`, for a GPU that would wait for
them. Degrading one sound takes the processor longer than a GPU's whole step. So each sound is
degraded a few times beforehand. A chunk hears one of these versions, or the clean sound.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flashtalk.config import Preset
from flashtalk.models.tiny.face_code import groups_of
from lab.synthesis.voices.augment import augment
from lab.training.data.chunks import buckets_of, draw_bucket
from lab.training.data.codes import mirror
from lab.training.data.latents import DEGRADED, LatentClip


class GpuSampler:
    """Draws batches of chunks. Letters: N clips of up to F frames, V versions of a sound.

    100 clips of 8 s with two versions take 0.3 GB.
    """

    def __init__(
        self,
        clips: Sequence[LatentClip],
        preset: Preset,
        device: torch.device,
        versions: int,
        seed: int | None = None,
    ) -> None:
        """``versions`` is how often each sound is degraded.

        Raises ``ValueError`` if a sound would never be, or there is no clip.
        """
        if versions < 1 or not clips:
            raise ValueError(
                f"got {len(clips)} clips and {versions} versions, expected one or more of each"
            )
        self.preset = preset
        self.device = device
        self.buckets = buckets_of(preset)
        self.rng = np.random.default_rng(seed)
        self.lengths = np.array([len(clip.codes) for clip in clips])
        longest = int(self.lengths.max())
        codes = _both_ways([_longer(clip.codes, longest) for clip in clips])
        weight = np.stack([_longer(clip.weight, longest) for clip in clips])
        self.codes = torch.from_numpy(codes).to(device)  # [2, N, F, D, h, w]
        self.weight = torch.from_numpy(np.stack((weight, weight[..., ::-1]))).to(device)
        reference = _both_ways([clip.reference for clip in clips])
        self.reference = torch.from_numpy(reference).to(device)  # [2, N, D, h, w]
        closed = np.stack([_longer(clip.closed, longest) for clip in clips])
        self.closed = torch.from_numpy(closed).to(device)
        samples = longest * preset.geometry.samples_per_frame
        sounds = []
        for clip in clips:
            heard = [clip.samples, *(augment(clip.samples, self.rng) for _ in range(versions))]
            sounds.append(np.stack([_longer(each[:samples], samples) for each in heard]))
        whole = torch.from_numpy(np.stack(sounds).astype(np.float32)).to(device)
        # silence before the clip began, as in lab.training.data.chunks.speech_of
        self.sounds = F.pad(whole, (preset.geometry.speech_window_samples, 0))  # [N, 1 + V, S]

    def draw(self, size: int) -> tuple[Preset, tuple[Tensor, ...]]:
        """Like :meth:`LatentSampler.draw`, on the device."""
        preset = draw_bucket(self.buckets, self.rng).fitted(self.preset)
        geometry = preset.geometry
        clip = self.rng.integers(len(self.lengths), size=size)
        last = self.lengths[clip] - geometry.chunk_frames - geometry.lookahead_frames
        start = self.rng.integers(0, last + 1)
        turned = self.rng.integers(2, size=size)
        version = self.rng.integers(1, self.sounds.shape[1], size=size)
        version = np.where(self.rng.random(size) < DEGRADED, version, 0)
        return preset, self.gather(preset, clip, start, turned, version)

    def gather(
        self,
        preset: Preset,
        clip: np.ndarray,
        start: np.ndarray,
        turned: np.ndarray,
        version: np.ndarray,
    ) -> tuple[Tensor, ...]:
        """Latents [B, C, T, h, w], reference, weight, closures and samples of chosen chunks.

        All arrays [B]: number of the clip, first frame, 1 where mirrored, version of the sound.
        """
        geometry = preset.geometry
        clips, starts, mirrored, versions = (
            torch.from_numpy(each).to(self.device) for each in (clip, start, turned, version)
        )
        frame = starts[:, None] + torch.arange(geometry.chunk_frames, device=self.device)
        chosen = (mirrored[:, None], clips[:, None], frame)
        window = geometry.speech_window_samples
        end = starts + geometry.chunk_frames + geometry.lookahead_frames
        # `sounds` begin one window earlier than the clip does, so a window begins where it ends
        heard = end[:, None] * geometry.samples_per_frame + torch.arange(window, device=self.device)
        return (
            _packed(self.codes[chosen]),
            _packed(self.reference[mirrored, clips][:, None]),
            _packed(self.weight[chosen]),
            self.closed[clips[:, None], frame],
            self.sounds[clips[:, None], versions[:, None], heard],
        )


def _longer(values: np.ndarray, count: int) -> np.ndarray:
    """Zeros behind ``values`` [n, ...] up to [count, ...]; they are never drawn."""
    return np.pad(values, [(0, count - len(values))] + [(0, 0)] * (values.ndim - 1))


def _both_ways(codes: Sequence[np.ndarray]) -> np.ndarray:
    """Codes of N clips -> [2, N, ...] as they are, and of the mirrored pictures."""
    plain = np.stack(codes)
    return np.stack((plain, mirror(plain)))


def _packed(codes: Tensor) -> Tensor:
    """Codes of frames [B, 1+4k, D, h, w] -> latents [B, 4D, 1+k, h, w] float32."""
    return groups_of(codes).flatten(2, 3).transpose(1, 2).float().contiguous()
