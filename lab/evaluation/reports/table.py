"""Cells -> the table as markdown, and plots if matplotlib is there.

    python -m lab.evaluation.reports.table --out docs/evaluation

Every entry is the median over seeds with the smallest and largest value; one seed has no spread and
shows none. How fast rows are comes from ``speed.py``, because cells are made beside each other.
Nothing is generated here.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from flashtalk.errors import FlashTalkError, command
from lab.evaluation.measurements import Cell, read_cells
from lab.evaluation.reports.plots import can_draw, plot
from lab.evaluation.segment import FIGURES
from lab.evaluation.speed import SPEED_IS, read_speed

log = logging.getLogger(__name__)

REPORT = "table.md"
STEADY_PERCENT = 5.0  # most that a steady figure may change from a talk's first moment on
NOT_MEASURED = "–"


@dataclass(frozen=True)
class Column:
    """One figure as the table shows it."""

    figure: str
    title: str
    digits: int = 2
    lowest: float | None = None
    highest: float | None = None
    """The target; None: there is none on that side."""

    @property
    def target(self) -> str:
        """As text, empty if there is none."""
        if self.lowest is not None and self.highest is not None:
            return f"{self.lowest:g} to {self.highest:g}"
        if self.lowest is not None:
            return f"≥ {self.lowest:.{self.digits}f}"
        return f"≤ {self.highest:.{self.digits}f}" if self.highest is not None else ""

    def meets(self, value: float) -> bool:
        """Whether ``value`` meets the target."""
        return (self.lowest is None or value >= self.lowest) and (
            self.highest is None or value <= self.highest
        )


COLUMNS = (
    Column("lip_correlation", "lip correlation", lowest=0.8),
    Column("lag_frames", "lag, frames", digits=0, lowest=-1, highest=1),
    Column("closures", "p b m closed", lowest=0.85),
    Column("open_vowels", "vowels open"),
    Column("lip_range", "lip range"),
    Column("sync_c", "sync C (own)"),
    Column("sync_d", "sync D (own)"),
    Column("identity", "likeness"),
    Column("sharpness", "sharpness"),
    Column("edge_energy", "edge energy"),
    Column("delta_e", "ΔE", digits=1),
    Column("color_drift", "color drift, ΔE", digits=1),
    Column("color_drift_percent", "color drift, %", digits=1, highest=STEADY_PERCENT),
    Column("border_jump", "border jump", highest=1.15),
    Column("blinks_per_min", "blinks / min", digits=0),
    Column("head_sway", "head sway, rad", digits=3),
    Column("head_shake", "head shake, rad", digits=4),
)
SPEED = Column("frames_per_s", "frames / s", digits=0, lowest=25)  # of a row, not of a stretch
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
STEADY = {
    "identity": "likeness",
    "identity_worst": "likeness, its 5th percentile",
    "sharpness": "sharpness",
    "edge_energy": "edge energy",
}
DRIFTING = ("color_drift", "color_drift_percent", "delta_e", "lip_correlation", "closures")


def write_report(out: Path, rows: Sequence[str] = ()) -> Path:
    """Write ``table.md`` and plots below ``out`` from the cells there.

    ``rows`` come first, in their order, all others by name. Raises :class:`FlashTalkError` if there
    is no cell.
    """
    places = {name: place for place, name in enumerate(rows)}
    cells = sorted(read_cells(out), key=lambda cell: places.get(cell.variant, len(places)))
    if not cells:
        raise FlashTalkError(
            f"There is no measured cell below {out}. Make some with python -m lab.evaluation."
        )
    plots = draw_plots(cells, out)
    path = out / REPORT
    path.write_text(markdown(cells, plots, read_speed(out)), encoding="utf-8")
    log.info("%s holds %d cells", path, len(cells))
    return path


def markdown(
    cells: Sequence[Cell],
    plots: Sequence[Path] = (),
    speeds: Mapping[str, float] = MappingProxyType({}),
) -> str:
    """The whole report; ``speeds`` are frames per second of rows that were timed alone."""
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
        speech_line(cells),
        "",
        "| row | weights | steps | guidance | color strength | seam frames | frames heard ahead | "
        f"errors return to a face | causal | {SPEED.title}, {SPEED.target} |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows, columns = _rows(cells), known_columns(cells)
    for name in rows:
        settings = next(cell.settings for cell in cells if cell.variant == name)
        texts = [_text(settings.get(key)) for key in SETTINGS]
        texts.append(median_and_spread([speeds.get(name, math.nan)], SPEED.digits))
        lines.append(f"| {name} | {' | '.join(texts)} |")
    for seconds in sorted({cell.seconds for cell in cells}):
        lines += ["", f"## At {_duration(seconds)}", "", *_table(cells, rows, columns, seconds)]
    lines += ["", *_drift(cells, rows), "", *_targets(cells, rows, columns)]
    lines += ["", "## What the columns are", ""]
    lines += [
        f"- **{column.title}**: {FIGURES[column.figure]}"
        + (f"; target {column.target}" if column.target else "")
        for column in columns
    ]
    lines += [
        f"- **{SPEED.title}**: {SPEED_IS} (`--bench`); target {SPEED.target}",
        "",
        "## Plots",
        "",
    ]
    lines += [f"![{path.stem}]({path.name})" for path in plots] or [
        "None: matplotlib was not installed where this was made (`pip install matplotlib`, then "
        "`python -m lab.evaluation.reports.table --out` this folder)."
    ]
    return "\n".join(lines) + "\n"


def speech_line(cells: Sequence[Cell]) -> str:
    """What talks consist of, and how much of the longest ones is measured."""
    longest = max(cell.seconds for cell in cells)
    row, seed = next((cell.variant, cell.seed) for cell in cells if cell.seconds == longest)
    measured: set[int] = set()  # tenths of a second: stretches may overlap
    for cell in cells:
        if (cell.variant, cell.seed) == (row, seed):
            stop = 10 * cell.seconds
            measured.update(range(stop - round(10 * cell.window_s), stop))
    clips = {cell.speech_clips for cell in cells} - {None}
    seconds = {round(cell.speech_s) for cell in cells if cell.speech_s is not None}
    known = "few"
    if clips and seconds:
        known = f"{_range(clips)}, together {_range(seconds)} s"
    return (
        f"A talk joins the held-out clips of one voice ({known}) again and again in random order, "
        f"so its sentences come back. Of {longest} s, {len(measured) / 10:g} s are measured."
    )


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
    return cell.figures.get(figure, float("nan"))


def values_of(cells: Sequence[Cell], variant: str, seconds: int, figure: str) -> list[float]:
    """One figure of all seeds; NaN where a cell lacks it."""
    return [
        value_of(cell, figure)
        for cell in cells
        if cell.variant == variant and cell.seconds == seconds
    ]


def changes(
    cells: Sequence[Cell],
    variant: str,
    figure: str,
    moment: int | None = None,
    percent: bool = False,
) -> list[float]:
    """``moment`` (or the last) minus the first, seed by seed, of the seeds that have both.

    In percent of the first if that is asked for.
    """
    moments = _moments(cells, variant)
    last = moments[-1] if moment is None and moments else moment
    found = {
        (cell.seed, cell.seconds): value_of(cell, figure)
        for cell in cells
        if cell.variant == variant
    }
    seeds = sorted({seed for seed, _ in found})
    pairs = [
        (found[seed, moments[0]], found[seed, last])
        for seed in seeds
        if last != moments[0] and (seed, moments[0]) in found and (seed, last) in found
    ]
    return [(b / a - 1) * 100 if percent else b - a for a, b in pairs]


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
    moments = _moments(cells, variant)
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
    shown = [f"{title}, %" for title in STEADY.values()]
    shown += [titles[figure].title for figure in DRIFTING]
    lines = [
        "## Change from the first moment, same talk",
        "",
        "In percent of the first moment where that is said. The color drift is what it is at that "
        "moment.",
        "",
        "| row | at | " + " | ".join(shown) + " |",
        "|---" * (len(shown) + 2) + "|",
    ]
    for name in rows:
        for moment in _moments(cells, name)[1:]:
            entries = [
                median_and_spread(changes(cells, name, figure, moment, percent=True), 1)
                for figure in STEADY
            ]
            for figure in DRIFTING:
                drift = figure.startswith("color_drift")  # a change already
                values = (
                    values_of(cells, name, moment, figure)
                    if drift
                    else changes(cells, name, figure, moment)
                )
                entries.append(median_and_spread(values, titles[figure].digits))
            lines.append(f"| {name} | {_duration(moment)} | " + " | ".join(entries) + " |")
    return lines


def _targets(cells: Sequence[Cell], rows: Sequence[str], columns: Sequence[Column]) -> list[str]:
    aimed = [column for column in columns if column.target]
    steady = [f"{title}, within {STEADY_PERCENT:g} %" for title in STEADY.values()]
    titles = [f"{column.title}, {column.target}" for column in aimed] + steady
    lines = [
        "## How many stretches meet a target",
        "",
        "Each stretch of each talk by itself. The last four are changes from the talk's first "
        "moment, so of later stretches only.",
        "",
        "| row | " + " | ".join(titles) + " |",
        "|---" * (len(titles) + 1) + "|",
    ]
    for name in rows:
        moments = _moments(cells, name)
        met = [
            [
                column.meets(value)
                for moment in moments
                for value in values_of(cells, name, moment, column.figure)
                if not np.isnan(value)
            ]
            for column in aimed
        ]
        met += [
            [
                abs(value) <= STEADY_PERCENT
                for moment in moments[1:]
                for value in changes(cells, name, figure, moment, percent=True)
                if not np.isnan(value)
            ]
            for figure in STEADY
        ]
        entries = (f"{sum(each)} of {len(each)}" if each else NOT_MEASURED for each in met)
        lines.append(f"| {name} | " + " | ".join(entries) + " |")
    return lines


def _moments(cells: Sequence[Cell], variant: str) -> list[int]:
    return sorted({cell.seconds for cell in cells if cell.variant == variant})


def _range(values: Collection[int]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


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
