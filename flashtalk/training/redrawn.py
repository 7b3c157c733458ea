"""Frames as the embedded decoder draws them from their true codes.

In a session the face reader looks at the decoder's own pictures whenever a chunk is handed over.
Lips drawn there are softer than rendered ones, and a reader that has never seen any reads them as
less open than they were asked to be; the next chunk would begin from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flashtalk.models.autoencoder import PortraitAutoencoder
from flashtalk.models.face_code import GROUP_FRAMES, LANDMARKS
from flashtalk.training.clips import ClipSet
from flashtalk.training.groups import as_float, painted, telling_place
from flashtalk.training.latents import pack


@dataclass(frozen=True)
class Redrawn:
    """N pictures and what they were asked to show."""

    pictures: np.ndarray
    """[N, H, W, 3] uint8."""
    points: np.ndarray
    """[N, L, 2] float32, in the order of ``LANDMARKS``."""
    gaze: np.ndarray
    """[N, 2] float32, radians."""


@torch.no_grad()
def redraw(
    model: PortraitAutoencoder, clips: ClipSet, groups: int, rng: np.random.Generator
) -> Redrawn:
    """``groups`` groups of four frames of random clips, drawn from their true codes."""
    pictures, points, gazes = [], [], []
    for _ in range(groups):
        clip = clips.draw(rng)
        start = telling_place(clip, len(clip.frames), rng)
        frames = slice(start, start + GROUP_FRAMES)
        portrait = as_float(torch.from_numpy(clip.portrait.copy()).permute(2, 0, 1))[None]
        latents = torch.from_numpy(pack(painted(clip)[0][frames].astype(np.float32)))
        drawn = model.decoder(latents.transpose(0, 1), model.prepare(portrait))[0]
        drawn = ((drawn.clamp(-1.0, 1.0) + 1.0) * 127.5).round().to(torch.uint8)
        pictures.append(drawn.permute(0, 2, 3, 1).numpy())
        chosen = [clip.landmark_names.index(name) for name in LANDMARKS]
        points.append(clip.landmarks[frames][:, chosen])
        looks = [clip.curve_names.index(name) for name in ("gaze_x", "gaze_y")]
        gazes.append(clip.curves[frames][:, looks])
    return Redrawn(*(np.concatenate(each) for each in (pictures, points, gazes)))
