"""Stage 1's loss with the same random numbers at every call."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from flashtalk.config import TINY, Preset
from lab.training.data.chunks import ChunkBatch
from lab.training.losses.stage1_loss import (
    PLAIN,
    PUBLISHED_LOSS,
    TINY_LOSS,
    Objective,
    chunk_loss,
)
from lab.training.tiny.objective import TinyObjective

TINY_OBJECTIVE = TinyObjective(TINY.transformer)


def loss_of(
    model: nn.Module,
    chunks: ChunkBatch,
    preset: Preset,
    objective: Objective | None = None,
    **settings,
) -> float:
    """Always with the same random numbers; ``settings`` are of the loss."""
    torch.manual_seed(1)
    recipe, usual = (
        (PUBLISHED_LOSS, PLAIN) if chunks.text is not None else (TINY_LOSS, TINY_OBJECTIVE)
    )
    recipe = replace(recipe, **settings)
    return chunk_loss(model, chunks, preset, recipe, objective or usual)[0].item()
