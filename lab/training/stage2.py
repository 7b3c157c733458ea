"""Stage 2: self-correcting bidirectional distillation.

    python -m lab.training.stage2 --data runs/clips --runs runs --out runs/stage2

Three networks begin as Stage 1 left them. The generator learns to make in a few steps and without
guidance what the frozen real score makes with both. The real score takes many steps. The fake score
learns what the generator makes at present. The generator is updated at every fifth step, before the
fake score.

The checkpoint in ``--out`` holds the generator and its average as Stage 1's does, so ``python -m
lab.training.checkpoints.export --transformer DIR`` ships it. A stopped training continues, on any
number of ranks; on the same number as if it had not stopped.

On several GPUs: ``accelerate launch --num_processes N -m lab.training.stage2 ... --shard``.
:mod:`lab.training.plan` prints the memory that this takes.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flashtalk.config import TINY
from flashtalk.errors import command
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.flow_anchor import disable_flow_prior
from flashtalk.weights import modules_of
from flashtalk.weights.checkpoint import find_checkpoint
from lab.options import read_options, require_at_least
from lab.training.causal import make_causal
from lab.training.checkpoints.export import trained_networks
from lab.training.data.talks import TalkSource, load_people
from lab.training.distributed import (
    ALONE,
    Ranks,
    checkpoint_activations,
    denoiser_of,
    join_ranks,
)
from lab.training.loop import Trainee, train_together
from lab.training.losses.stage2_loss import PUBLISHED_LOSS, Distillation, Stage2Config
from lab.training.options import WHOLE, Splitting, Training, begin

BETAS = (0.0, 0.999)  # of both optimizers: Self-Forcing's; the target moves, so no momentum


@dataclass(frozen=True, kw_only=True)
class Stage2(Training):
    """Distill a transformer to few steps without guidance."""

    data: Path
    """Folder of NAME.mp4 and NAME.wav."""
    runs: Path = Path("runs")
    """Folder of the trainings before this one, of the embedded model."""
    weights: str | None = None
    """In place of those: a preset, a folder or a Hub id."""
    steps: int = 1000
    """Updates of the fake score."""
    rate: float = 5e-5
    """Peak learning rate of the generator; the 14B's is 2e-6."""
    critic_rate: float = 5e-5
    """That of the fake score; the 14B's is 4e-7."""
    critic_ratio: int = 5
    """Steps per update of the generator."""
    warmup_steps: int = 20
    final_share: float = 1.0
    clip_norm: float = 10.0
    average_decay: float = 0.99
    flow_prior: bool = True
    """The embedded model's displacements return to a face's. Without, for comparison."""
    causal: bool = False
    """No latent frame sees a later one, as Stage 1 left it, for comparison."""
    loss: Stage2Config = PUBLISHED_LOSS
    splitting: Splitting = WHOLE

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(0, self, "critic_rate")
        require_at_least(1, self, "critic_ratio")


def train_stage2(config: Stage2) -> None:
    """Distill the networks that ``config`` names.

    Raises :class:`FlashTalkError` for settings that mean nothing to them, before clips are read.
    """
    begin(config, seed=None)
    ranks = join_ranks(config.device)
    networks = starting_networks(config, ranks)
    config.loss.require_fit(networks.preset)
    geometry = networks.preset.geometry
    if config.causal:  # teacher, student and critic: all three are made from this one
        make_causal(denoiser_of(networks), geometry)
    people = load_people(config.data, geometry.sample_rate_hz)
    distill(networks, TalkSource(people, geometry), config, ranks)


def starting_networks(config: Stage2, ranks: Ranks) -> Networks:
    """Result of Stage 1: folders of our trainings, or a checkpoint."""
    if config.weights:
        return find_checkpoint(config.weights).load(ranks.device)
    return trained_networks(TINY, config.runs, config.runs / "stage1")


def distill(
    networks: Networks, source: TalkSource, config: Stage2, ranks: Ranks = ALONE
) -> Networks:
    """Trains the transformer of ``networks`` until ``config.steps``; returns networks that hold it.

    One step updates the fake score once, and the generator at every ``critic_ratio``-th. The given
    transformer is the real score: it is frozen and moved, its values stay. Without ``flow_prior``
    the two that learn continue displacements as they are. The generator itself corrects what goes
    wrong on the way, as the real score would.
    """
    real_score = denoiser_of(networks).eval().requires_grad_(False)
    generator, fake_score = (student_of(real_score, config, ranks) for _ in range(2))
    if config.splitting.dtype is not None:
        real_score.to(config.splitting.dtype)
    place(real_score, config.splitting, ranks)
    for name, module in modules_of(networks).items():
        if name != "transformer":
            module.to(ranks.device)
    learner = replace(networks, transformer=generator)
    losses = Distillation(learner, real_score, fake_score, source, config.loss, ranks)
    every = config.critic_ratio
    train_together(
        [
            Trainee("model", generator, losses.generator_step, config.rate, BETAS, every),
            Trainee("fake_score", fake_score, losses.critic_step, config.critic_rate, BETAS),
        ],
        config,
        ranks,
    )
    return learner


def student_of(real_score: VideoTransformer, config: Stage2, ranks: Ranks) -> VideoTransformer:
    """One of the two that learn; on its device before the next is copied, to spare the host."""
    model = copy.deepcopy(real_score).float().requires_grad_(True)
    if not config.flow_prior:
        disable_flow_prior(model)
    if config.splitting.recompute:
        checkpoint_activations(model)
    place(model, config.splitting, ranks)
    return model


def place(model: VideoTransformer, splitting: Splitting, ranks: Ranks) -> None:
    """Moves ``model`` to its device, or a part of it to each."""
    if splitting.shard:  # layer by layer to the device: the whole may not fit
        ranks.shard(model, splitting.dtype)
    else:
        model.to(ranks.device)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    train_stage2(read_options(Stage2, arguments))


if __name__ == "__main__":
    sys.exit(main())
