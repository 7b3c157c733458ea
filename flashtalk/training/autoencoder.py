"""Training of the embedded autoencoder, supervised by what the renderer knows.

    python -m flashtalk.training.autoencoder --data runs/clips --out runs/autoencoder

Latents have a meaning (:mod:`flashtalk.models.face_code`), so encoder and decoder learn apart but
in one pass: the encoder to read the codes from pictures, the decoder to render pictures from true
codes with a little noise. Reconstruction alone settles in copying the portrait; the warp learns
from the exact flow, and mouth and eyes weigh more than the rest. Only a window of each picture is
rendered (mostly the mouth's), which makes a step cheap enough for two cores.
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
from flashtalk.models.autoencoder import (
    GROUP_FRAMES,
    Guidance,
    PortraitAutoencoder,
    cut,
)
from flashtalk.models.matching import matching_features
from flashtalk.training.clips import ClipSet
from flashtalk.training.groups import Batch, batches
from flashtalk.training.loop import LoopConfig, load_average, train
from flashtalk.training.losses import flow_l1, gradient_l1, weighted_l1

log = logging.getLogger(__name__)

CODE_NOISE = 0.1  # the decoder must tolerate what the diffusion leaves over
OWN_PICTURES = 0.5
REFERENCE_NOISE = 0.15  # and that the encoder reads the portrait only roughly


def encoder_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How well the encoder reads the codes of frames and portraits; touches no decoder weight.

    Half of the groups are the decoder's own pictures of their codes: in a session the encoder never
    reads anything else, and what it misreads there is a jump at the border of two chunks.
    """
    with torch.no_grad():
        guidance = Guidance(reference=batch.references, **model.pyramid(batch.portraits))
        own = model.decoder(batch.codes, guidance).clamp(-1.0, 1.0)
    frames = torch.where(torch.rand(len(own), 1, 1, 1, 1) < OWN_PICTURES, own, batch.frames)
    bias = model.pyramid.encoder(F.pixel_unshuffle(batch.portraits, 8))
    matching = matching_features(batch.portraits)
    still = batch.portraits[:, None].expand(-1, GROUP_FRAMES, -1, -1, -1)
    read = model.encoder(frames, bias, matching)
    reference = model.encoder(still, bias, matching)
    error = (read - batch.codes).square() + (reference - batch.references).square()
    return {"codes": (batch.code_weight * error).sum() / (2.0 * batch.code_weight.sum())}


def decoder_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How well true codes, slightly noisy, are rendered; touches no encoder weight."""
    reference = batch.references + REFERENCE_NOISE * torch.randn_like(batch.references)
    guidance = Guidance(reference=reference, **model.pyramid(batch.portraits))
    noisy = batch.codes + CODE_NOISE * torch.randn_like(batch.codes)
    features, offset = model.decoder.motion(noisy, guidance, GROUP_FRAMES)
    predicted = F.interpolate(offset, scale_factor=2.0, mode="bilinear", align_corners=False)
    pictures = model.decoder.render(features, offset, guidance, batch.windows)
    target = cut(batch.frames.flatten(0, 1), batch.windows * 8)
    weight = cut(batch.weight, batch.windows * 8)
    return {
        "flow": flow_l1(predicted, batch.offset, batch.known),
        "l1": weighted_l1(pictures, target, weight),
        "gradient": gradient_l1(pictures, target, weight),
    }


PARTS = {"encoder": encoder_losses, "decoder": decoder_losses}
WEIGHTS = {"codes": 2.0, "flow": 20.0, "l1": 4.0, "gradient": 2.0}


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
        decoded = model.decoder(model.encode_groups(video, guidance), guidance).clamp(-1, 1)
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
        "--part",
        choices=(*PARTS, "both"),
        default="both",
        help="encoder and decoder share no weights: two processes use two cores best",
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
    parts = tuple(PARTS) if arguments.part == "both" else (arguments.part,)
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
