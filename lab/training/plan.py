"""The memory that Stage 2 takes on each GPU and on its host, as a table.

It needs no data and no GPU.

python -m lab.training.plan --preset flashtalk-14b --batch 1 --recompute
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from flashtalk.config import preset_named
from flashtalk.errors import command
from lab.options import read_options, require_at_least
from lab.training.losses.stage2_loss import Stage2Config
from lab.training.memory import plan_table


@dataclass(frozen=True, kw_only=True)
class Stage2Plan:
    """Print the memory that Stage 2 takes; the options are those of the training."""

    preset: str
    """Name of the model, such as flashtalk-14b."""
    batch: int = Stage2Config.batch
    """Talks per rank."""
    draws: int = Stage2Config.draws
    """Judgments per roll-out."""
    recompute: bool = False
    """Compute activations once more in the backward pass (activation checkpointing)."""
    compute_dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Type in which sharded networks are computed."""

    def __post_init__(self) -> None:
        require_at_least(1, self, "batch", "draws")


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    plan = read_options(Stage2Plan, arguments)
    table = plan_table(
        preset_named(plan.preset),
        getattr(torch, plan.compute_dtype),
        batch=plan.batch,
        draws=plan.draws,
        recompute=plan.recompute,
    )
    sys.stdout.write(table)


if __name__ == "__main__":
    sys.exit(main())
