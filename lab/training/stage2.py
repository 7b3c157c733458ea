"""Stage 2: self-correcting bidirectional distillation.

    python -m lab.training.stage2 --data runs/clips --runs runs --out runs/stage2

Three networks begin as Stage 1 left them. The generator learns to make in a few steps and without
guidance what the frozen real score would make in many with it; the fake score learns what the
generator makes at present. The generator is updated at every fifth step, before the fake score.

The checkpoint in ``--out`` holds the generator and its average as Stage 1's does, so ``python -m
lab.training.checkpoints.export --transformer DIR`` ships it. A stopped training continues, on any
number of ranks; on the same number as if it had not stopped.

On several GPUs: ``accelerate launch --num_processes N -m lab.training.stage2 ... --shard``.
``--plan --preset NAME`` prints the memory that this takes with the other options, and does nothing
else.
"""

from __future__ import annotations

import argparse
import copy
import logging
import sys
from dataclasses import replace
from pathlib import Path

import torch

from flashtalk.config import PRESETS, TINY, Preset, preset_named
from flashtalk.errors import FlashTalkError, command
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.flow_anchor import disable_flow_prior
from flashtalk.weights import modules_of
from flashtalk.weights.checkpoint import find_checkpoint
from lab.training.causal import make_causal
from lab.training.checkpoints.export import trained_networks
from lab.training.cli import add_device, add_journal, add_splitting
from lab.training.data.talks import TalkSource, load_people
from lab.training.distributed import ALONE, Ranks, checkpoint_activations, join_ranks
from lab.training.loop import LoopConfig, Trainee, train_together
from lab.training.losses.stage2_loss import Distillation, Stage2Config
from lab.training.memory import plan_table

log = logging.getLogger(__name__)

BETAS = (0.0, 0.999)  # of both optimizers: Self-Forcing's; the target moves, so no momentum
CLIP_NORM = 10.0
AVERAGE_DECAY = 0.99


def distill(
    networks: Networks,
    source: TalkSource,
    config: Stage2Config,
    loop: LoopConfig,
    *,
    critic_rate: float,
    critic_ratio: int = 5,
    recompute: bool = False,
    shard: bool = False,
    compute_dtype: torch.dtype | None = None,
    flow_prior: bool = True,
    ranks: Ranks = ALONE,
) -> Networks:
    """Trains the transformer of ``networks`` until ``loop.steps``; returns networks that hold it.

    ``loop.learning_rate`` is the generator's. One step updates the critic once, and the generator
    at every ``critic_ratio``-th. ``recompute`` keeps activations at layer borders only; ``shard``
    splits all three networks over the ranks and computes them in ``compute_dtype``. The given
    transformer is the real score: it is frozen and moved, its values stay. Without ``flow_prior``
    the generator and the fake score continue displacements as they are: what goes wrong on the way
    is the generator's own to correct, as the real score would.
    """
    real_score = networks.transformer.eval().requires_grad_(False)

    def place(model: VideoTransformer) -> None:
        if not shard:
            model.to(ranks.device)
        else:  # layer by layer to the device: the whole may not fit
            ranks.shard(model, compute_dtype)

    def student() -> VideoTransformer:
        """One of the two that learn; on its device before the next is copied, to spare the host."""
        model = copy.deepcopy(real_score).float().requires_grad_(True)
        if not flow_prior:
            disable_flow_prior(model)
        if recompute:
            checkpoint_activations(model)
        place(model)
        return model

    generator, fake_score = student(), student()
    if shard and compute_dtype is not None:
        real_score.to(compute_dtype)
    place(real_score)
    for name, module in modules_of(networks).items():
        if name != "transformer":
            module.to(ranks.device)
    learner = replace(networks, transformer=generator)
    losses = Distillation(learner, real_score, fake_score, source, config, ranks)
    train_together(
        [
            Trainee(
                "model",
                generator,
                losses.generator_step,
                loop.rate,
                BETAS,
                every=critic_ratio,
            ),
            Trainee("fake_score", fake_score, losses.critic_step, critic_rate, BETAS),
        ],
        loop,
        ranks,
    )
    return learner


@command
def main() -> None:
    """Entry point."""
    options = _parser().parse_args()
    compute_dtype = getattr(torch, options.compute_dtype)
    if options.plan:
        sys.stdout.write(
            plan_table(
                preset_named(options.preset),
                compute_dtype,
                batch=options.batch,
                draws=options.draws,
                recompute=options.recompute,
            )
        )
        return
    missing = [name for name in ("data", "out") if getattr(options, name) is None]
    if missing:
        raise FlashTalkError(
            f"Stage 2 also needs --{' and --'.join(missing)}. (--plan needs neither: it shows the "
            "memory that the training takes.)"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    ranks = join_ranks(options.device)
    networks = _starting_networks(options, ranks)
    geometry = networks.preset.geometry
    if options.causal:  # teacher, student and critic: all three are made from this one
        make_causal(networks.transformer, geometry)
    config = _settings(options, networks.preset)
    distill(
        networks,
        TalkSource(load_people(options.data, geometry.sample_rate_hz), geometry),
        config,
        LoopConfig(
            out=options.out,
            steps=options.steps,
            rate=options.rate,
            warmup_steps=options.warmup,
            final_share=1.0,
            clip_norm=CLIP_NORM,
            accumulate=options.accumulate,
            average_decay=AVERAGE_DECAY,
            checkpoint_every_s=options.checkpoint_every,
            log_every=options.log_every,
        ),
        critic_rate=options.critic_rate,
        critic_ratio=options.critic_ratio,
        recompute=options.recompute,
        shard=options.shard,
        compute_dtype=compute_dtype if options.shard else None,
        flow_prior=options.flow_prior,
        ranks=ranks,
    )


def _settings(options: argparse.Namespace, preset: Preset) -> Stage2Config:
    """What the command line says of the losses; refused before clips are read, if it must be."""
    aligned = options.motion_weight is not None
    if aligned and preset.transformer.anchored:
        log.warning(
            "--motion-weight does nothing for %s: it copies the latents that it is given, so there "
            "is nothing to align.",
            preset.name,
        )
    config = Stage2Config(
        chunks=options.chunks,
        batch=options.batch,
        draws=options.draws,
        audio_guidance=options.audio_guidance,
        text_guidance=options.text_guidance,
        motion_weight=options.motion_weight if aligned else Stage2Config.motion_weight,
        teacher_motion=options.teacher_motion,
        times=options.times,
        negative_prompt=options.negative_prompt,
        seed=options.seed,
    )
    config.require_fit(preset)
    return config


def _starting_networks(options: argparse.Namespace, ranks: Ranks) -> Networks:
    """What Stage 1 left: folders of our trainings, or a checkpoint."""
    if options.weights:
        return find_checkpoint(options.weights).load(ranks.device)
    return trained_networks(
        preset_named(options.preset),
        options.runs,
        options.runs / "stage1",
    )


def _parser() -> argparse.ArgumentParser:
    own = Stage2Config()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of NAME.mp4 and NAME.wav")
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="folder of the trainings before this one"
    )
    parser.add_argument("--weights", help="in place of those: a preset, a folder or a Hub id")
    parser.add_argument("--preset", default=TINY.name, choices=tuple(PRESETS))
    parser.add_argument("--plan", action="store_true", help="print memory per GPU and stop")
    parser.add_argument("--steps", type=int, default=1000, help="critic updates")
    parser.add_argument("--chunks", type=int, default=own.chunks, help="K, the longest roll-out")
    parser.add_argument("--critic-ratio", type=int, default=5, help="steps per generator update")
    parser.add_argument("--batch", type=int, default=own.batch, help="talks per rank")
    parser.add_argument("--draws", type=int, default=own.draws, help="judgments per roll-out")
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--rate", type=float, default=5e-5, help="generator; the 14B's is 2e-6")
    parser.add_argument("--critic-rate", type=float, default=5e-5, help="the 14B's is 4e-7")
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--audio-guidance", type=float, default=own.audio_guidance)
    parser.add_argument("--text-guidance", type=float, default=own.text_guidance)
    parser.add_argument(
        "--negative-prompt",
        default=own.negative_prompt,
        help="of the teacher's passes without text, in models that read a prompt",
    )
    parser.add_argument(
        "--motion-weight",
        type=float,
        help=f"of the motion alignment (default: {own.motion_weight:g}); there is none in models "
        "that predict clean latents, such as the embedded one",
    )
    parser.add_argument(
        "--teacher-motion",
        choices=("clean", "noised"),
        default=own.teacher_motion,
        help="motion latents of the teacher; noised: not for models that predict clean latents",
    )
    parser.add_argument("--times", choices=("full", "interval"), default=own.times)
    parser.add_argument(
        "--no-flow-prior",
        dest="flow_prior",
        action="store_false",
        help="displacements of motion frames are continued as they are, for comparison",
    )
    parser.add_argument(
        "--causal",
        action="store_true",
        help="no latent frame sees a later one, as stage1 --causal left it, for comparison",
    )
    parser.add_argument("--seed", type=int, default=own.seed)
    add_journal(parser)
    parser.add_argument("--threads", type=int, default=2)
    add_device(parser)
    add_splitting(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
