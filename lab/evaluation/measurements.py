"""Cells of the table on disk: one JSON per row, seed and length, written whole or not at all."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER = "cells"  # below the output folder


@dataclass(frozen=True)
class Cell:
    """What was measured at one moment of one talk."""

    variant: str
    seed: int
    seconds: int
    """How long the talk had lasted; the figures are of the stretch that ends there."""
    person: str
    voice: str
    window_s: float
    settings: Mapping[str, str | float | None]
    digest: str
    """Of weights, settings, judges and clips: a cell of others is made again."""
    frames_per_s: float
    """Frames made per second of wall time, measuring left out, beside whatever else ran: how fast
    a row is when it is alone is in ``speed.py``."""
    figures: Mapping[str, float]
    """Named by ``stretch.FIGURES``; NaN where something cannot be known."""
    speech_clips: int | None = None
    """Different clips that the talk joins; None in cells of before this was noted."""
    speech_s: float | None = None
    """Seconds of speech in them, likewise."""


def cell_path(out: Path, variant: str, seed: int, seconds: int) -> Path:
    """Where a cell lies below the output folder."""
    return out / FOLDER / variant / f"seed{seed}-{seconds}s.json"


def write_cell(out: Path, cell: Cell) -> Path:
    """Write ``cell`` under its own name, at once."""
    path = cell_path(out, cell.variant, cell.seed, cell.seconds)
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = {name: None if math.isnan(value) else value for name, value in cell.figures.items()}
    write_whole(path, asdict(cell) | {"figures": figures})
    return path


def write_whole(path: Path, content: Mapping[str, object]) -> None:
    """Write ``content`` as JSON; a stop never leaves half a file."""
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_cell(path: Path) -> Cell | None:
    """The cell in ``path``; None, with a warning, if the file is none."""
    try:
        content = json.loads(path.read_text())
        content["figures"] = {
            name: math.nan if value is None else float(value)
            for name, value in content["figures"].items()
        }
        return Cell(**content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("%s is no cell and is left out: %s", path, error)
        return None


def read_cells(out: Path) -> list[Cell]:
    """All cells below the output folder, by row, length and seed."""
    cells = [cell for path in (out / FOLDER).glob("*/*.json") if (cell := read_cell(path))]
    return sorted(cells, key=lambda cell: (cell.variant, cell.seconds, cell.seed))


def is_done(out: Path, variant: str, seed: int, seconds: int, digest: str) -> bool:
    """Whether that cell is there and was made by the same weights, settings and judges."""
    path = cell_path(out, variant, seed, seconds)
    cell = read_cell(path) if path.is_file() else None
    return cell is not None and cell.digest == digest
