"""The command line of a training: where data lies, how long and how fast, and the start of the run.

Between the entry points and :mod:`lab.training.loop`. Each entry point adds what is its own.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from flashtalk.engine import checked_device
from lab.training.loop import LoopConfig
from lab.training.precision import PRECISIONS


def training_parser(
    description: str,
    *,
    steps: int | None,
    batch: int | None,
    rate: float | None,
    threads: int = 2,
    batch_of: str = "",
) -> argparse.ArgumentParser:
    """Options that every training has, with its own defaults; ``batch_of`` says what is counted.

    ``None`` leaves the choice to what is trained.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch, help=batch_of or None)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--threads", type=int, default=threads)
    add_device(parser)
    return parser


def add_precision(parser: argparse.ArgumentParser) -> None:
    """``--precision``, for trainings whose steps run in :func:`precision.mixed_precision`."""
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")


def add_journal(parser: argparse.ArgumentParser) -> None:
    """``--log-every`` and ``--checkpoint-every``, for trainings of all sizes."""
    parser.add_argument("--log-every", type=int, default=LoopConfig.log_every, metavar="STEPS")
    parser.add_argument(
        "--checkpoint-every",
        type=float,
        default=LoopConfig.checkpoint_every_s,
        metavar="SECONDS",
        help="between checkpoints; one of the 14B is large (default: %(default)g)",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device``, what the networks are trained on."""
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))


def add_workers(parser: argparse.ArgumentParser) -> None:
    """``--workers``, for trainings whose batches are made while they learn."""
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="THREADS",
        help="that make batches; a GPU waits for one alone (default: %(default)d)",
    )


def add_splitting(options: argparse._ActionsContainer) -> None:
    """How transformers that may be large are kept and split, to a parser or a group of it:
    ``--recompute``, ``--shard`` and ``--compute-dtype``."""
    options.add_argument("--recompute", action="store_true", help="activation checkpointing")
    options.add_argument("--shard", action="store_true", help="split weights over ranks (FSDP2)")
    options.add_argument(
        "--compute-dtype",
        default="bfloat16",
        choices=("bfloat16", "float32"),
        help="of sharded networks, and of Stage 2's plan",
    )


def begin(parser: argparse.ArgumentParser, seed: int | None = 0) -> argparse.Namespace:
    """Parses the command line and sets up log, threads and, unless ``None``, torch's seed.

    ``device`` is a :class:`torch.device` afterwards. Raises :class:`FlashTalkError` if it is not
    there.
    """
    arguments = parser.parse_args()
    arguments.device = checked_device(arguments.device)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    if seed is not None:
        torch.manual_seed(seed)
    return arguments
