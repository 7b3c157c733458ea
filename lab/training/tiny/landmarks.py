"""Training of the face reader: landmarks and gaze of rendered faces, which the renderer knows.

    python -m lab.training.tiny.landmarks --data runs/clips --out runs/reader

Every frame of every clip is a picture with known points. Turning, scaling and moving it makes any
number of others, so places are learned well from few people. Colors, blur, noise and compression
are varied widely, because photographs are at the other end. Rendered mouths are dark below a row of
teeth; the smile for a photographer is not. So what is between lips is often replaced, for lips to
be found by their own edges. The second look is taken at places that are off by more than the first
look is.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from flashtalk.errors import command
from flashtalk.models.tiny.face_code import LANDMARKS
from flashtalk.models.tiny.landmark_refiner import MOUTH_CROP, REFINED
from flashtalk.models.tiny.landmarks import SIDE_PX as FIRST_SIDE
from flashtalk.models.tiny.landmarks import FaceReader
from lab.options import read_options
from lab.training.data.clips import Clip, ClipSet
from lab.training.data.codec_dataset import INNER_MARKS, as_float, between_lips, change_colors
from lab.training.data.codes import mirror_points
from lab.training.loop import device_of, load_average, prefetched, train
from lab.training.options import ClipTraining, begin
from lab.training.tiny.networks import channels_last, new_reader

log = logging.getLogger(__name__)

EVALUATE_EVERY = 200  # steps
GAZE_WEIGHT = 0.1
SPREAD_WEIGHT = 0.02  # keeps heat maps compact; the center alone does not (DSNT, arXiv 1801.07372)
PLAIN_SHARE = 0.4  # of the pictures that stay as they were rendered, but for their place and size
OTHER_MOUTHS = 0.4  # share of the others that show something else between the lips
LIPS_OVER = 0.05  # of the gap, each: rendered lips cover as much of it
UNEVEN_LIGHT = 0.3  # share of the others that get darker towards one side
FAR_SHARE, FARTHEST = 0.15, 0.45  # of the pictures; scale of faces that nobody framed
LEAST_SIDE_PX = 112  # a face is seen at full size half of the time, or from there on
LOOK_AWAY, LOOK_NEARER, LOOK_TURNED = 0.03, 0.08, 0.06  # deviations: picture units, share, radians


def picture_of(clip: Clip, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random picture of ``clip`` [H, W, 3], its points [L, 2] and gaze [2]."""
    chosen = [clip.landmark_names.index(name) for name in LANDMARKS]
    looks = [clip.curve_names.index(name) for name in ("gaze_x", "gaze_y")]
    if rng.random() < 0.2:
        return clip.portrait, clip.portrait_landmarks[chosen], clip.portrait_curves[looks]
    frame = int(rng.integers(len(clip.frames)))
    return clip.frames[frame], clip.landmarks[frame, chosen], clip.curves[frame, looks]


def other_mouth(picture: np.ndarray, between: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``picture`` [H, W, 3] with something else where ``between`` [H, W], 0..1, lies between lips.

    Teeth down to some depth or all the way, and below them dark. A tongue as bright as lips is left
    out: it hides where they end, and gaps are read too small.
    """
    depth = np.cumsum(between, axis=0) / np.maximum(between.sum(axis=0), 1e-6)
    wide = between.any(axis=0).sum()
    white = np.array([235.0, 222.0, 200.0]) * rng.uniform(0.55, 1.05) + rng.normal(0.0, 12.0, 3)
    teeth = np.arange(picture.shape[1]) * (rng.uniform(6.0, 11.0) / max(wide, 1)) + rng.random()
    gaps = 1.0 - rng.uniform(0.0, 0.4) * np.abs(np.cos(np.pi * teeth)) ** rng.uniform(4.0, 20.0)
    shade = 1.0 - rng.uniform(0.0, 0.5) * np.abs(np.linspace(-1.0, 1.0, picture.shape[1]))
    drawn = white * (gaps * shade)[None, :, None]
    dark = np.array([120.0, 55.0, 55.0]) * rng.uniform(0.1, 0.8)
    ends = rng.uniform(0.0, 1.6)  # from 1 on teeth reach the lower lip
    shown = np.where(depth[..., None] < ends, drawn, dark)
    share = (between * rng.uniform(0.6, 1.0))[..., None]
    return np.clip(picture + share * (shown - picture), 0, 255).astype(np.uint8)


def uneven(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``picture`` [H, W, 3] lit from one side."""
    angle, strength = rng.uniform(0.0, 2 * np.pi), rng.uniform(0.1, 0.6)
    along = np.linspace(-strength, strength, len(picture))
    light = np.exp(np.sin(angle) * along[:, None] + np.cos(angle) * along[None])
    return np.clip(picture * light[..., None], 0, 255).astype(np.uint8)


def degraded(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``picture`` [H, W, 3] in other colors and light, softer, noisier, compressed."""
    picture = change_colors(picture[None], rng)[0]
    if rng.random() < UNEVEN_LIGHT:
        picture = uneven(picture, rng)
    if rng.random() < 0.3:
        picture = cv2.GaussianBlur(
            picture, (0, 0), rng.uniform(0.3, 1.0) * len(picture) / FIRST_SIDE
        )
    if rng.random() < 0.4:
        noise = rng.normal(0.0, rng.uniform(2, 12), picture.shape)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, data = cv2.imencode(
            ".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(25, 90))]
        )
        read = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert read is not None
        picture = read
    return picture


def vary(
    picture: np.ndarray, points: np.ndarray, gaze: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Another view of the same picture: [H, W, 3] of the same size, with its points and gaze."""
    whole = picture.shape[0]
    plain = rng.random() < PLAIN_SHARE
    if not plain and rng.random() < OTHER_MOUTHS:
        upper, lower, *corners = (points[LANDMARKS.index(name)] for name in INNER_MARKS)
        hidden = LIPS_OVER * (lower - upper)
        between = between_lips(whole, upper + hidden, lower - hidden, *corners)
        picture = other_mouth(picture, between, rng)
    side = whole if rng.random() < 0.5 else int(rng.integers(LEAST_SIDE_PX, whole + 1))
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        small, points = small[:, ::-1], mirror_points(points)
        gaze = gaze * np.array([-1.0, 1.0])
    turn, scale = np.radians(rng.normal(0.0, 7.0)), np.exp(rng.normal(0.0, 0.12))
    far = rng.random() < FAR_SHARE
    if far:
        scale *= rng.uniform(FARTHEST, 1.0)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    taller = rng.normal(0.0, 0.06)  # other faces, too
    matrix = matrix @ np.array([[np.exp(taller), rng.normal(0.0, 0.05)], [0.0, np.exp(-taller)]])
    shift = rng.normal(0.0, 0.08, size=2)
    half = side / 2
    # in pixels whose first center is 0
    offset = half * (matrix @ np.full(2, (0.5 - half) / half) + shift + 1) - 0.5
    small = cv2.warpAffine(
        np.ascontiguousarray(small),
        np.column_stack((matrix, offset)),
        (side, side),
        flags=cv2.INTER_LINEAR,
        # a mirror image of all of the picture would show the face twice
        borderMode=cv2.BORDER_REPLICATE if far or rng.random() < 0.5 else cv2.BORDER_REFLECT_101,
    )
    points = points @ matrix.T + shift
    if not plain:
        small = degraded(small, rng)
    return cv2.resize(small, (whole, whole), interpolation=cv2.INTER_LINEAR), points, gaze


def misplaced(points: Tensor) -> Tensor:
    """``points`` [N, L, 2] of faces that were found in slightly other places, sizes and turns."""
    count = len(points)

    def noise(*size: int) -> Tensor:
        return torch.randn(size, device=points.device)

    turn = LOOK_TURNED * noise(count)
    scale = torch.exp(LOOK_NEARER * noise(count))
    turned = torch.stack((turn.cos(), -turn.sin(), turn.sin(), turn.cos()), dim=1)
    matrix = (scale[:, None] * turned).view(count, 2, 2)
    middle = points.mean(dim=1, keepdim=True)
    away = LOOK_AWAY * noise(count, 1, 2)
    return (points - middle) @ matrix.mT + middle + away


def draw(
    clips: ClipSet, size: int, rng: np.random.Generator, varied: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures [N, 3, H, W] in [-1, 1], points [N, L, 2], gaze [N, 2]."""
    pictures, points, gazes = [], [], []
    for _ in range(size):
        picture, places, gaze = picture_of(clips.draw(rng), rng)
        if varied:
            picture, places, gaze = vary(picture, places, gaze, rng)
        pictures.append(picture)
        points.append(places)
        gazes.append(gaze)
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return (
        as_float(stacked),
        torch.from_numpy(np.stack(points).astype(np.float32)),
        torch.from_numpy(np.stack(gazes).astype(np.float32)),
    )


@torch.no_grad()
def evaluate(reader: FaceReader, clips: ClipSet, size: int = 128) -> dict[str, float]:
    """Mean distance of points in pixels of 256, for pictures of people never trained on."""
    reader.eval()
    drawn = draw(clips, size, np.random.default_rng(0), varied=False)
    pictures, points, gaze = (each.to(device_of(reader)) for each in drawn)
    found = reader(pictures)
    away = (found.points - points).norm(dim=-1) * 128
    mouth = [LANDMARKS.index(name) for name in MOUTH_CROP.names]
    lips = [LANDMARKS.index(f"inner_{side}_lip") for side in ("upper", "lower")]
    gaps = [(each[:, lips[0]] - each[:, lips[1]]).norm(dim=-1) for each in (found.points, points)]
    return {
        "all_px": away.mean().item(),
        "mouth_px": away[:, mouth].mean().item(),
        "gap_px": 128 * (gaps[0] - gaps[1]).abs().mean().item(),
        "worst_tenth_px": away.flatten().quantile(0.9).item(),
        "gaze_rad": (found.gaze - gaze).abs().mean().item(),
    }


@dataclass(frozen=True, kw_only=True)
class LandmarkTraining(ClipTraining):
    """Train the face reader: landmarks and gaze."""

    init: Path | None = None
    """Run to start from."""
    steps: int = 3000
    rate: float = 2e-3
    warmup_steps: int = 50
    batch: int = 24
    """Pictures."""


def train_landmarks(config: LandmarkTraining) -> None:
    """Train the reader and log how far off it is in people whom it never saw."""
    device = begin(config)
    cv2.setNumThreads(1)
    clips = ClipSet(config.data)
    held_out = ClipSet(config.data, held_out=True)
    reader = channels_last(new_reader())
    if config.init:
        load_average(config.init, reader).requires_grad_(True)
    reader.to(device)
    rng = np.random.default_rng()
    coming = prefetched(lambda: draw(clips, config.batch, rng, varied=True), config.workers)
    read_again = [LANDMARKS.index(name) for name in REFINED]

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        if index % EVALUATE_EVERY == EVALUATE_EVERY - 1:
            log.info("held out, current weights: %s", evaluate(reader, held_out))
        reader.train()
        pictures, points, gaze = (each.to(device) for each in next(coming))
        far, looked, variance = reader.read_coarsely(pictures)
        near, near_variance = reader.refiner(pictures, misplaced(far.detach()))
        away = (far - points).abs().mean()
        near_away = (near - points)[:, read_again].abs().mean()
        looks = (looked - gaze).abs().mean()
        spread = variance.mean() + near_variance.mean()
        loss = away + near_away + GAZE_WEIGHT * looks + SPREAD_WEIGHT * spread
        return loss, {"px": 128 * away.item(), "near_px": 128 * near_away.item()}

    train(reader, step, config)
    load_average(config.out, reader)
    log.info("held out, averaged weights: %s", evaluate(reader, held_out))


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    train_landmarks(read_options(LandmarkTraining, arguments))


if __name__ == "__main__":
    sys.exit(main())
