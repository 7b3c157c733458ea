"""Counts the bytes of the presets again, and writes the plan's table and ``docs/memory.md``.

    python -m lab.memory
    python -m lab.memory --weights FOLDER

The second form prints the tables of a local checkpoint in the published layout. Only its
config.json files are read. About a minute each; no GPU, no download.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flashtalk.config import PRESETS
from flashtalk.errors import command
from flashtalk.placement.plan import TABLE
from flashtalk.weights.checkpoint import find_checkpoint
from flashtalk.weights.dry_run import dry_run_of
from lab.memory.page import page, preset_tables
from lab.memory.table import as_json, count_presets, footprint_of
from lab.options import read_options

PAGE = Path(__file__).parents[2] / "docs" / "memory.md"


@dataclass(frozen=True)
class Count:
    """Count the bytes of the presets again."""

    weights: str | None = None
    """A local folder: print its tables, write nothing."""


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    weights = read_options(Count, arguments).weights
    if weights:
        dry_run = dry_run_of(weights)
        preset = replace(dry_run.preset, sizes=find_checkpoint(weights).preset.sizes)
        sys.stdout.write(preset_tables(preset, footprint_of(preset, dry_run.sizes)))
        return
    counted = count_presets(PRESETS.values())
    TABLE.write_text(as_json(counted), encoding="utf-8")
    PAGE.write_text(page({n: (PRESETS[n], each) for n, each in counted.items()}), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
