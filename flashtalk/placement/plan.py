"""Does it fit? Weights and activations of every phase under a placement, read from a table.

``python -m lab.memory`` counts the figures of ``plan_table.json`` by running the real code on
tensors without memory. Here they are looked up and added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flashtalk.geometry import ChunkGeometry

GIB = 2**30
RESERVE_BYTES = 2 * GIB
"""For what no tensor shows: the CUDA context, workspaces of cuDNN and cuBLAS, gaps between the
allocator's blocks. An allowance, not a measurement."""

TABLE = Path(__file__).with_name("plan_table.json")


@dataclass(frozen=True)
class NetworkBytes:
    """How large one network is; ``download_bytes`` is 0 if it comes with the package."""

    name: str
    parameters: int
    dtype: str
    bytes: int
    """Parameters and buffers, in the type it runs in."""
    download_bytes: int


@dataclass(frozen=True)
class PlacedWeights:
    """Where the weights are under one placement."""

    gpu_bytes: Mapping[str, int]
    """On the GPU, by phase."""
    host_bytes: int
    """The most weights that host memory holds at once. Networks whose files hold another type are
    converted there when they load, and streamed blocks stay there.
    """


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
    """All phases under one placement, at one size of picture."""

    placement: str
    phases: tuple[PhaseBytes, ...]
    host_bytes: int

    @property
    def peak(self) -> PhaseBytes:
        """The phase that needs most; compare its total with ``torch.cuda.max_memory_allocated``."""
        return max(self.phases, key=lambda phase: phase.total)

    @property
    def gpu_bytes(self) -> int:
        """Memory that the GPU must have: the peak and the reserve."""
        return self.peak.total + RESERVE_BYTES


@dataclass(frozen=True)
class Footprint:
    """Memory that the networks of a preset take."""

    networks: tuple[NetworkBytes, ...]
    networks_note: str
    activations: Mapping[str, Sequence[tuple[int, int]]]
    """By phase, for one session: lines (bytes, bytes for each token of a latent frame). The highest
    line is the peak of everything but stored weights."""
    placements: Mapping[str, PlacedWeights]
    placements_note: str

    @property
    def download_bytes(self) -> int:
        """Everything that has to be fetched once."""
        return sum(network.download_bytes for network in self.networks)

    def budget(self, placement: str, geometry: ChunkGeometry) -> Budget:
        """Memory under a placement, phase by phase, at the picture size of ``geometry``."""
        weights, tokens = self.placements[placement], geometry.tokens_per_latent
        phases = tuple(
            PhaseBytes(
                phase.removesuffix(" fp8"),
                gpu_bytes,
                max(base + slope * tokens for base, slope in self.activations[phase]),
            )
            for phase, gpu_bytes in weights.gpu_bytes.items()
        )
        return Budget(placement, phases, weights.host_bytes)


@cache
def footprints() -> dict[str, Footprint]:
    """The committed table, by the presets' names."""
    return {
        name: Footprint(
            networks=tuple(NetworkBytes(**network) for network in entry["networks"]),
            networks_note=entry["networks_note"],
            activations=entry["activations"],
            placements={key: PlacedWeights(**each) for key, each in entry["placements"].items()},
            placements_note=entry["placements_note"],
        )
        for name, entry in json.loads(TABLE.read_text(encoding="utf-8")).items()
    }
