"""Stage 1 of a published checkpoint: flow matching of its transformer on chunks of latents.

    accelerate launch --num_processes 8 -m lab.training.stage1 --data clips --out runs/14b \\
        --weights checkpoints/14b --device cuda --shard --recompute

As in the published recipe (report, Stage 1), a batch has chunks of one bucket of length and aspect.
The first one or two latents are clean and outside the loss, and timesteps are shifted by 5.
Conditions are left out at times for guidance. Mouths and differences between latents count more. As
in the public reproduction all weights learn, in 500 steps of 32 chunks.

The reference is a picture of its own, of the same head with another expression and gaze. What is
left in ``--out`` is what :mod:`lab.training.checkpoints.export` reads with ``--published``. The
embedded model has a Stage 1 of its own, :mod:`lab.training.tiny.stage1`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flashtalk.errors import FlashTalkError, command
from flashtalk.geometry import parse_size
from flashtalk.models.networks import Networks
from flashtalk.weights import modules_of
from flashtalk.weights.checkpoint import find_checkpoint
from lab.options import read_options, require_at_least
from lab.training.data.chunks import Bucket, buckets_of, draw_bucket
from lab.training.data.clips import Clip, ClipSet
from lab.training.data.video_dataset import draw_windows, gather_chunks
from lab.training.distributed import (
    ALONE,
    Ranks,
    checkpoint_activations,
    denoiser_of,
    join_ranks,
)
from lab.training.loop import Trainee, train_together
from lab.training.losses.stage1_loss import PUBLISHED_LOSS, Stage1Loss, chunk_loss
from lab.training.losses.stage2_loss import Stage2Config
from lab.training.options import WHOLE, Splitting, Training, begin

BETAS = (0.9, 0.99)  # of the optimizer; the public reproduction's


@dataclass(frozen=True, kw_only=True)
class Stage1(Training):
    """Train the transformer of a published checkpoint by flow matching."""

    data: Path
    """Folder of clips, as ``python -m lab.synthesis`` makes them."""
    weights: str
    """A preset, a folder or a Hub id to start from."""
    steps: int = 500
    rate: float = 2e-6
    warmup_steps: int = 0
    final_share: float = 1.0
    batch: int = 1
    """Chunks per rank."""
    accumulate: int = 4
    size: tuple[str, ...] = ()
    """HEIGHTxWIDTH of its buckets; without any, all sizes of the preset."""
    negative_prompt: str = Stage2Config.negative_prompt
    """Read where the prompt is left out. Stage 2's, whose unguided score is learned here."""
    seed: int = 0
    """Seed of all random numbers."""
    loss: Stage1Loss = PUBLISHED_LOSS
    splitting: Splitting = WHOLE

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(1, self, "batch")
        require_at_least(0, self, "seed")


def train_stage1(config: Stage1) -> None:
    """Train the checkpoint of ``config.weights``.

    Raises :class:`FlashTalkError` for the weights of an embedded model.
    """
    begin(config, seed=None)
    checkpoint = find_checkpoint(config.weights)
    if checkpoint.preset.autoencoder is not None:
        raise FlashTalkError(
            f"{config.weights} holds {checkpoint.preset.name}, an embedded model. Train it with "
            "python -m lab.training.tiny.stage1, and with --init to go on from a run."
        )
    buckets = buckets_of(checkpoint.preset, [parse_size(size) for size in config.size])
    clips = ClipSet(config.data).clips
    ranks = join_ranks(config.device)
    fit_transformer(checkpoint.load(ranks.device), clips, buckets, config, ranks)


def fit_transformer(
    networks: Networks,
    clips: Sequence[Clip],
    buckets: tuple[Bucket, ...],
    config: Stage1,
    ranks: Ranks = ALONE,
) -> None:
    """Trains the transformer of ``networks`` in place; all other networks stay as they are.

    Every random number of a batch follows from (seed, batch, rank), and its bucket from the first
    two. No rank waits for another's longer chunk.
    """
    splitting = config.splitting
    model = denoiser_of(networks).eval().float().requires_grad_(True)
    if splitting.recompute:
        checkpoint_activations(model)
    for name, module in modules_of(networks).items():
        if name != "transformer" or not splitting.shard:
            module.to(ranks.device)
    if splitting.shard:
        ranks.shard(model, splitting.dtype)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        together = np.random.default_rng(np.random.SeedSequence((config.seed, index)))
        words = (config.seed, index, 1 + ranks.index)
        own = np.random.default_rng(np.random.SeedSequence(words))
        preset = draw_bucket(buckets, together).fitted(networks.preset)
        torch.manual_seed(int(own.integers(2**31)))
        windows = draw_windows(clips, preset.geometry, config.batch, own, ranks.device)
        chunks = gather_chunks(replace(networks, preset=preset), windows, config.negative_prompt)
        return chunk_loss(model, chunks, preset, config.loss)

    train_together([Trainee("model", model, step, config.rate, BETAS)], config, ranks)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    train_stage1(read_options(Stage1, arguments))


if __name__ == "__main__":
    sys.exit(main())
