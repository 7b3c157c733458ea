"""A plot of each column of the table over the length of the talk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lab.evaluation.measurements import Measurement
from lab.evaluation.reports.plots import can_draw, plot
from lab.evaluation.reports.summaries import (
    duration,
    known_columns,
    moments_of,
    run_names,
    values_of,
)


def draw_plots(measurements: Sequence[Measurement], out: Path) -> list[Path]:
    """A plot of each column over the length of the talk; nothing without matplotlib."""
    if not can_draw():
        return []
    paths = []
    runs = run_names(measurements)
    moments = sorted({each.seconds for each in measurements})
    for column in known_columns(measurements):
        path = out / f"{column.figure}.png"
        with plot(path, "length of the talk", column.title) as axes:
            for place, name in enumerate(runs):
                middle, low, high = (
                    _line(measurements, name, column.figure, summary)
                    for summary in (np.nanmedian, np.nanmin, np.nanmax)
                )
                if middle:  # side by side, or the spreads would hide each other
                    seconds = [s * 1.05 ** (place - (len(runs) - 1) / 2) for s, _ in middle]
                    values = np.array([[v for _, v in line] for line in (middle, low, high)])
                    spread = (values[0] - values[1], values[2] - values[0])
                    axes.errorbar(seconds, values[0], spread, marker="o", capsize=2, label=name)
            axes.set_xscale("log")
            axes.set_xticks(moments, [duration(moment) for moment in moments])
            axes.set_xticks([], minor=True)
        paths.append(path)
    return paths


def _line(
    measurements: Sequence[Measurement],
    run: str,
    figure: str,
    summary: Callable[[list[float]], float],
) -> list[tuple[int, float]]:
    moments = moments_of(measurements, run)
    points = ((s, values_of(measurements, run, s, figure)) for s in moments)
    return [(s, float(summary(values))) for s, values in points if not np.isnan(values).all()]
