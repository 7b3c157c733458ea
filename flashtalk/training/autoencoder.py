"""Training of the embedded autoencoder, supervised by what the renderer knows.

    python -m flashtalk.training.autoencoder --data runs/clips --out runs/autoencoder

Reconstruction alone settles in copying the portrait, so the warp learns from the renderer's exact
flow, a small head must read the mouth and head curves from the latents, and mouth and eyes weigh
more than the rest. Only a window of each picture is rendered (mostly the mouth's), which is what
makes a step cheap enough for two cores.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import TINY
from flashtalk.models.autoencoder import (
    GROUP_FRAMES,
    PortraitAutoencoder,
    cut,
    identity_grid,
)
from flashtalk.training.clips import Clip, ClipSet
from flashtalk.training.loop import LoopConfig, load_average, train
from flashtalk.training.losses import flow_l1, gradient_l1, weighted_l1

log = logging.getLogger(__name__)

CELLS = 32  # cells of 8 pixels along a side of 256
WINDOW_CELLS = 14  # 112 pixels: mouth and what moves with it
LATENT_NOISE = 0.1  # the decoder must tolerate what the diffusion leaves over


@dataclass(frozen=True)
class Batch:
    """N groups of four frames with their portraits."""

    frames: Tensor
    """[N, 4, 3, H, W] in [-1, 1]."""
    portraits: Tensor
    """[N, 3, H, W]."""
    offset: Tensor
    """[N*4, 2, 64, 64] true flow offsets to the portrait."""
    known: Tensor
    """[N*4, 1, 64, 64] weight of the flow's supervision."""
    weight: Tensor
    """[N*4, 1, H, W] weight of the reconstruction."""
    windows: Tensor
    """[N*4, 4] in cells of 8 pixels."""
    curves: Tensor
    """[N, 4, K]."""


class CurveReader(nn.Module):
    """Latents [N, C, h, w] -> curves [N, 4, K]: what forces motion into the latents.

    Reads and is trained on standardized curves; their ``mean`` and ``scale`` [K] belong to it.
    """

    def __init__(self, channels: int, curves: int, cells: int = 64) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(curves))
        self.register_buffer("scale", torch.ones(curves))
        self.net = nn.Sequential(
            nn.Linear(channels * cells, 256), nn.ReLU(), nn.Linear(256, GROUP_FRAMES * curves)
        )

    def forward(self, latents: Tensor) -> Tensor:
        return self.net(latents.flatten(1)).unflatten(1, (GROUP_FRAMES, -1))


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


def sample(clip: Clip, rng: np.random.Generator, augmented: bool) -> dict[str, np.ndarray]:
    """One group of a clip with its portrait and supervision, randomly colored and mirrored."""
    count = len(clip.frames)
    start = int(rng.integers(0, count - GROUP_FRAMES + 1))
    index = np.arange(start, start + GROUP_FRAMES)
    if rng.random() < 0.15:
        index[:] = start  # the first latent of a chunk: one frame, repeated
    own = rng.random() < 0.25  # another frame as portrait: open mouths, no known flow
    portrait = clip.frames[rng.integers(count)] if own else clip.portrait
    pictures = np.concatenate((clip.frames[index], portrait[None]))
    if augmented and rng.random() < 0.8:
        pictures = change_colors(pictures, rng)
    parts = clip.parts[index]
    flow = clip.flow[index].astype(np.float32)
    known = clip.visible[index].astype(np.float32) * (not own)
    known *= np.where(parts == 0, 0.1, 1.0)
    curves = clip.curves[index]

    weight = np.where(parts == 0, 0.4, 1.0).astype(np.float32)
    weight[parts == 3] = 4.0
    middle = np.linspace(-1 + 1 / 64, 1 - 1 / 64, 64)
    for row, frame in zip(weight, index, strict=True):
        x, y, half_width, half_height = clip.mouth_box(frame)
        inside_x = np.abs(middle - x) < half_width
        inside_y = np.abs(middle - y) < half_height
        row[np.ix_(inside_y, inside_x)] = 5.0

    choice = rng.random()
    spot = "mouth_corner" if choice < 0.65 else "eye_outer"
    marks = clip.mark(f"left_{spot}")[index] + clip.mark(f"right_{spot}")[index]
    center = marks.mean(axis=0) / 2
    if choice > 0.85:
        center = rng.uniform(-1, 1, size=2)
    if augmented and rng.random() < 0.5:
        pictures, weight = pictures[:, :, ::-1], weight[:, :, ::-1]
        flow, known = flow[:, :, ::-1] * np.array([-1, 1], np.float32), known[:, :, ::-1]
        center = center * np.array([-1, 1])
        curves = mirror_curves(curves, clip.curve_names)
    cell = (center + 1) / 2 * CELLS - WINDOW_CELLS / 2 + rng.uniform(-2, 2, size=2)
    left, top = np.clip(np.round(cell), 0, CELLS - WINDOW_CELLS).astype(int)
    window = np.tile([top, left, WINDOW_CELLS, WINDOW_CELLS], (GROUP_FRAMES, 1))
    return {
        "pictures": pictures,
        "flow": flow,
        "known": known,
        "weight": weight,
        "window": window,
        "curves": curves,
    }


def mirror_curves(curves: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Curves [F, K] of the mirrored picture: left and right swap, sideways turns change sign."""
    other = {"left": "right", "right": "left"}

    def partner(name: str) -> str:
        side, _, rest = name.partition("_")
        return f"{other[side]}_{rest}" if side in other else name

    mirrored = curves[:, [names.index(partner(name)) for name in names]]
    sideways = [name in ("yaw", "roll", "shift_x", "gaze_x") for name in names]
    return np.where(sideways, -mirrored, mirrored)


def collate(samples: list[dict[str, np.ndarray]]) -> Batch:
    """Stack samples into tensors."""

    def stack(key: str) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.stack([s[key] for s in samples])))

    pictures = stack("pictures").permute(0, 1, 4, 2, 3).float().div_(127.5).sub_(1.0)
    flow = stack("flow").flatten(0, 1)  # [N*4, 64, 64, 2]
    known = stack("known").float().flatten(0, 1).unsqueeze(1)
    weight = stack("weight").flatten(0, 1).unsqueeze(1)
    target = flow.permute(0, 3, 1, 2)
    return Batch(
        frames=pictures[:, :GROUP_FRAMES].contiguous(),
        portraits=pictures[:, GROUP_FRAMES].contiguous(memory_format=torch.channels_last),
        offset=target - identity_grid(target).permute(0, 3, 1, 2),
        known=known,
        weight=F.interpolate(weight, scale_factor=pictures.shape[-1] / 64, mode="nearest"),
        windows=stack("window").flatten(0, 1),
        curves=stack("curves").float(),
    )


def batches(clips: ClipSet, size: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Endless augmented batches, each made in a thread while the one before is trained on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(draw_batch, clips, size, rng, True)
        while True:
            batch = coming.result()
            coming = pool.submit(draw_batch, clips, size, rng, True)
            yield batch


def draw_batch(clips: ClipSet, size: int, rng: np.random.Generator, augmented: bool) -> Batch:
    """``size`` random groups."""
    return collate([sample(clips.draw(rng), rng, augmented) for _ in range(size)])


def losses(
    model: PortraitAutoencoder, reader: CurveReader, batch: Batch, with_pictures: bool = True
) -> dict[str, Tensor]:
    """All terms for one batch, unweighted; without pictures only what motion must learn."""
    guidance = model.prepare(batch.portraits)
    latents = model.encode_groups(batch.frames, guidance)
    curves = reader(latents)
    noisy = latents + LATENT_NOISE * torch.randn_like(latents)
    features, offset = model.decoder.motion(noisy, guidance, GROUP_FRAMES)
    predicted = F.interpolate(offset, scale_factor=2.0, mode="bilinear", align_corners=False)
    terms = {
        "flow": flow_l1(predicted, batch.offset, batch.known),
        "curves": F.mse_loss(curves, (batch.curves - reader.mean) / reader.scale),
    }
    if with_pictures:
        pictures = model.decoder.render(features, offset, guidance, batch.windows)
        target = cut(batch.frames.flatten(0, 1), batch.windows * 8)
        weight = cut(batch.weight, batch.windows * 8)
        terms["l1"] = weighted_l1(pictures, target, weight)
        terms["gradient"] = gradient_l1(pictures, target, weight)
    return terms


WEIGHTS = {"l1": 4.0, "gradient": 2.0, "flow": 30.0, "curves": 1.0}


@torch.no_grad()
def evaluate(model: PortraitAutoencoder, clips: ClipSet, groups: int = 60) -> dict[str, float]:
    """PSNR of held-out groups against their portrait's copy: whole frame and mouth box."""
    model.eval()
    rng = np.random.default_rng(1)
    errors: dict[str, list[float]] = {"whole": [], "whole_copy": [], "mouth": [], "mouth_copy": []}
    for index in range(groups):
        clip = clips.clips[index % len(clips.clips)]
        start = int(rng.integers(0, len(clip.frames) - GROUP_FRAMES + 1))
        frames = clip.frames[start : start + GROUP_FRAMES].astype(np.float32) / 127.5 - 1
        video = torch.from_numpy(frames).permute(0, 3, 1, 2)[None]
        portrait = torch.from_numpy(clip.portrait.astype(np.float32) / 127.5 - 1)
        portrait = portrait.permute(2, 0, 1)[None]
        guidance = model.prepare(portrait)
        latents = model.encode_groups(video, guidance)
        decoded = model.decoder(latents, guidance).clamp(-1, 1)
        size = frames.shape[1]
        x, y, w, h = clip.mouth_box(start + 1)
        box = np.clip(np.array([y - h, y + h, x - w, x + w]) + 1, 0, 2) / 2 * size
        top, bottom, left, right = box.astype(int)
        for name, picture in (("", decoded), ("_copy", portrait[:, None])):
            error = ((picture - video) / 2).square()
            errors["whole" + name].append(error.mean().item())
            errors["mouth" + name].append(error[..., top:bottom, left:right].mean().item())
    return {name: float(np.mean(-10 * np.log10(np.array(e) + 1e-9))) for name, e in errors.items()}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=8, help="groups of four frames")
    parser.add_argument(
        "--motion-steps", type=int, default=800, help="first learn flow and curves alone, cheaply"
    )
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    clips = ClipSet(arguments.data)
    held_out = ClipSet(arguments.data, held_out=True)
    rng = np.random.default_rng()
    model = PortraitAutoencoder(TINY.autoencoder).to(memory_format=torch.channels_last)
    every_curve = np.concatenate([clip.curves for clip in clips.clips])
    reader = CurveReader(TINY.autoencoder.latent_channels, every_curve.shape[1])
    reader.mean.copy_(torch.from_numpy(every_curve.mean(axis=0)))
    reader.scale.copy_(torch.from_numpy(every_curve.std(axis=0) + 1e-3))
    both = nn.ModuleDict({"autoencoder": model, "reader": reader})
    coming = batches(clips, arguments.batch, rng)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        both.train()
        if index % 300 == 299:
            clips.refresh()
            log.info("held out, current weights: %s", evaluate(model, held_out, 30))
            both.train()
        terms = losses(model, reader, next(coming), index >= arguments.motion_steps)
        total = sum(WEIGHTS[name] * term for name, term in terms.items())
        return total, {name: term.item() for name, term in terms.items()}

    config = LoopConfig(
        out=arguments.out, steps=arguments.steps, learning_rate=arguments.rate, warmup_steps=50
    )
    train(both, step, config)
    load_average(arguments.out, both)
    log.info("held out, averaged weights: %s", evaluate(model, held_out))


if __name__ == "__main__":
    main()
