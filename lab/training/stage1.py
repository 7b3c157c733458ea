"""Stage 1: flow matching of the transformer on chunks of latents, for either member of the family.

    python -m lab.training.stage1 --data runs/clips --out runs/stage1 --speech runs/speech
    accelerate launch --num_processes 8 -m lab.training.stage1 --data clips --out runs/14b \\
        --weights checkpoints/14b --device cuda --shard --recompute

As in the published recipe (report, Stage 1): a batch has chunks of one bucket, the first one or two
latents are clean and outside the loss, timesteps are shifted by 5, conditions are left out at times
for guidance, and mouths and differences between latents count more. The reference is a picture of
its own, of the same head with another expression and gaze. Its pose is that of some moment of the
clip, which may lie inside the window, but no frame of the window is it.

The embedded model (:mod:`lab.training.data.latents`) makes pictures of one size, so its buckets
differ in length only: 33 frames mostly, 17 at times. Half of its timesteps are exactly those that
the four-step sampler will visit, because nothing else is ever asked of a small model; its motion
latents carry a little noise and are bent, because in a session they are the model's own work; and
it is told when eyes blink. With ``--device cuda --versions 2`` its data stay on the GPU
(:mod:`lab.training.data.gpu_dataset`).

A published checkpoint (:mod:`lab.training.data.video_dataset`) has buckets of length and aspect,
and is trained as the public reproduction does it: all weights, in 500 steps of 32 chunks. What it
leaves in ``--out`` is what :mod:`lab.training.checkpoints.export` reads with ``--published``.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError, command
from flashtalk.geometry import parse_size
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.denoiser import TinyDenoiser
from flashtalk.models.tiny.speech_encoder import SpeechEncoder
from flashtalk.weights import modules_of
from flashtalk.weights.checkpoint import find_checkpoint
from lab.training.causal import make_causal
from lab.training.cli import (
    add_journal,
    add_precision,
    add_splitting,
    begin,
    training_parser,
)
from lab.training.data.chunks import (
    Bucket,
    ChunkBatch,
    buckets_of,
    draw_bucket,
    windowed_features,
)
from lab.training.data.clips import Clip, ClipSet
from lab.training.data.gpu_dataset import ResidentSampler
from lab.training.data.latents import LatentSampler, load_latents
from lab.training.data.video_dataset import draw_windows, gather_chunks
from lab.training.distributed import ALONE, Ranks, checkpoint_activations, join_ranks
from lab.training.loop import (
    LoopConfig,
    Trainee,
    load_average,
    load_part,
    prefetched,
    train,
    train_together,
)
from lab.training.losses.stage1_loss import EMBEDDED, PUBLISHED, Recipe, chunk_loss
from lab.training.losses.stage2_loss import Stage2Config
from lab.training.precision import mixed_precision
from lab.training.tiny.objective import TinyObjective, set_carried_share

log = logging.getLogger(__name__)

PUBLISHED_BETAS = (0.9, 0.99)  # of the optimizer; the public reproduction's


def adapt(
    networks: Networks,
    clips: list[Clip],
    buckets: tuple[Bucket, ...],
    recipe: Recipe,
    out: Path,
    *,
    negative_prompt: str = Stage2Config.negative_prompt,
    seed: int = 0,
    recompute: bool = False,
    shard: bool = False,
    compute_dtype: torch.dtype | None = None,
    log_every: int = LoopConfig.log_every,
    checkpoint_every_s: float = LoopConfig.checkpoint_every_s,
    ranks: Ranks = ALONE,
) -> None:
    """Trains the transformer of ``networks``, a published checkpoint's, in place.

    All other networks stay as they are. Every random number of a batch follows from (``seed``,
    batch, rank), and its bucket from the first two: no rank waits for another's longer chunk.
    ``recompute`` and ``shard`` with ``compute_dtype`` are as in Stage 2, whose default is the
    negative prompt too: its unguided score is what is learned here.
    """
    model = networks.transformer.eval().float().requires_grad_(True)
    if recompute:
        checkpoint_activations(model)
    for name, module in modules_of(networks).items():
        if name != "transformer" or not shard:
            module.to(ranks.device)
    if shard:
        ranks.shard(model, compute_dtype)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        together = np.random.default_rng(np.random.SeedSequence((seed, index)))
        own = np.random.default_rng(np.random.SeedSequence((seed, index, 1 + ranks.index)))
        preset = draw_bucket(buckets, together).fitted(networks.preset)
        torch.manual_seed(int(own.integers(2**31)))
        windows = draw_windows(clips, preset.geometry, recipe.batch, own, ranks.device)
        chunks = gather_chunks(replace(networks, preset=preset), windows, negative_prompt)
        return chunk_loss(model, chunks, preset, recipe)

    loop = LoopConfig(
        out=out,
        steps=recipe.steps,
        rate=recipe.rate,
        warmup_steps=0,
        final_share=1.0,
        accumulate=recipe.accumulate,
        log_every=log_every,
        checkpoint_every_s=checkpoint_every_s,
    )
    train_together([Trainee("model", model, step, recipe.rate, PUBLISHED_BETAS)], loop, ranks)


@command
def main() -> None:
    """Entry point."""
    options = begin(_parser(), seed=None)
    if (options.weights is None) == (options.speech is None):
        raise FlashTalkError(
            "Stage 1 trains the embedded model, which needs --speech, or the checkpoint that "
            "--weights names. Give one of the two."
        )
    recipe = EMBEDDED if options.weights is None else PUBLISHED
    asked = {name: getattr(options, name) for name in ("steps", "batch", "rate", "accumulate")}
    recipe = replace(recipe, **{name: value for name, value in asked.items() if value is not None})
    if options.weights is None:
        _train_embedded(options, recipe)
    else:
        _train_published(options, recipe)


def _train_embedded(options: argparse.Namespace, recipe: Recipe) -> None:
    preset = TINY
    device = options.device
    encoder = SpeechEncoder(preset.speech_encoder)
    load_part(options.speech, "encoder", encoder)
    clips = load_latents(ClipSet(options.data))
    if options.versions:
        log.info("degrading %d sounds", options.versions * len(clips))
        sampler = ResidentSampler(clips, preset, device, options.versions)
    else:
        sampler = LatentSampler(clips, preset, seed=None)
    model = TinyDenoiser(preset.transformer)
    if options.init:
        load_average(options.init, model).requires_grad_(True)
    set_carried_share(model)
    objective = TinyObjective(preset.transformer)
    if options.causal:
        make_causal(model, preset.geometry)
    model.to(device)
    encoder.to(device)
    coming = prefetched(lambda: sampler.draw(recipe.batch))

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        model.train()
        fitted, batch = next(coming)
        latents, reference, weight, closed, samples = (each.to(device) for each in batch)
        with torch.no_grad():
            speech = windowed_features(encoder, samples, fitted)
        chunks = ChunkBatch(latents, reference, weight, speech, closed)
        with mixed_precision(options.precision, device.type):
            return chunk_loss(model, chunks, fitted, recipe, objective)

    config = LoopConfig(
        out=options.out,
        steps=recipe.steps,
        rate=recipe.rate,
        accumulate=recipe.accumulate,
        log_every=options.log_every,
        checkpoint_every_s=options.checkpoint_every,
    )
    train(model, step, config)


def _train_published(options: argparse.Namespace, recipe: Recipe) -> None:
    checkpoint = find_checkpoint(options.weights)
    if checkpoint.preset.autoencoder is not None:
        raise FlashTalkError(
            f"{options.weights} holds {checkpoint.preset.name}, an embedded model. Train it with "
            "--speech, and with --init to go on from a run."
        )
    buckets = buckets_of(checkpoint.preset, [parse_size(size) for size in options.size])
    clips = ClipSet(options.data).clips
    ranks = join_ranks(options.device.type)
    adapt(
        checkpoint.load(ranks.device),
        clips,
        buckets,
        recipe,
        options.out,
        seed=options.seed,
        recompute=options.recompute,
        shard=options.shard,
        compute_dtype=getattr(torch, options.compute_dtype) if options.shard else None,
        log_every=options.log_every,
        checkpoint_every_s=options.checkpoint_every,
        ranks=ranks,
    )


def _parser() -> argparse.ArgumentParser:
    parser = training_parser(
        __doc__.splitlines()[0], steps=None, batch=None, rate=None, batch_of="chunks per rank"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of clips")
    parser.add_argument("--accumulate", type=int, help="batches per step")
    add_journal(parser)
    add_precision(parser)
    embedded = parser.add_argument_group("the embedded model")
    embedded.add_argument("--speech", type=Path, help="run of its speech encoder")
    embedded.add_argument("--init", type=Path, help="run to start from")
    embedded.add_argument(
        "--versions",
        type=int,
        default=0,
        help="for GPUs: degrade each sound so many times beforehand and keep all on the device "
        "(default: each chunk anew, on the processor)",
    )
    embedded.add_argument(
        "--causal", action="store_true", help="no latent frame sees a later one, for comparison"
    )
    published = parser.add_argument_group("a published checkpoint")
    published.add_argument("--weights", help="a preset, a folder or a Hub id to start from")
    published.add_argument(
        "--size", nargs="+", default=[], metavar="HxW", help="of its buckets (default: all)"
    )
    published.add_argument("--seed", type=int, default=0)
    add_splitting(published)
    return parser


if __name__ == "__main__":
    sys.exit(main())
