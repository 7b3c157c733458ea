"""How much memory Stage 2 takes on each GPU and on its host, before a machine is rented.

Weights are counted from the networks as built on the meta device, where they take none. Activations
are counted by running them there (:mod:`lab.memory`). Workspaces of the libraries are not counted,
and there is a reserve for them. Nor is the uneven last shard of a tensor whose rows do not divide
(below one row per tensor).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch

from flashtalk.config import Preset
from flashtalk.models.networks import build_denoiser
from flashtalk.placement.plan import GIB, RESERVE_BYTES
from lab.memory import Parts, activation_peaks, parts_of
from lab.memory.live_bytes import FusedAttention, counted
from lab.training.distributed import checkpoint_activations

WEIGHT_BYTES = 4  # the generator's and the critic's are float32, whatever they are computed in
GRADIENT_BYTES = 4
OPTIMIZER_BYTES = 8  # AdamW's two moments
AVERAGE_BYTES = 4
LAYERS_AT_ONCE = 2  # the layer that is computed and the one that is fetched meanwhile
GPU_BYTES = 80 * 10**9  # the GPUs that the verdict is about: A100, A800, H100, H800


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
    encoders: int
    """Everything but the transformers: whole on every GPU."""
    activations: int
    """The most at once, of a roll-out or of a pass with its gradients."""

    @property
    def total(self) -> int:
        return (
            self.generator
            + self.fake_score
            + self.real_score
            + self.gathered
            + self.encoders
            + self.activations
        )

    @property
    def fits(self) -> bool:
        """Into GPUs of ``GPU_BYTES``, with the reserve."""
        return self.total + RESERVE_BYTES <= GPU_BYTES


@dataclass(frozen=True)
class Counts:
    """Parameters of one transformer."""

    whole: int
    layer: int
    """The largest of the repeated layers."""
    around: int
    """Parameters outside of the layers."""


def count_parameters(preset: Preset) -> Counts:
    """Exact, from the real class on the meta device."""
    with torch.device("meta"):
        model = build_denoiser(preset.transformer)
    layers = [sum(p.numel() for p in block.parameters()) for block in model.blocks]
    whole = sum(p.numel() for p in model.parameters())
    return Counts(whole, max(layers), whole - sum(layers))


def pass_bytes(
    preset: Preset,
    layers: int,
    batch: int,
    dtype: torch.dtype,
    recompute: bool,
    device: str,
) -> int:
    """Activations at their highest in a forward and backward pass of ``layers`` layers.

    Gradients of weights do not count: shards give them away at once.
    """
    config, geometry = replace(preset.transformer, layers=layers), preset.geometry
    latents = (geometry.chunk_latents, geometry.latent_height, geometry.latent_width)
    speech = (config.speech.window_frames, config.speech.layers, config.speech.width)
    text = image = None
    with torch.device(device):
        model = build_denoiser(config).to(dtype).eval()
        noisy = torch.zeros(batch, config.latent_channels, *latents)
        condition = torch.zeros(batch, config.in_channels - config.latent_channels, *latents)
        samples = torch.zeros(batch, geometry.chunk_frames, *speech)
        if config.text_dim:
            text = torch.zeros(batch, config.text_tokens, config.text_dim, dtype=dtype)
        if config.image_dim:
            image = torch.zeros(batch, config.image_tokens, config.image_dim, dtype=dtype)
        times = torch.full((batch,), 500.0)
    if recompute:
        checkpoint_activations(model, FusedAttention if device == "meta" else nullcontext)
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(_forget_gradient)
    with counted(device, gradients=True) as counter:
        tokens = model.project_speech(samples)
        velocity = model(
            noisy, times, condition, tokens, text, image, num_motion=geometry.num_motion
        )
        velocity.square().mean().backward()
    return counter.peak


def training_activations(
    preset: Preset, dtype: torch.dtype, batch: int, recompute: bool, device: str = "meta"
) -> int:
    """The same for all layers. They are alike: one and two are run, and the others added."""
    one, two = (pass_bytes(preset, count, batch, dtype, recompute, device) for count in (1, 2))
    return one + (preset.transformer.layers - 1) * (two - one)


def plan_memory(
    counts: Counts,
    ranks: int,
    compute_dtype: torch.dtype,
    *,
    encoders: int = 0,
    activations: int = 0,
) -> MemoryPlan:
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
        encoders=encoders,
        activations=activations,
    )


def plan_table(
    preset: Preset,
    compute_dtype: torch.dtype,
    *,
    batch: int = 1,
    draws: int = 1,
    recompute: bool = False,
    degrees: Sequence[int] = (1, 2, 4, 8, 16, 32, 64),
) -> str:
    """The plans as a table in GiB per GPU, the host's memory, and how many GPUs it takes.

    ``batch`` talks are rolled out on each GPU and judged ``draws`` times.
    """
    counts = count_parameters(preset)
    parts = parts_of(preset)
    passes = training_activations(preset, compute_dtype, batch * draws, recompute, parts.device)
    rolled = batch * max(activation_peaks(parts, preset).values())
    encoders = sum(part.bytes for part in parts.parts if part.name != "transformer")
    plans = [
        plan_memory(
            counts, ranks, compute_dtype, encoders=encoders, activations=max(passes, rolled)
        )
        for ranks in degrees
    ]
    kept = "recomputed layer by layer" if recompute else "all kept (see --recompute)"
    lines = [
        *_rows(preset, counts, compute_dtype, plans),
        "",
        f"activations at {preset.geometry.height_px}x{preset.geometry.width_px}, batch {batch}, "
        f"judged {draws} x: {kept}",
        *_host_lines(counts, parts),
        _verdict(plans),
    ]
    return "\n".join(lines) + "\n"


# --- inside ---------------------------------------------------------------------------------------
def _rows(
    preset: Preset, counts: Counts, compute_dtype: torch.dtype, plans: Sequence[MemoryPlan]
) -> list[str]:
    lines = [
        f"Stage 2 of {preset.name}: 3 networks of {counts.whole:,} parameters",
        f"float32 weights, gradients and AdamW; frozen network and gathered layers "
        f"{str(compute_dtype).removeprefix('torch.')}; GiB per GPU",
        "",
        f"{'GPUs':>5}{'generator':>11}{'fake':>9}{'real':>9}{'gathered':>10}{'encoders':>10}"
        f"{'activations':>13}{'total':>9}",
    ]
    widths = (11, 9, 9, 10, 10, 13, 9)
    for plan in plans:
        sizes = (
            plan.generator,
            plan.fake_score,
            plan.real_score,
            plan.gathered,
            plan.encoders,
            plan.activations,
            plan.total,
        )
        cells = (f"{size / GIB:{width}.2f}" for size, width in zip(sizes, widths, strict=True))
        lines.append(f"{plan.ranks:>5}{''.join(cells)}")
    return lines


def _host_lines(counts: Counts, parts: Parts) -> list[str]:
    others = parts.converted - {"transformer"}
    converted = sum(part.bytes for part in parts.parts if part.name in others)
    frozen = next(part.bytes for part in parts.parts if part.name == "transformer")
    each = counts.whole * WEIGHT_BYTES + converted
    checkpoint = counts.whole * (2 * (WEIGHT_BYTES + OPTIMIZER_BYTES) + AVERAGE_BYTES)
    return [
        f"host memory at the start: {each / GIB:.2f} GiB for each GPU (one network in float32 "
        f"until it is split), and {frozen / GIB:.2f} GiB once (the weights' files)",
        f"a checkpoint takes {checkpoint / GIB:.2f} GiB, also in rank 0's host memory",
    ]


def _verdict(plans: Sequence[MemoryPlan]) -> str:
    least = next((plan.ranks for plan in plans if plan.fits), None)
    size = f"of {GPU_BYTES / 1e9:.0f} GB, with a reserve of {RESERVE_BYTES / GIB:.0f} GiB"
    if least is None:
        return (
            f"It does not fit {plans[-1].ranks} GPUs {size}: lower --batch or --draws, set "
            "--recompute, or use larger GPUs."
        )
    if least == 1:
        return f"It fits one GPU {size}."
    return f"It takes at least {least} GPUs {size}; fewer run out of memory."


def _forget_gradient(parameter: torch.Tensor) -> None:
    parameter.grad = None


def _split(size: int, ranks: int) -> int:
    return -(-size // ranks)
