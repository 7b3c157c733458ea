"""How much memory Stage 2 takes on each GPU, before a machine is rented.

Counted from the parameters of the transformer as built on the meta device, where they take none.
What is not counted: activations, the conditions, and the uneven last shard of a tensor whose rows
do not divide (below one row per tensor).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from flashtalk.config import Preset
from flashtalk.models.transformer import VideoTransformer

GIB = 2**30
WEIGHT_BYTES = 4  # the generator's and the critic's are float32, whatever they are computed in
GRADIENT_BYTES = 4
OPTIMIZER_BYTES = 8  # AdamW's two moments
AVERAGE_BYTES = 4
LAYERS_AT_ONCE = 2  # the layer that is computed and the one that is fetched meanwhile


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes on one GPU when everything is split over ``ranks`` of them."""

    ranks: int
    generator: int
    """Weights, gradients, optimizer state and the moving average."""
    fake_score: int
    """Weights, gradients and optimizer state."""
    real_score: int
    """Frozen weights."""
    gathered: int
    """Whole layers while they are computed, with their gradients; 0 on a single GPU."""

    @property
    def total(self) -> int:
        return self.generator + self.fake_score + self.real_score + self.gathered


@dataclass(frozen=True)
class Counts:
    """Parameters of one transformer."""

    whole: int
    layer: int
    """The largest of the repeated layers."""
    around: int
    """What is outside of the layers."""


def count_parameters(preset: Preset) -> Counts:
    """Exact, from the real class on the meta device."""
    with torch.device("meta"):
        model = VideoTransformer(preset.transformer)
    layers = [sum(p.numel() for p in block.parameters()) for block in model.blocks]
    whole = sum(p.numel() for p in model.parameters())
    return Counts(whole, max(layers), whole - sum(layers))


def plan_memory(counts: Counts, ranks: int, compute_dtype: torch.dtype) -> MemoryPlan:
    """Bytes on each of ``ranks`` GPUs; networks are computed in ``compute_dtype``."""
    if ranks < 1:
        raise ValueError(f"ranks must be at least 1, got {ranks}")
    trained = WEIGHT_BYTES + GRADIENT_BYTES + OPTIMIZER_BYTES
    width = compute_dtype.itemsize
    gathered = LAYERS_AT_ONCE * counts.layer + counts.around
    return MemoryPlan(
        ranks=ranks,
        generator=_split(counts.whole * (trained + AVERAGE_BYTES), ranks),
        fake_score=_split(counts.whole * trained, ranks),
        real_score=_split(counts.whole * width, ranks),
        gathered=0 if ranks == 1 else 2 * gathered * width,
    )


def plan_table(
    preset: Preset, compute_dtype: torch.dtype, degrees: Sequence[int] = (1, 2, 4, 8, 16, 32, 64)
) -> str:
    """The plans as a table in GiB per GPU."""
    counts = count_parameters(preset)
    lines = [
        f"Stage 2 of {preset.name}: 3 networks of {counts.whole:,} parameters",
        f"float32 weights, gradients and AdamW; frozen network and gathered layers "
        f"{str(compute_dtype).removeprefix('torch.')}; GiB per GPU, without activations",
        "",
        f"{'GPUs':>5}{'generator':>11}{'fake':>9}{'real':>9}{'gathered':>10}{'total':>9}",
    ]
    for ranks in degrees:
        plan = plan_memory(counts, ranks, compute_dtype)
        parts = (plan.generator, plan.fake_score, plan.real_score, plan.gathered, plan.total)
        widths = (11, 9, 9, 10, 9)
        cells = (f"{part / GIB:{size}.2f}" for part, size in zip(parts, widths, strict=True))
        lines.append(f"{ranks:>5}{''.join(cells)}")
    checkpoint = counts.whole * (2 * (WEIGHT_BYTES + OPTIMIZER_BYTES) + AVERAGE_BYTES)
    lines += ["", f"a checkpoint takes {checkpoint / GIB:.2f} GiB, also in rank 0's host memory"]
    return "\n".join(lines) + "\n"


def _split(size: int, ranks: int) -> int:
    return -(-size // ranks)
