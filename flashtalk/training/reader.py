"""Training of the face reader: landmarks and gaze of rendered faces, which the renderer knows.

    python -m flashtalk.training.reader --data runs/clips --out runs/reader

Every frame of every clip is a picture with known points. Turning, scaling and moving it makes any
number of others, so places are learned well from few people; colors, blur, noise and compression
are varied widely, because at the other end there are photographs.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from flashtalk.config import TINY
from flashtalk.errors import command
from flashtalk.models.face_code import LANDMARKS
from flashtalk.models.face_reader import SIDE, FaceReader
from flashtalk.training.clips import Clip, ClipSet
from flashtalk.training.codes import mirror_points
from flashtalk.training.command import begin, training_parser
from flashtalk.training.groups import as_float, change_colors
from flashtalk.training.loop import LoopConfig, load_average, prefetched, train

log = logging.getLogger(__name__)

GAZE_WEIGHT = 0.1
SPREAD_WEIGHT = 0.02  # keeps heat maps compact; the center alone does not (DSNT, arXiv 1801.07372)


def picture_of(clip: Clip, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random picture of ``clip`` [H, W, 3], its points [L, 2] and gaze [2]."""
    chosen = [clip.landmark_names.index(name) for name in LANDMARKS]
    looks = [clip.curve_names.index(name) for name in ("gaze_x", "gaze_y")]
    if rng.random() < 0.2:
        return clip.portrait, clip.portrait_landmarks[chosen], clip.portrait_curves[looks]
    frame = int(rng.integers(len(clip.frames)))
    return clip.frames[frame], clip.landmarks[frame, chosen], clip.curves[frame, looks]


def vary(
    picture: np.ndarray, points: np.ndarray, gaze: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Another view of the same picture: [SIDE, SIDE, 3] with its points and gaze."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        small, points = small[:, ::-1], mirror_points(points)
        gaze = gaze * np.array([-1.0, 1.0])
    turn, scale = np.radians(rng.normal(0.0, 7.0)), np.exp(rng.normal(0.0, 0.12))
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift = rng.normal(0.0, 0.08, size=2)
    half = SIDE / 2
    # in pixels whose first center is 0
    offset = half * (matrix @ np.full(2, (0.5 - half) / half) + shift + 1) - 0.5
    small = cv2.warpAffine(
        np.ascontiguousarray(small),
        np.column_stack((matrix, offset)),
        (SIDE, SIDE),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101 if rng.random() < 0.5 else cv2.BORDER_REPLICATE,
    )
    points = points @ matrix.T + shift
    small = change_colors(small[None], rng)[0]
    if rng.random() < 0.4:
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.3, 1.5))
    if rng.random() < 0.4:
        noise = rng.normal(0.0, rng.uniform(2, 12), small.shape)
        small = np.clip(small + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(25, 90))])
        small = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return small, points, gaze


def draw(
    clips: ClipSet, size: int, rng: np.random.Generator, varied: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures [N, 3, SIDE, SIDE] in [-1, 1], points [N, L, 2], gaze [N, 2]."""
    pictures, points, gazes = [], [], []
    for _ in range(size):
        picture, places, gaze = picture_of(clips.draw(rng), rng)
        if varied:
            picture, places, gaze = vary(picture, places, gaze, rng)
        else:
            picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
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
    pictures, points, gaze = draw(clips, size, np.random.default_rng(0), varied=False)
    found = reader(pictures)
    away = (found.points - points).norm(dim=-1) * 128
    mouth = [index for index, name in enumerate(LANDMARKS) if "lip" in name or "mouth" in name]
    return {
        "all_px": away.mean().item(),
        "mouth_px": away[:, mouth].mean().item(),
        "worst_tenth_px": away.flatten().quantile(0.9).item(),
        "gaze_rad": (found.gaze - gaze).abs().mean().item(),
    }


@command
def main() -> None:
    """Entry point."""
    parser = training_parser(__doc__.splitlines()[0], steps=3000, batch=24, rate=2e-3)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="run to start from")
    arguments = begin(parser)
    cv2.setNumThreads(1)

    clips = ClipSet(arguments.data)
    held_out = ClipSet(arguments.data, held_out=True)
    reader = FaceReader(TINY.autoencoder.width).to(memory_format=torch.channels_last)
    if arguments.init:
        load_average(arguments.init, reader).requires_grad_(True)
    rng = np.random.default_rng()
    coming = prefetched(lambda: draw(clips, arguments.batch, rng, varied=True))

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        if index % 200 == 199:
            log.info("held out, current weights: %s", evaluate(reader, held_out))
        reader.train()
        pictures, points, gaze = next(coming)
        found = reader(pictures)
        away = (found.points - points).abs().mean()
        looks = (found.gaze - gaze).abs().mean()
        spread = found.spread.mean()
        loss = away + GAZE_WEIGHT * looks + SPREAD_WEIGHT * spread
        return loss, {"px": 128 * away.item(), "gaze": looks.item(), "spread": spread.item()}

    config = LoopConfig(
        out=arguments.out, steps=arguments.steps, learning_rate=arguments.rate, warmup_steps=50
    )
    train(reader, step, config)
    load_average(arguments.out, reader)
    log.info("held out, averaged weights: %s", evaluate(reader, held_out))


if __name__ == "__main__":
    sys.exit(main())
