"""Cells -> the table as markdown, and plots if matplotlib is there.

    python -m flashtalk.evaluation.table --out docs/evaluation

Every entry is the median over seeds with the smallest and largest value; one seed has no spread and
shows none. Nothing is generated here.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flashtalk.errors import FlashTalkError, command
from flashtalk.evaluation.cells import Cell, read_cells
from flashtalk.evaluation.plots import can_draw, plot
from flashtalk.evaluation.stretch import FIGURES

log = logging.getLogger(__name__)

REPORT = "table.md"
SPEED = "frames_per_s"
NOT_MEASURED = "–"


@dataclass(frozen=True)
class Column:
    """One figure as the table shows it."""

    figure: str
    title: str
    digits: int = 2
    target: str = ""


COLUMNS = (
    Column("lip_correlation", "lip correlation", target="≥ 0.80"),
    Column("lag_frames", "lag, frames", digits=0, target="within ±1"),
    Column("closures", "p b m closed", target="≥ 0.85"),
    Column("open_vowels", "vowels open"),
    Column("lip_range", "lip range"),
    Column("sync_c", "sync C (own)"),
    Column("sync_d", "sync D (own)"),
    Column("identity", "likeness"),
    Column("sharpness", "sharpness"),
    Column("edge_energy", "edge energy"),
    Column("delta_e", "ΔE", digits=1),
    Column("border_jump", "border jump", target="≤ 1.15"),
    Column("blinks_per_min", "blinks / min", digits=0),
    Column("head_sway", "head sway, rad", digits=3),
    Column("head_shake", "head shake, rad", digits=4),
    Column(SPEED, "frames / s", digits=0, target="≥ 25"),
)
SETTINGS = (
    "weights",
    "steps",
    "guidance",
    "color_strength",
    "seam_frames",
    "lookahead_frames",
    "face_like",
    "causal",
)
DRIFTING = ("identity", "sharpness", "delta_e", "lip_correlation", "closures")


def write_report(out: Path, rows: Sequence[str] = ()) -> Path:
    """Write ``table.md`` and plots below ``out`` from the cells there.

    ``rows`` come first, in their order, all others by name. Raises :class:`FlashTalkError` if there
    is no cell.
    """
    places = {name: place for place, name in enumerate(rows)}
    cells = sorted(read_cells(out), key=lambda cell: places.get(cell.variant, len(places)))
    if not cells:
        raise FlashTalkError(
            f"There is no measured cell below {out}. Make some with python -m flashtalk.evaluation."
        )
    plots = draw_plots(cells, out)
    path = out / REPORT
    path.write_text(markdown(cells, plots), encoding="utf-8")
    log.info("%s holds %d cells", path, len(cells))
    return path


def markdown(cells: Sequence[Cell], plots: Sequence[Path] = ()) -> str:
    """The whole report."""
    windows = sorted({cell.window_s for cell in cells})
    seeds = sorted({cell.seed for cell in cells})
    lines = [
        "# Measured talks",
        "",
        "Held-out people and voices only. Each entry is measured over the "
        f"{' or '.join(f'{window:g}' for window in windows)} s before the moment named: the median "
        f"over {len(seeds)} seeds, and in brackets the smallest and largest value. "
        f"{NOT_MEASURED}: not measured, or not defined there.",
        "",
        "| row | weights | steps | guidance | color strength | seam frames | frames heard ahead | "
        "errors return to a face | causal |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows, columns = _rows(cells), known_columns(cells)
    for name in rows:
        settings = next(cell.settings for cell in cells if cell.variant == name)
        texts = [_text(settings.get(key)) for key in SETTINGS]
        lines.append(f"| {name} | {' | '.join(texts)} |")
    for seconds in sorted({cell.seconds for cell in cells}):
        lines += ["", f"## At {_duration(seconds)}", "", *_table(cells, rows, columns, seconds)]
    lines += ["", *_drift(cells, rows), "", "## What the columns are", ""]
    lines += [
        f"- **{column.title}**: {FIGURES.get(column.figure, 'made per second of wall time')}"
        + (f"; target {column.target}" if column.target else "")
        for column in columns
    ]
    lines += ["", "## Plots", ""]
    lines += [f"![{path.stem}]({path.name})" for path in plots] or [
        "None: matplotlib was not installed where this was made (`pip install matplotlib`, then "
        "`python -m flashtalk.evaluation.table --out` this folder)."
    ]
    return "\n".join(lines) + "\n"


def median_and_spread(values: Sequence[float], digits: int) -> str:
    """``median (min to max)`` of the values that are known."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return NOT_MEASURED
    middle = f"{np.median(known):.{digits}f}"
    if len(known) == 1:
        return middle
    return f"{middle} ({min(known):.{digits}f} to {max(known):.{digits}f})"


def known_columns(cells: Sequence[Cell]) -> list[Column]:
    """Those of which any cell has a figure: without a sync network there is no sync C."""
    return [
        column
        for column in COLUMNS
        if not all(np.isnan(value_of(cell, column.figure)) for cell in cells)
    ]


def value_of(cell: Cell, figure: str) -> float:
    """One figure of one cell; NaN if it lacks it."""
    return cell.frames_per_s if figure == SPEED else cell.figures.get(figure, float("nan"))


def values_of(cells: Sequence[Cell], variant: str, seconds: int, figure: str) -> list[float]:
    """One figure of all seeds; NaN where a cell lacks it."""
    return [
        value_of(cell, figure)
        for cell in cells
        if cell.variant == variant and cell.seconds == seconds
    ]


def changes(cells: Sequence[Cell], variant: str, figure: str) -> list[float]:
    """Last moment minus first, seed by seed, of the seeds that have both."""
    moments = sorted({cell.seconds for cell in cells if cell.variant == variant})
    found = {
        (cell.seed, cell.seconds): value_of(cell, figure)
        for cell in cells
        if cell.variant == variant
    }
    seeds = sorted({seed for seed, _ in found})
    return [
        found[seed, moments[-1]] - found[seed, moments[0]]
        for seed in seeds
        if len(moments) > 1 and (seed, moments[0]) in found and (seed, moments[-1]) in found
    ]


def draw_plots(cells: Sequence[Cell], out: Path) -> list[Path]:
    """A plot of each column over the length of the talk; nothing without matplotlib."""
    if not can_draw():
        return []
    paths = []
    rows, moments = _rows(cells), sorted({cell.seconds for cell in cells})
    for column in known_columns(cells):
        path = out / f"{column.figure}.png"
        with plot(path, "length of the talk", column.title) as axes:
            for place, name in enumerate(rows):
                middle, low, high = (
                    _line(cells, name, column.figure, summary)
                    for summary in (np.nanmedian, np.nanmin, np.nanmax)
                )
                if middle:  # side by side, or the spreads would hide each other
                    seconds = [s * 1.05 ** (place - (len(rows) - 1) / 2) for s, _ in middle]
                    values = np.array([[v for _, v in line] for line in (middle, low, high)])
                    spread = (values[0] - values[1], values[2] - values[0])
                    axes.errorbar(seconds, values[0], spread, marker="o", capsize=2, label=name)
            axes.set_xscale("log")
            axes.set_xticks(moments, [_duration(moment) for moment in moments])
            axes.set_xticks([], minor=True)
        paths.append(path)
    return paths


# --- inside ---------------------------------------------------------------------------------------
def _rows(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.variant for cell in cells))


def _line(
    cells: Sequence[Cell], variant: str, figure: str, summary: Callable[[list[float]], float]
) -> list[tuple[int, float]]:
    moments = sorted({cell.seconds for cell in cells if cell.variant == variant})
    points = ((s, values_of(cells, variant, s, figure)) for s in moments)
    return [(s, float(summary(values))) for s, values in points if not np.isnan(values).all()]


def _table(
    cells: Sequence[Cell], rows: Sequence[str], columns: Sequence[Column], seconds: int
) -> list[str]:
    lines = [
        "| row | " + " | ".join(column.title for column in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name in rows:
        entries = [
            median_and_spread(values_of(cells, name, seconds, column.figure), column.digits)
            for column in columns
        ]
        lines.append(f"| {name} | " + " | ".join(entries) + " |")
    return lines


def _drift(cells: Sequence[Cell], rows: Sequence[str]) -> list[str]:
    titles = {column.figure: column for column in COLUMNS}
    lines = [
        "## Change from the first moment to the last, same talk",
        "",
        "| row | " + " | ".join(titles[figure].title for figure in DRIFTING) + " |",
        "|---" * (len(DRIFTING) + 1) + "|",
    ]
    for name in rows:
        entries = (
            median_and_spread(changes(cells, name, figure), titles[figure].digits)
            for figure in DRIFTING
        )
        lines.append(f"| {name} | " + " | ".join(entries) + " |")
    return lines


def _duration(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 or seconds % 60 else f"{seconds // 60} min"


def _text(value: str | float | None) -> str:
    return (
        NOT_MEASURED if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    )


@command
def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/evaluation"))
    parser.add_argument("--rows", nargs="+", default=[], help="these first, in this order")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    write_report(arguments.out, arguments.rows)


if __name__ == "__main__":
    sys.exit(main())
