"""A preset -> what its networks take at any picture size, as the package's plan reads it.

A peak is a tensor, or several, of a size that grows with the picture's area. Which ones are alive
at the peak may change from one area to another. So the bytes of a phase are the highest of a few
lines over the area. They are drawn through counts at all sizes of the preset and one below.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from flashtalk.config import Preset
from flashtalk.placement import STREAMED
from flashtalk.placement.plan import GIB, RESERVE_BYTES, Footprint
from flashtalk.stream.timing import NO_TIMER
from flashtalk.weights.empty import PUBLISHED, PublishedSizes
from flashtalk.weights.published import ON_GPU, Precision
from lab.memory.parts import Parts, parts_of
from lab.memory.phases import activation_peaks, run_session
from lab.memory.placed import COLUMNS, placed_weights

Line = tuple[int, int]
"""Bytes at no token, and bytes for each token of a latent frame."""

PLACEMENTS_NOTE = (
    "80gb: all resident, bfloat16. + offload: text and image encoder leave after a session is open."
    f"\n+ FP8: the blocks store 8 bits a weight. 48gb: both. 24gb: both, and "
    f"{STREAMED.resident_blocks} blocks stay, the others\nare streamed from the host. The reserve, "
    f"{RESERVE_BYTES / GIB:.0f} GiB, is an allowance for what no tensor shows."
)

SMALL_SIZE = (256, 256)  # with the smallest size of the preset, the line of small pictures


def count_presets(presets: Iterable[Preset]) -> dict[str, Footprint]:
    """By name; presets that differ in their files alone share the counts of activations."""
    counted: dict[str, tuple[Preset, Footprint]] = {}
    for preset in presets:
        alike = (
            footprint.activations
            for other, footprint in counted.values()
            if (other.transformer, other.geometry) == (preset.transformer, preset.geometry)
        )
        counted[preset.name] = preset, footprint_of(preset, activations=next(alike, None))
    return {name: footprint for name, (_, footprint) in counted.items()}


def footprint_of(
    preset: Preset,
    sizes: PublishedSizes = PUBLISHED,
    precision: Precision = ON_GPU,
    activations: Mapping[str, Sequence[Line]] | None = None,
) -> Footprint:
    """Counts weights, and activations at every area of picture unless they are known."""
    parts = parts_of(preset, sizes, precision)
    blocks = parts.blocks
    note = (
        f"of the transformer, {blocks.count} blocks of {blocks.plain / GIB:.3f} GiB, "
        f"{blocks.fp8 / GIB:.3f} GiB with FP8 weights"
    )
    return Footprint(
        networks=parts.parts,
        networks_note=note if preset.source else "",
        activations=activations or activation_lines(preset, sizes, precision),
        placements={each.name: placed_weights(parts, each) for each in COLUMNS},
        placements_note=PLACEMENTS_NOTE if preset.source else "",
    )


def activation_lines(
    preset: Preset, sizes: PublishedSizes, precision: Precision
) -> dict[str, tuple[Line, ...]]:
    """The lines of every phase through counts at every area of picture that ``preset`` makes."""
    counts: dict[int, Mapping[str, int]] = {}
    for size in counted_sizes(preset):
        sized = preset.with_size(size)
        if not counts:
            fill_caches(parts_of(preset, sizes, precision), sized)
        new = parts_of(preset, sizes, precision)
        counts[sized.geometry.tokens_per_latent] = activation_peaks(new, sized)
    return {
        phase: lines_through([(tokens, counts[tokens][phase]) for tokens in sorted(counts)])
        for phase in next(iter(counts.values()))
    }


def counted_sizes(preset: Preset) -> list[tuple[int, int]]:
    """One (height, width) of each area: the preset's, and a small one if it has several."""
    if not preset.sizes:
        return [(preset.geometry.height_px, preset.geometry.width_px)]
    return [
        SMALL_SIZE,
        *{height * width: (height, width) for height, width in preset.sizes}.values(),
    ]


def fill_caches(parts: Parts, preset: Preset) -> None:
    """Runs a session uncounted: tables that the process makes once are no session's."""
    with torch.no_grad():
        run_session(parts, preset, NO_TIMER)


def lines_through(points: Sequence[tuple[int, int]]) -> tuple[Line, ...]:
    """The fewest lines whose highest one passes through ``points``, given by rising tokens.

    A line ends where the next point is off it. A point that is left alone at the end is joined to
    the one before it. It is joined by whole bytes for each token, rounded up.
    """
    if len(points) == 1:
        return ((points[0][1], 0),)
    lines, start = [], 0
    while start < len(points):
        first = min(start, len(points) - 2)
        (left, low), (right, high) = points[first : first + 2]
        slope = -(-(high - low) // (right - left))
        base = low - slope * left
        lines.append((base, slope))
        start = first + 2
        while start < len(points) and points[start][1] == base + slope * points[start][0]:
            start += 1
    return tuple(lines)


def as_json(footprints: Mapping[str, Footprint]) -> str:
    """The table of ``flashtalk/placement``: a line for each network, phase and placement."""
    entries = []
    for name, each in footprints.items():
        fields = {
            "networks": _listed(json.dumps(asdict(network)) for network in each.networks),
            "networks_note": json.dumps(each.networks_note),
            "activations": _keyed(each.activations),
            "placements": _keyed({key: asdict(value) for key, value in each.placements.items()}),
            "placements_note": json.dumps(each.placements_note),
        }
        lines = ",\n".join(f"    {json.dumps(key)}: {value}" for key, value in fields.items())
        entries.append(f"  {json.dumps(name)}: {{\n{lines}\n  }}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def _listed(values: Iterable[str]) -> str:
    return "[\n" + ",\n".join(f"      {value}" for value in values) + "\n    ]"


def _keyed(entries: Mapping[str, Any]) -> str:
    lines = (f"      {json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items())
    return "{\n" + ",\n".join(lines) + "\n    }"
