"""Training of the embedded autoencoder, supervised by what the renderer knows.

    python -m flashtalk.training.autoencoder --data runs/clips --out runs/autoencoder

Latents have a meaning (:mod:`flashtalk.models.face_code`), so the parts learn apart: ``decoder`` to
render pictures from true codes with a little noise, ``mouth`` to paint mouths on what the decoder
makes, ``flow`` to guess the flow between a picture and the portrait; the face reader has its own
training. Reconstruction alone settles in copying the portrait; the warp learns from the exact flow,
and mouth and eyes weigh more than the rest. Only a window of each picture is rendered (mostly the
mouth's), which makes a step cheap enough for two cores.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from flashtalk.config import TINY
from flashtalk.models.autoencoder import PortraitAutoencoder
from flashtalk.models.face_code import FEATURES, FLOW_UNIT, GROUP_FRAMES, flow_of
from flashtalk.models.guidance import Guidance
from flashtalk.models.maps import cut
from flashtalk.models.matching import matching_features
from flashtalk.models.mouth import soft_edges
from flashtalk.training.clips import ClipSet
from flashtalk.training.groups import Batch, as_float, batches, painted
from flashtalk.training.latents import pack
from flashtalk.training.loop import LoopConfig, load_average, train
from flashtalk.training.losses import flow_l1, gradient_l1, opening_error, weighted_l1

log = logging.getLogger(__name__)

CODE_NOISE = 0.1  # the decoder must tolerate what the diffusion leaves over
OWN_PICTURES = 0.5
REFERENCE_NOISE = 0.15  # and that the portrait is read only roughly
MOUTH_NOISE = 0.05  # places and numbers are averages over many cells
MOUTH_FRAMES = 2  # of each group of four


def flow_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How well the flow between frames and portraits is guessed; touches no decoder weight.

    Half of the groups are the decoder's own pictures of their codes, which is all that a session
    ever shows to it.
    """
    with torch.no_grad():
        guidance = Guidance(reference=batch.references, **model.pyramid(batch.portraits))
        own = model.decoder(batch.codes, guidance).clamp(-1.0, 1.0)
    chosen = torch.rand(len(own), 1, 1, 1, 1) < OWN_PICTURES
    frames = torch.where(chosen, own, as_float(batch.frames))
    bias = model.pyramid.encoder(F.pixel_unshuffle(batch.portraits, 8))
    guessed = model.flow_guesser(frames, bias, matching_features(batch.portraits))
    return {"guess": (guessed - flow_of(batch.codes)).div(FLOW_UNIT).square().mean()}


def decoder_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How well true codes, slightly noisy, are rendered; touches no encoder weight."""
    reference = batch.references + REFERENCE_NOISE * torch.randn_like(batch.references)
    guidance = Guidance(reference=reference, **model.pyramid(batch.portraits))
    noisy = batch.codes + CODE_NOISE * torch.randn_like(batch.codes)
    features, offset = model.decoder.motion(noisy, guidance, GROUP_FRAMES)
    predicted = F.interpolate(offset, scale_factor=2.0, mode="bilinear", align_corners=False)
    pictures = model.decoder.render(features, offset, guidance, batch.windows)
    target = as_float(cut(batch.frames.flatten(0, 1), batch.windows * 8))
    weight = F.interpolate(cut(batch.weight, batch.windows * 2), scale_factor=4.0, mode="nearest")
    return {
        "flow": flow_l1(predicted, batch.offset, batch.known),
        "l1": weighted_l1(pictures, target, weight),
        "gradient": gradient_l1(pictures, target, weight),
    }


def mouth_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How well mouths are painted on what the rest of the decoder makes of slightly noisy codes.

    Half of the frames of each group: they resemble each other, other people teach more.
    """
    groups = len(batch.codes)
    with torch.no_grad():
        reference = batch.references + MOUTH_NOISE * torch.randn_like(batch.references)
        guidance = Guidance(reference=reference, **model.pyramid(batch.portraits))
        noisy = batch.codes + MOUTH_NOISE * torch.randn_like(batch.codes)
        _, offset = model.decoder.motion(noisy, guidance, GROUP_FRAMES)
        code = noisy.unflatten(1, (GROUP_FRAMES, len(FEATURES))).flatten(0, 1)
    chosen = torch.rand(groups, GROUP_FRAMES).argsort(dim=1)[:, :MOUTH_FRAMES]
    chosen = (chosen + GROUP_FRAMES * torch.arange(groups)[:, None]).flatten()
    painted, corners = model.decoder.paint_mouths(code[chosen], offset[chosen], guidance)
    size = painted.picture.shape[-2:]
    windows = torch.cat((corners, torch.tensor(size).expand(len(corners), 2)), dim=1)
    frames = [batch.frames[i // GROUP_FRAMES, i % GROUP_FRAMES] for i in chosen.tolist()]
    target = as_float(cut(frames, windows))
    fine = F.interpolate(batch.weight[chosen], scale_factor=4.0, mode="nearest")
    weight = cut(fine, windows) * soft_edges(*size, painted.picture)
    inner = F.interpolate(batch.inner[chosen], scale_factor=4.0, mode="bilinear")
    inner = cut(inner, windows)
    return {
        "mouth": weighted_l1(painted.picture, target, weight),
        "mouth_gradient": gradient_l1(painted.picture, target, weight),
        "opening": opening_error(painted.veil, inner),
        "inside": weighted_l1(painted.color, target, inner),
    }


PARTS = {"flow": flow_losses, "decoder": decoder_losses, "mouth": mouth_losses}
WEIGHTS = {
    "guess": 2.0,
    "flow": 20.0,
    "l1": 4.0,
    "gradient": 2.0,
    "mouth": 4.0,
    "mouth_gradient": 2.0,
    "opening": 2.0,
    "inside": 100.0,
}
TRAINED = {
    "flow": ("flow_guesser.", "pyramid.encoder."),
    "decoder": ("decoder.", "pyramid."),
    "mouth": ("decoder.mouth.",),
}
"""Beginnings of the names of the weights that a part trains."""


@torch.no_grad()
def evaluate(model: PortraitAutoencoder, clips: ClipSet, groups: int = 60) -> dict[str, float]:
    """PSNR of held-out groups drawn from their true codes, and of a copy of the portrait.

    For the whole frame and for the mouth's box.
    """
    model.eval()
    rng = np.random.default_rng(1)
    errors: dict[str, list[float]] = {"whole": [], "whole_copy": [], "mouth": [], "mouth_copy": []}
    for index in range(groups):
        clip = clips.clips[index % len(clips.clips)]
        start = int(rng.integers(0, len(clip.frames) - GROUP_FRAMES + 1))
        codes, still = painted(clip)
        latents = torch.from_numpy(pack(codes[start : start + GROUP_FRAMES].astype(np.float32)))
        known = torch.from_numpy(pack(np.repeat(still[None], GROUP_FRAMES, 0).astype(np.float32)))
        frames = torch.from_numpy(clip.frames[start : start + GROUP_FRAMES].copy())
        video = as_float(frames.permute(0, 3, 1, 2))[None]
        portrait = as_float(torch.from_numpy(clip.portrait.copy()).permute(2, 0, 1))[None]
        guidance = Guidance(reference=known.transpose(0, 1), **model.pyramid(portrait))
        decoded = model.decoder(latents.transpose(0, 1), guidance).clamp(-1, 1)
        size = video.shape[-1]
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
        "--part",
        choices=(*PARTS, "all"),
        default="all",
        help="the parts can be trained apart, best one process per core; mouth goes last",
    )
    parser.add_argument("--init", type=Path, help="run to start from, for weights not trained yet")
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
    if arguments.init:
        load_average(arguments.init, model)
    parts = tuple(PARTS) if arguments.part == "all" else (arguments.part,)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(name.startswith(TRAINED[part]) for part in parts))
    coming = batches(clips, arguments.batch, rng)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        model.train()
        if index % 300 == 299:
            clips.refresh()
            log.info("held out, current weights: %s", evaluate(model, held_out, 30))
            model.train()
        batch = next(coming)
        terms = {name: x for part in parts for name, x in PARTS[part](model, batch).items()}
        total = sum(WEIGHTS[name] * term for name, term in terms.items())
        return total, {name: term.item() for name, term in terms.items()}

    config = LoopConfig(
        out=arguments.out, steps=arguments.steps, learning_rate=arguments.rate, warmup_steps=50
    )
    train(model, step, config)
    load_average(arguments.out, model)
    log.info("held out, averaged weights: %s", evaluate(model, held_out))


if __name__ == "__main__":
    main()
