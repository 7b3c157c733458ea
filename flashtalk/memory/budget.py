"""Weights and activations of every phase under a placement: what a GPU must hold, and its host.

Arithmetic only: the bytes come from :mod:`flashtalk.memory.parts` and
:mod:`flashtalk.memory.phases`.
"""

from __future__ import annotations

from dataclasses import dataclass

from flashtalk.memory.parts import Parts
from flashtalk.memory.phases import PHASES
from flashtalk.placement.offload import BLOCKS_IN_FLIGHT
from flashtalk.placement.placement import Placement

GIB = 2**30
RESERVE_BYTES = 2 * GIB
"""For what no tensor shows: the CUDA context, workspaces of cuDNN and cuBLAS, gaps between the
allocator's blocks. An allowance, not a measurement."""

VISITORS = ("text_encoder", "image_encoder")


@dataclass(frozen=True)
class PhaseBytes:
    """One phase at its peak."""

    name: str
    weights: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.activations


@dataclass(frozen=True)
class Budget:
    """All phases under one placement."""

    placement: Placement
    phases: tuple[PhaseBytes, ...]
    host_bytes: int
    """The most weights that host memory holds at once: networks whose files hold another type are
    converted there when they load, and streamed blocks stay there."""

    @property
    def peak(self) -> PhaseBytes:
        """The phase that needs most; compare its total with ``torch.cuda.max_memory_allocated``."""
        return max(self.phases, key=lambda phase: phase.total)

    @property
    def gpu_bytes(self) -> int:
        """What the GPU must have: the peak and the reserve."""
        return self.peak.total + RESERVE_BYTES


def budget_of(parts: Parts, activations: dict[str, int], placement: Placement) -> Budget:
    """``activations`` are those of :func:`flashtalk.memory.phases.activation_peaks`."""
    bytes_by_name = {part.name: part.bytes for part in parts.parts}
    blocks = parts.blocks
    block = blocks.fp8 if placement.fp8 else blocks.plain
    kept = blocks.count
    if placement.resident_blocks is not None:
        kept = min(kept, placement.resident_blocks)
    streamed = blocks.count - kept
    on_gpu = kept + min(streamed, BLOCKS_IN_FLIGHT)
    around = bytes_by_name["transformer"] - blocks.count * blocks.plain
    resident = {**bytes_by_name, "transformer": around + on_gpu * block}
    visitors = VISITORS if placement.encoders_leave else ()
    always = sum(size for name, size in resident.items() if name not in visitors)
    phases = []
    for phase, runs in PHASES.items():
        if phase not in activations:
            continue
        visiting = resident[runs] if runs in visitors else 0
        key = "denoise fp8" if phase == "denoise" and placement.fp8 else phase
        phases.append(PhaseBytes(phase, always + visiting, activations[key]))
    converted = sum(part.bytes for part in parts.parts if part.converted)
    return Budget(placement, tuple(phases), converted + streamed * block)
