"""Clips as pictures for a published checkpoint: Stage 1's data in the sizes of its buckets.

Rendered clips are square. Of each window the largest rectangle of the bucket's aspect is kept. The
face is as close to its middle as possible. Its portrait is cut alike::

    +--+------+--+
    |  | .--. |  |     upright: all rows, and the columns around the face
    |  |(    )|  |
    |  | '--' |  |
    +--+------+--+

The checkpoint's own encoders turn it into latents and conditions, as they do in a session. Nothing
of this can be kept: hardly any window is drawn twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from flashtalk.inputs.framing import Crop, cover
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.face_code import groups_of
from lab.training.data.chunks import ChunkBatch, speech_of, windowed_features
from lab.training.data.clips import Clip
from lab.training.data.talks import leveled, portrait_conditions

ABOVE_FACE = "head_top"  # the only landmark that a tight picture may leave out
FACE_WEIGHT = 1.0  # beside 1 for everything; StableAvatar's code weighs faces and lips like this
MOUTH_WEIGHT = 1.0
TRIES = 200


@dataclass(frozen=True)
class Windows:
    """Windows of clips, cut to one size. Letters: B windows, F frames, T latents of h w cells."""

    video: Tensor
    """[B, 3, F, H, W] in [-1, 1]."""
    portraits: Tensor
    """[B, 3, H, W] in [-1, 1]."""
    weight: Tensor
    """[B, 1, T, h, w]: 1, and more on faces and mouths."""
    samples: Tensor
    """[B, S] speech windows, the last sample being the last that the chunk hears."""


def draw_windows(
    clips: Sequence[Clip],
    geometry: ChunkGeometry,
    size: int,
    rng: np.random.Generator,
    device: torch.device | None = None,
) -> Windows:
    """``size`` random windows of random ``clips`` as chunks of ``geometry``, on ``device``.

    Raises :class:`FlashTalkError` if hardly any clip is long enough, or its face small enough.
    """
    drawn = [_window(clips, geometry, rng, device) for _ in range(size)]
    return Windows(*(torch.stack(each) for each in zip(*drawn, strict=True)))


@torch.no_grad()
def gather_chunks(networks: Networks, windows: Windows, negative_prompt: str) -> ChunkBatch:
    """Windows on the networks' device -> latents and conditions, by the networks' own encoders.

    The preset of ``networks`` has the windows' geometry.
    """
    preset = networks.preset
    conditions, null_text = portrait_conditions(networks, windows.portraits, negative_prompt)
    samples = leveled(windows.samples[:, None], preset)[:, 0]
    return ChunkBatch(
        latents=networks.autoencoder.encode(windows.video, conditions.guidance),
        reference=conditions.reference_latents,
        weight=windows.weight,
        speech=windowed_features(networks.speech_encoder, samples, preset),
        text=conditions.text,
        null_text=null_text,
        image=conditions.image,
    )


def crop_around(points: np.ndarray, height_px: int, width_px: int, aspect: float) -> Crop:
    """The largest crop of ``aspect`` = width / height inside a picture, with ``points`` in it.

    ``points`` [L, 2] are x and y in -1..1. Their middle is in the middle of the crop, or as close
    to it as the picture's edges allow. What does not fit sticks out on both sides.
    """
    whole = cover(width_px, height_px, aspect)
    low, high = _extent(points)
    across, down = ((low + high) / 2 + 1) / 2 * (width_px, height_px)
    left = np.clip(round(across - whole.width_px / 2), 0, width_px - whole.width_px)
    top = np.clip(round(down - whole.height_px / 2), 0, height_px - whole.height_px)
    return Crop(int(left), int(top), whole.width_px, whole.height_px)


def within(points: np.ndarray, crop: Crop, height_px: int, width_px: int) -> np.ndarray:
    """``points`` [..., 2] in -1..1 of a picture -> in 0..1 of its ``crop``."""
    corner, size = (crop.left_px, crop.top_px), (crop.width_px, crop.height_px)
    return ((points + 1) / 2 * (width_px, height_px) - corner) / size


def cut(
    pictures: np.ndarray, crop: Crop, geometry: ChunkGeometry, device: torch.device | None = None
) -> Tensor:
    """``crop`` of pictures [N, H, W, 3] uint8 at the geometry's size: [N, 3, H, W] in [-1, 1]."""
    part = pictures[:, crop.top_px : crop.bottom_px, crop.left_px : crop.right_px]
    shown = torch.from_numpy(np.array(part)).to(device).permute(0, 3, 1, 2) / 127.5 - 1.0
    size = (geometry.height_px, geometry.width_px)
    # contiguous: resizing takes twice as long otherwise
    return F.interpolate(shown.contiguous(), size, mode="bilinear", antialias=True)


def face_weight(faces: np.ndarray, mouths: np.ndarray, geometry: ChunkGeometry) -> Tensor:
    """Boxes of the faces and mouths of frames, each [F, 2, 2] -> weight of latents [1, T, h, w].

    A box is its upper left and lower right corner in 0..1 of the picture. A latent counts what its
    four frames show at their most.
    """
    cells = (geometry.latent_height, geometry.latent_width)
    frames = 1.0 + FACE_WEIGHT * box_share(faces, cells) + MOUTH_WEIGHT * box_share(mouths, cells)
    groups = groups_of(torch.from_numpy(frames)[None], geometry.temporal_stride)
    return groups.amax(dim=2).float()


def box_share(boxes: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """How much of each cell of a grid of ``cells`` boxes [F, 2, 2] cover: [F, h, w], 0..1."""

    def along(count: int, axis: int) -> np.ndarray:
        low, high = (count * boxes[:, corner, axis, None] for corner in (0, 1))
        first = np.arange(count)
        return np.clip(np.minimum(high, first + 1) - np.maximum(low, first), 0.0, 1.0)

    return along(cells[0], 1)[:, :, None] * along(cells[1], 0)[:, None, :]


# --- inside -------------------------------------------------------------------------------------
def _window(
    clips: Sequence[Clip],
    geometry: ChunkGeometry,
    rng: np.random.Generator,
    device: torch.device | None,
) -> tuple[Tensor, ...]:
    """One window, in the order of :class:`Windows`."""
    clip, start, crop = _fitting(clips, geometry, rng)
    frames = slice(start, start + geometry.chunk_frames)
    side = clip.frames.shape[1:3]
    faces = np.stack(_extent(_face(clip)[frames]), axis=1)  # [F, 2, 2]
    mouths = np.array([clip.mouth_box(frame) for frame in range(frames.start, frames.stop)])
    mouths = np.stack((mouths[:, :2] - mouths[:, 2:], mouths[:, :2] + mouths[:, 2:]), axis=1)
    weight = face_weight(within(faces, crop, *side), within(mouths, crop, *side), geometry)
    samples = torch.from_numpy(speech_of(clip.samples, start, geometry))
    return (
        cut(clip.frames[frames], crop, geometry, device).transpose(0, 1),
        cut(clip.portrait[None], crop, geometry, device)[0],
        weight.to(device),
        samples.to(device),
    )


def _fitting(
    clips: Sequence[Clip], geometry: ChunkGeometry, rng: np.random.Generator
) -> tuple[Clip, int, Crop]:
    """A clip, the first frame of a window, and a crop that holds its and the portrait's face."""
    frames, aspect = geometry.chunk_frames, geometry.width_px / geometry.height_px
    for _ in range(TRIES):
        clip = clips[int(rng.integers(len(clips)))]
        starts = len(clip.frames) - frames - geometry.lookahead_frames + 1
        if starts < 1:
            continue
        start = int(rng.integers(starts))
        points = np.concatenate((_face(clip)[start : start + frames].reshape(-1, 2), _still(clip)))
        height_px, width_px = clip.frames.shape[1:3]
        crop = crop_around(points, height_px, width_px, aspect)
        placed = within(points, crop, height_px, width_px)
        if placed.min() >= 0.0 and placed.max() <= 1.0:
            return clip, start, crop
    raise FlashTalkError(
        f"In {TRIES} tries no window of {frames} frames was found with a face that fits into "
        f"{geometry.height_px} x {geometry.width_px} pixels (height x width). Make longer clips, "
        "or leave that size out with --size."
    )


def _face(clip: Clip) -> np.ndarray:
    """Landmarks of the face itself in all frames, [F, L, 2]."""
    return clip.landmarks[:, _of_face(clip)]


def _still(clip: Clip) -> np.ndarray:
    """The same of the portrait, [L, 2]."""
    return clip.portrait_landmarks[_of_face(clip)]


def _of_face(clip: Clip) -> np.ndarray:
    return np.array([name != ABOVE_FACE for name in clip.landmark_names])


def _extent(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of ``points`` [..., L, 2]: [..., 2]."""
    return points.min(axis=-2), points.max(axis=-2)
