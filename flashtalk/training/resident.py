"""Stage 1's data in the memory of the device that trains: batches are gathered, not made.

The same chunks as :class:`flashtalk.training.latents.LatentSampler`, for a GPU that would wait for
them: degrading one sound takes the processor longer than a GPU's whole step. So each sound is
degraded a few times beforehand, and a chunk hears one of these versions, or the sound as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flashtalk.config import Preset
from flashtalk.models.face_code import GROUP_FRAMES
from flashtalk.synthesis.augment import augment
from flashtalk.training.chunks import buckets_of, draw_bucket
from flashtalk.training.codes import mirror, painted_weight
from flashtalk.training.latents import DEGRADED, LatentClip


class ResidentSampler:
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
        self.codes = self._both_ways([_longer(clip.codes, longest) for clip in clips])
        self.weight = self._both_ways(
            [_longer(painted_weight(clip.codes), longest) for clip in clips], mirrored=_turned
        )
        self.reference = self._both_ways([clip.reference for clip in clips])
        closed = np.stack([_longer(clip.closed, longest) for clip in clips])
        self.closed = torch.from_numpy(closed).to(device)
        samples = longest * preset.geometry.samples_per_frame
        sounds = []
        for clip in clips:
            heard = [clip.samples, *(augment(clip.samples, self.rng) for _ in range(versions))]
            sounds.append(np.stack([_longer(each[:samples], samples) for each in heard]))
        whole = torch.from_numpy(np.stack(sounds).astype(np.float32)).to(device)
        # silence before the clip began, as in flashtalk.training.chunks.speech_of
        self.sounds = F.pad(whole, (preset.geometry.speech_window_samples, 0))  # [N, 1 + V, S]

    def _both_ways(
        self, codes: Sequence[np.ndarray], mirrored: Callable[[np.ndarray], np.ndarray] = mirror
    ) -> Tensor:
        """[2, N, ...] float16 on the device: as they are, and mirrored."""
        plain = np.stack(codes).astype(np.float16)
        both = np.stack((plain, mirrored(plain)))
        return torch.from_numpy(both).to(self.device)

    def draw(self, size: int) -> tuple[Preset, tuple[Tensor, ...]]:
        """As :meth:`LatentSampler.draw`, on the device."""
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
        clip, start, turned, version = (
            torch.from_numpy(each).to(self.device) for each in (clip, start, turned, version)
        )
        frame = torch.arange(geometry.chunk_frames, device=self.device)
        # latent 0 holds the first frame four times
        order = torch.cat((frame.new_zeros(GROUP_FRAMES - 1), frame))
        chosen = (turned[:, None], clip[:, None], start[:, None] + order)
        window = geometry.speech_window_samples
        end = start + geometry.chunk_frames + geometry.lookahead_frames
        # `sounds` begin one window earlier than the clip does, so a window begins where it ends
        heard = end[:, None] * geometry.samples_per_frame + torch.arange(window, device=self.device)
        reference = self.reference[turned, clip][:, None].expand(-1, GROUP_FRAMES, -1, -1, -1)
        return (
            _packed(self.codes[chosen]),
            _packed(reference),
            _packed(self.weight[chosen]),
            self.closed[clip[:, None], start[:, None] + frame],
            self.sounds[clip[:, None], version[:, None], heard],
        )


def _longer(values: np.ndarray, count: int) -> np.ndarray:
    """Zeros behind ``values`` [n, ...] up to [count, ...]; they are never drawn."""
    return np.pad(values, [(0, count - len(values))] + [(0, 0)] * (values.ndim - 1))


def _turned(weight: np.ndarray) -> np.ndarray:
    """Weights [..., h, w] of the mirrored picture: they have no direction."""
    return weight[..., ::-1]


def _packed(codes: Tensor) -> Tensor:
    """Codes of frames [B, 4T, D, h, w] -> latents [B, 4D, T, h, w] float32, frame by frame."""
    groups = codes.unflatten(1, (-1, GROUP_FRAMES)).flatten(2, 3)
    return groups.transpose(1, 2).float().contiguous()
