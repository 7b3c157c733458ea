"""Training data of the autoencoder: groups of four frames with the renderer's supervision.

Between :mod:`lab.training.data.clips` and :mod:`lab.training.tiny.autoencoder`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import torch
from torch import Tensor

from flashtalk.models.tiny.face_code import GROUP_FRAMES
from flashtalk.models.tiny.maps import identity_grid
from lab.training.data.clips import MIDDLES, Clip, ClipSet
from lab.training.data.codes import clip_codes, mirror, mirror_points, portrait_points
from lab.training.data.latents import pack
from lab.training.data.pictures import SHARE as PICTURES_SHARE
from lab.training.data.pictures import Pictures
from lab.training.loop import prefetched

INNER = 2  # the renderer's number for teeth and tongue
BOX_WEIGHT = 8.0  # of a mouth's box in the reconstruction
BLINK = 0.5  # of the usual gap between lids
TEETH_PX = 40  # pixels between the lips of a portrait that shows teeth

Place = Callable[[Clip, np.random.Generator], int]
"""Where a group begins in a clip."""


@dataclass(frozen=True)
class Batch:
    """N groups of four frames with their portraits."""

    frames: Tensor
    """[N, 4, 3, H, W] uint8: half of them are used in a step (:func:`as_float`)."""
    portraits: Tensor
    """[N, 3, H, W]."""
    offset: Tensor
    """[N*4, 2, 64, 64] true flow offsets to the portrait."""
    known: Tensor
    """[N*4, 1, 64, 64] weight of the flow's supervision."""
    weight: Tensor
    """[N*4, 1, 64, 64] weight of the reconstruction."""
    inner: Tensor
    """[N*4, 1, H, W] 1 where one looks into the mouth."""
    portrait_inner: Tensor
    """[N, 1, H, W] the same of the portraits."""
    codes: Tensor
    """[N, C, h, w] true latents."""
    portrait_codes: Tensor
    """[N, D, h, w] true codes of the portraits."""
    points: Tensor
    """[N, L, 2] true landmarks of the portraits."""
    numbers: Tensor
    """[N] int64, the numbers of their clips, and so of the people."""

    def to(self, device: torch.device) -> Batch:
        """The same on ``device``."""
        return Batch(**{each.name: getattr(self, each.name).to(device) for each in fields(self)})


def change_colors(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random exposure, white balance, contrast, gamma and saturation: one draw for all pictures.

    [N, H, W, 3] uint8 -> the same. Curves are tables, because this runs beside the training step.
    """
    if rng.random() < 0.4:
        gray = pictures[..., 1:2].astype(np.int16)  # green alone is close enough to luminance
        share = int(rng.uniform(0.2, 1.2) * 64)
        faded = gray + ((pictures.astype(np.int16) - gray) * share >> 6)
        pictures = np.clip(faded, 0, 255).astype(np.uint8)
    levels = np.linspace(0.0, 1.0, 256)[:, None]
    levels = (levels - 0.5) * rng.uniform(0.7, 1.25) + 0.5
    levels = levels * rng.uniform(0.75, 1.2) * rng.uniform(0.88, 1.12, size=3)
    table = (np.clip(levels, 0.0, 1.0) ** rng.uniform(0.75, 1.35) * 255).astype(np.uint8)
    return np.stack([table[:, c][pictures[..., c]] for c in range(3)], axis=-1)


def sample(
    clip: Clip, rng: np.random.Generator, augmented: bool, place: Place
) -> dict[str, np.ndarray]:
    """One group of a clip with its portrait and supervision, randomly colored and mirrored."""
    start = place(clip, rng)
    index = np.arange(start, start + GROUP_FRAMES)
    if rng.random() < 0.15:
        index[:] = start  # the first latent of a chunk: one frame, repeated
    pictures = np.concatenate((clip.frames[index], clip.portrait[None]))
    if augmented and rng.random() < 0.6:
        pictures = change_colors(pictures, rng)
    parts = clip.parts[index]
    flow = clip.flow[index].astype(np.float32)
    known = clip.visible[index].astype(np.float32)
    clip_code, portrait_code = painted(clip)
    codes = np.concatenate((clip_code[index], portrait_code[None]))
    points = portrait_points(clip)

    weight = np.ones(parts.shape, np.float32)
    weight[parts == 3] = 4.0
    for row, frame in zip(weight, index, strict=True):
        x, y, half_width, half_height = clip.mouth_box(int(frame))
        inside_x = np.abs(MIDDLES - x) < half_width
        inside_y = np.abs(MIDDLES - y) < half_height
        row[np.ix_(inside_y, inside_x)] = BOX_WEIGHT
    weight[parts == INNER] = 20.0  # teeth and tongue: nowhere to be copied from
    inner = np.stack([*(opened(clip, int(frame)) for frame in index), portrait_opened(clip)])

    if augmented and rng.random() < 0.5:
        pictures, weight, inner = pictures[:, :, ::-1], weight[:, :, ::-1], inner[:, :, ::-1]
        flow, known = flow[:, :, ::-1] * np.array([-1, 1], np.float32), known[:, :, ::-1]
        codes, points = mirror(codes), mirror_points(points)
    return {
        "pictures": pictures,
        "flow": flow,
        "known": known,
        "weight": weight,
        "inner": inner[:GROUP_FRAMES].astype(np.float32),
        "portrait_inner": inner[GROUP_FRAMES].astype(np.float32),
        "codes": pack(codes[:GROUP_FRAMES].astype(np.float32))[:, 0],
        "portrait_code": codes[GROUP_FRAMES].astype(np.float32),
        "points": points,
        "number": np.array(int(clip.name)),
    }


def opened(clip: Clip, frame: int) -> np.ndarray:
    """Whether each pixel lies between the inner lips, [H, W] in 0..1.

    The renderer labels teeth and tongue on a coarse grid, and the dark between them belongs to the
    skin's mesh. A mask that is a pixel too large paints teeth on the lips.
    """
    return between_lips(clip.frames.shape[1], *(clip.mark(name)[frame] for name in INNER_MARKS))


def portrait_opened(clip: Clip) -> np.ndarray:
    """The same of the portrait."""
    marks = (clip.portrait_landmarks[clip.landmark_names.index(name)] for name in INNER_MARKS)
    return between_lips(clip.portrait.shape[0], *marks)


def shows_teeth(clip: Clip) -> bool:
    """Whether the portrait's lips are apart, by more than a reading might be off."""
    return portrait_opened(clip).sum() > TEETH_PX


INNER_MARKS = ("inner_upper_lip", "inner_lower_lip", "left_mouth_corner", "right_mouth_corner")


def between_lips(
    side: int, upper: np.ndarray, lower: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Share [side, side] of each pixel that lies between lips with these marks [2].

    What is between them tilts and bends with the corners, as an aperture does
    (:func:`flashtalk.models.tiny.opening.edge_distances`).
    """
    middle = (np.arange(side, dtype=np.float32) + 0.5) * 2 / side - 1
    x, y = (upper + lower) / 2
    width = np.linalg.norm(left - right)
    aside = middle - x
    across = aside / (0.47 * width)  # a little inside of the corners
    half = (lower - upper)[1] / 2 * np.sqrt(np.clip(1.0 - across**2, 0.0, None))
    along = right - left
    bend = (left + right)[1] / 2 - y
    line = y + along[1] / along[0] * aside + bend * (aside / (0.5 * width)) ** 2
    inside = half[None] - np.abs(middle[:, None] - line[None])
    return np.clip(0.5 + inside * side / 2, 0.0, 1.0) * (half > 0)[None]


@cache
def painted(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Codes of a clip's frames and portrait, painted once."""
    return clip_codes(clip)


def any_place(clip: Clip, rng: np.random.Generator) -> int:
    """Where a random group begins."""
    return int(_places(clip, rng, 1)[0])


def telling_place(clip: Clip, rng: np.random.Generator) -> int:
    """The same, mostly where a mouth opens wide or the eyes shut.

    Of three places the one with the widest mouth, or of ten (blinks are short) the one with the
    narrowest eyes.
    """
    places = _places(clip, rng, 10)
    choice = rng.random()
    if choice < 0.3:
        return int(places[0])
    if choice < 0.7:
        return open_place(clip, rng)
    return _narrowest(clip, places)


def open_place(clip: Clip, rng: np.random.Generator) -> int:
    """The same, of three places the one with the widest mouth."""
    gap = clip.curve("lip_gap")
    return int(max(_places(clip, rng, 3), key=lambda place: gap[place]))


def blink_place(clip: Clip, rng: np.random.Generator) -> int:
    """The same, where lids shut as far as halfway, if they do so anywhere in the clip."""
    groups = np.lib.stride_tricks.sliding_window_view(lids_shut(clip), GROUP_FRAMES)
    blinks = np.flatnonzero(groups.any(axis=1))
    return int(rng.choice(blinks)) if len(blinks) else _narrowest(clip, _places(clip, rng, 10))


def lids_shut(clip: Clip) -> np.ndarray:
    """In which frames lids are nearer to each other than they usually are, [F] bool."""
    lids = clip.curve("left_eye_opening")
    return lids < BLINK * np.median(lids)


def _narrowest(clip: Clip, places: np.ndarray) -> int:
    """Where in these ``places`` lids come closest to each other."""
    lids = clip.curve("left_eye_opening")
    return int(min(places, key=lambda place: lids[place : place + GROUP_FRAMES].min()))


def shut_place(clip: Clip, rng: np.random.Generator) -> int:
    """The same, of two places the one with the narrower mouth."""
    gap = clip.curve("lip_gap")
    return int(min(_places(clip, rng, 2), key=lambda place: gap[place]))


def _places(clip: Clip, rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(0, len(clip.frames) - GROUP_FRAMES + 1, size=count)


def collate(samples: list[dict[str, np.ndarray]]) -> Batch:
    """Stack samples into tensors."""

    def stack(key: str) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.stack([s[key] for s in samples])))

    pictures = stack("pictures").permute(0, 1, 4, 2, 3)
    flow = stack("flow").flatten(0, 1)  # [N*4, 64, 64, 2]
    known = stack("known").float().flatten(0, 1).unsqueeze(1)
    weight = stack("weight").flatten(0, 1).unsqueeze(1)
    target = flow.permute(0, 3, 1, 2)
    return Batch(
        frames=pictures[:, :GROUP_FRAMES],
        portraits=as_float(pictures[:, GROUP_FRAMES]),
        offset=target - identity_grid(target).permute(0, 3, 1, 2),
        known=known,
        weight=weight,
        inner=stack("inner").flatten(0, 1).unsqueeze(1),
        portrait_inner=stack("portrait_inner").unsqueeze(1),
        codes=stack("codes"),
        portrait_codes=stack("portrait_code"),
        points=stack("points"),
        numbers=stack("number"),
    )


def as_float(pictures: Tensor) -> Tensor:
    """uint8 0..255 -> float32 in [-1, 1]."""
    return pictures.float().mul_(1.0 / 127.5).sub_(1.0)


def joined(first: Batch, second: Batch) -> Batch:
    """Both as one batch."""
    names = [field.name for field in fields(Batch)]
    return Batch(**{n: torch.cat((getattr(first, n), getattr(second, n))) for n in names})


def batches(
    clips: ClipSet,
    size: int,
    rng: np.random.Generator,
    place: Place = telling_place,
    pictures: Pictures | None = None,
    workers: int = 1,
) -> Iterator[Batch]:
    """Endless augmented batches, made by so many ``workers``; ``place`` chooses the groups.

    With ``pictures`` some of them show one of these, moved as the clip moves.
    """
    return prefetched(lambda: draw_batch(clips, size, rng, True, place, pictures), workers)


def draw_batch(
    clips: ClipSet,
    size: int,
    rng: np.random.Generator,
    augmented: bool,
    place: Place = telling_place,
    pictures: Pictures | None = None,
) -> Batch:
    """``size`` random groups."""
    drawn = [sample(clips.draw(rng), rng, augmented, place) for _ in range(size)]
    if pictures:
        drawn = [
            pictures.moved(each, rng) if rng.random() < PICTURES_SHARE else each for each in drawn
        ]
    return collate(drawn)
