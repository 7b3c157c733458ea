"""Measurements -> the table as markdown, and plots if matplotlib is there.

    python -m lab.evaluation.reports.table --out runs/evaluation

Every entry is the median over seeds with the smallest and largest value. One seed has no spread and
shows none. How fast runs are comes from ``speed.py``, because talks are measured beside each other.
Nothing is generated here.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from flashtalk.errors import FlashTalkError, command
from lab.evaluation.measurements import Measurement, read_measurements
from lab.evaluation.reports.columns import COLUMNS, DRIFTING, SPEED, STEADY, STEADY_PERCENT, Column
from lab.evaluation.reports.summaries import (
    NOT_MEASURED,
    changes,
    duration,
    known_columns,
    median_and_spread,
    moments_of,
    run_names,
    span,
    text_of,
    values_of,
)
from lab.evaluation.reports.talk_plots import draw_plots
from lab.evaluation.segment import FIGURES
from lab.evaluation.speed import SPEED_IS, read_speed
from lab.options import read_options

log = logging.getLogger(__name__)

REPORT = "table.md"
SETTINGS = (
    "weights",
    "steps",
    "guidance",
    "color_strength",
    "lookahead_frames",
    "chunk_frames",
    "flow_prior",
    "causal",
)


def write_report(out: Path, runs: Sequence[str] = ()) -> Path:
    """Write ``table.md`` and plots below ``out`` from the measurements there.

    ``runs`` come first, in their order, all others by name. Raises :class:`FlashTalkError` if there
    is no measurement.
    """
    places = {name: place for place, name in enumerate(runs)}
    measurements = sorted(
        read_measurements(out), key=lambda each: places.get(each.run, len(places))
    )
    if not measurements:
        raise FlashTalkError(
            f"There is no measurement below {out}. Make some with python -m lab.evaluation."
        )
    plots = draw_plots(measurements, out)
    path = out / REPORT
    path.write_text(markdown(measurements, plots, read_speed(out)), encoding="utf-8")
    log.info("%s holds %d measurements", path, len(measurements))
    return path


def markdown(
    measurements: Sequence[Measurement],
    plots: Sequence[Path] = (),
    speeds: Mapping[str, float] = MappingProxyType({}),
) -> str:
    """The whole report; ``speeds`` are frames per second of runs that were timed alone."""
    lengths = sorted({each.segment_s for each in measurements})
    seeds = sorted({each.seed for each in measurements})
    lines = [
        "# Measured talks",
        "",
        "Held-out people and voices only. Each entry is measured over the "
        f"{' or '.join(f'{length:g}' for length in lengths)} s before the moment named: the median "
        f"over {len(seeds)} seeds, and in brackets the smallest and largest value. "
        f"{NOT_MEASURED}: not measured, or not defined there.",
        "",
        speech_line(measurements),
        "",
        "| run | weights | steps | guidance | color strength | frames heard ahead | "
        f"flow prior | causal | {SPEED.title}, {SPEED.target} |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    runs, columns = run_names(measurements), known_columns(measurements)
    for name in runs:
        settings = next(each.settings for each in measurements if each.run == name)
        texts = [text_of(settings.get(key)) for key in SETTINGS]
        texts.append(median_and_spread([speeds.get(name, math.nan)], SPEED.digits))
        lines.append(f"| {name} | {' | '.join(texts)} |")
    for seconds in sorted({each.seconds for each in measurements}):
        table = _table(measurements, runs, columns, seconds)
        lines += ["", f"## At {duration(seconds)}", "", *table]
    lines += ["", *_drift(measurements, runs), "", *_targets(measurements, runs, columns)]
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


def speech_line(measurements: Sequence[Measurement]) -> str:
    """Says what talks consist of, and how much of the longest ones is measured."""
    longest = max(each.seconds for each in measurements)
    run, seed = next((each.run, each.seed) for each in measurements if each.seconds == longest)
    measured: set[int] = set()  # tenths of a second: segments may overlap
    for each in measurements:
        if (each.run, each.seed) == (run, seed):
            stop = 10 * each.seconds
            measured.update(range(stop - round(10 * each.segment_s), stop))
    clips = {each.speech_clips for each in measurements if each.speech_clips is not None}
    seconds = {round(each.speech_s) for each in measurements if each.speech_s is not None}
    known = "few"
    if clips and seconds:
        known = f"{span(clips)}, together {span(seconds)} s"
    return (
        f"A talk joins the held-out clips of one voice ({known}) again and again in random order, "
        f"so its sentences come back. Of {longest} s, {len(measured) / 10:g} s are measured."
    )


def _table(
    measurements: Sequence[Measurement],
    runs: Sequence[str],
    columns: Sequence[Column],
    seconds: int,
) -> list[str]:
    lines = [
        "| run | " + " | ".join(column.title for column in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name in runs:
        entries = [
            median_and_spread(values_of(measurements, name, seconds, column.figure), column.digits)
            for column in columns
        ]
        lines.append(f"| {name} | " + " | ".join(entries) + " |")
    return lines


def _drift(measurements: Sequence[Measurement], runs: Sequence[str]) -> list[str]:
    titles = {column.figure: column for column in COLUMNS}
    shown = [f"{title}, %" for title in STEADY.values()]
    shown += [titles[figure].title for figure in DRIFTING]
    lines = [
        "## Change from the first moment, same talk",
        "",
        "In percent of the first moment where that is said. The color drift is what it is at that "
        "moment.",
        "",
        "| run | at | " + " | ".join(shown) + " |",
        "|---" * (len(shown) + 2) + "|",
    ]
    for name in runs:
        for moment in moments_of(measurements, name)[1:]:
            entries = [
                median_and_spread(changes(measurements, name, figure, moment, percent=True), 1)
                for figure in STEADY
            ]
            for figure in DRIFTING:
                drift = figure.startswith("color_drift")  # a change already
                values = (
                    values_of(measurements, name, moment, figure)
                    if drift
                    else changes(measurements, name, figure, moment)
                )
                entries.append(median_and_spread(values, titles[figure].digits))
            lines.append(f"| {name} | {duration(moment)} | " + " | ".join(entries) + " |")
    return lines


def _targets(
    measurements: Sequence[Measurement], runs: Sequence[str], columns: Sequence[Column]
) -> list[str]:
    aimed = [column for column in columns if column.target]
    steady = [f"{title}, within {STEADY_PERCENT:g} %" for title in STEADY.values()]
    titles = [f"{column.title}, {column.target}" for column in aimed] + steady
    lines = [
        "## How many segments meet a target",
        "",
        "Each segment of each talk by itself. The last four are changes from the talk's first "
        "moment, so of later segments only.",
        "",
        "| run | " + " | ".join(titles) + " |",
        "|---" * (len(titles) + 1) + "|",
    ]
    for name in runs:
        moments = moments_of(measurements, name)
        met = [
            [
                column.meets(value)
                for moment in moments
                for value in values_of(measurements, name, moment, column.figure)
                if not np.isnan(value)
            ]
            for column in aimed
        ]
        met += [
            [
                abs(value) <= STEADY_PERCENT
                for moment in moments[1:]
                for value in changes(measurements, name, figure, moment, percent=True)
                if not np.isnan(value)
            ]
            for figure in STEADY
        ]
        entries = (f"{sum(each)} of {len(each)}" if each else NOT_MEASURED for each in met)
        lines.append(f"| {name} | " + " | ".join(entries) + " |")
    return lines


@dataclass(frozen=True, kw_only=True)
class Table:
    """Write the table of what was measured, and its plots."""

    out: Path = Path("runs/evaluation")
    """Folder of the measurements; table and plots are written beside them."""
    runs: tuple[str, ...] = ()
    """These first, in this order."""


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    config = read_options(Table, arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    write_report(config.out, config.runs)


if __name__ == "__main__":
    sys.exit(main())
