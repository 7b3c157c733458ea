"""Clips as latents: encoded once by the trained autoencoder, so that Stage 1 never touches pixels.

A chunk may begin at any frame, and its groups are coded without their neighbors, so it is enough
to encode, for every frame, the group that begins there and the frame alone (latent 0 of a chunk)::

    window starting at s:  single[s], group[s+1], group[s+5], group[s+9], ...
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from flashtalk.models.autoencoder import GROUP_FRAMES, PortraitAutoencoder
from flashtalk.training.clips import Clip, ClipSet

log = logging.getLogger(__name__)

MOUTH_WEIGHT = 4.0
ENCODE_BATCH = 16


@dataclass(frozen=True)
class LatentClip:
    """One clip for Stage 1. Letters: F frames, C channels, h w cells, K curves."""

    single: np.ndarray
    """[F, C, h, w] float16: each frame coded alone."""
    group: np.ndarray
    """[F-3, C, h, w] float16: frames f .. f+3 coded together."""
    reference: np.ndarray
    """[C, h, w] float16: the portrait."""
    weight: np.ndarray
    """[F, h, w] float16: emphasis of the loss, high where the mouth is."""
    samples: np.ndarray
    """[F * 640] float32 at 16 kHz."""
    curves: np.ndarray
    """[F, K] float32: what the renderer was told; for evaluation."""

    def window(self, start: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Latents [C, T, h, w] and loss weight [T, h, w] of ``frames`` = 1 + 4k from ``start``."""
        first = np.arange(start + 1, start + frames, GROUP_FRAMES)
        latents = np.concatenate((self.single[start][None], self.group[first]))
        places = np.concatenate(([start], first + 1))
        return latents.swapaxes(0, 1).astype(np.float32), self.weight[places].astype(np.float32)


def cell_weights(clip: Clip, cells: int) -> np.ndarray:
    """Emphasis [F, cells, cells]: cells that the mouth box touches weigh more."""
    weights = np.ones((len(clip.landmarks), cells, cells), np.float16)
    for frame, weight in enumerate(weights):
        x, y, half_width, half_height = clip.mouth_box(frame)
        box = (np.array([x - half_width, x + half_width, y - half_height, y + half_height]) + 1) / 2
        left, right, top, bottom = np.clip(np.floor(box * cells), 0, cells - 1).astype(int)
        weight[top : bottom + 1, left : right + 1] = MOUTH_WEIGHT
    return weights


@torch.no_grad()
def encode_clip(model: PortraitAutoencoder, clip: Clip) -> LatentClip:
    """Encode one clip; ``model`` in ``eval()`` mode."""
    frames = torch.from_numpy(clip.frames[:].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    portrait = torch.from_numpy(clip.portrait.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    guidance = model.prepare(portrait)
    count = len(frames)

    def encode(first: Tensor, step: int) -> np.ndarray:
        parts = []
        for begin in range(0, len(first), ENCODE_BATCH):
            index = first[begin : begin + ENCODE_BATCH, None] + step * torch.arange(GROUP_FRAMES)
            latents = model.encode_groups(frames[index], guidance)
            parts.append(latents.half().numpy())
        return np.concatenate(parts)

    single = encode(torch.arange(count), 0)
    group = encode(torch.arange(count - GROUP_FRAMES + 1), 1)
    reference = model.encode(portrait[:, :, None], guidance)[0, :, 0].half().numpy()
    return LatentClip(
        single=single,
        group=group,
        reference=reference,
        weight=cell_weights(clip, reference.shape[-1]),
        samples=clip.samples,
        curves=clip.curves,
    )


def load_latents(model: PortraitAutoencoder, clips: ClipSet, cache: Path) -> list[LatentClip]:
    """All clips as latents, encoded on first use and kept in ``cache`` (one cache per model)."""
    cache.mkdir(parents=True, exist_ok=True)
    loaded = []
    for clip in tqdm(clips.clips, desc="encoding clips"):
        path = cache / f"{clip.name}.npz"
        if not path.exists():
            coded = encode_clip(model, clip)
            temporary = cache / f"{clip.name}.tmp.npz"
            np.savez(temporary, **vars(coded))
            temporary.rename(path)
        with np.load(path) as stored:
            loaded.append(LatentClip(**{name: stored[name] for name in stored.files}))
    return loaded
