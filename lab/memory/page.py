"""``docs/memory.md``: what ``flashtalk plan`` says of every preset at every size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flashtalk.cli.plan import networks_table, phase_table
from flashtalk.config import Preset
from flashtalk.placement import ALL_RESIDENT
from flashtalk.placement.plan import Footprint

INTRODUCTION = """\
# Memory

Made by `python -m lab.memory`, like `flashtalk/placement/plan_table.json`, which
`flashtalk plan` reads. A test makes both again and compares. How bytes are counted, and
what a GPU was measured to take: [run-the-14b.md](run-the-14b.md).

**Other sizes.** The bytes of a phase are the highest of one or two lines over the picture's area
(bytes, and bytes for each token of a latent frame), because other tensors may be alive at the peak
of a larger picture. The lines give all sizes below to the byte, and so they do for all others that
were tried, from 64x64 to 1024x1024 pixels. Only the area counts, not the aspect.
"""


def page(footprints: Mapping[str, tuple[Preset, Footprint]]) -> str:
    """The whole page as Markdown; activations that are shown already come at one size."""
    sections = [INTRODUCTION]
    shown: list[Footprint] = []
    for preset, footprint in footprints.values():
        sections.append(f"## {preset.name}\n")
        alike = any(footprint.activations == other.activations for other in shown)
        sections.append(preset_tables(replace(preset, sizes=()) if alike else preset, footprint))
        shown.append(footprint)
    return "\n".join(sections)


def preset_tables(preset: Preset, footprint: Footprint) -> str:
    """The networks, and the phases at every size of ``preset`` under every placement."""
    geometry = preset.geometry
    sizes = preset.sizes or ((geometry.height_px, geometry.width_px),)
    _, _, *lines = networks_table(preset, footprint)
    # embedded networks run on processors: no placement is theirs
    shown = list(footprint.placements) if preset.source else [ALL_RESIDENT.name]
    for height, width in sizes:
        sized = preset.with_size((height, width)).geometry
        budgets = {name: footprint.budget(name, sized) for name in shown}
        lines += ["", f"{height}x{width} pixels, {sized.tokens:,} tokens", *phase_table(budgets)]
    return "\n".join(["```", *lines, *footprint.placements_note.splitlines(), "```", ""])
