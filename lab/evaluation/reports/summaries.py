"""Measurements -> numbers of the table: medians, spreads and changes of a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from lab.evaluation.measurements import Measurement
from lab.evaluation.reports.columns import COLUMNS, Column

NOT_MEASURED = "–"


def median_and_spread(values: Sequence[float], digits: int) -> str:
    """``median (min to max)`` of the values that are known."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return NOT_MEASURED
    middle = f"{np.median(known):.{digits}f}"
    if len(known) == 1:
        return middle
    return f"{middle} ({min(known):.{digits}f} to {max(known):.{digits}f})"


def known_columns(measurements: Sequence[Measurement]) -> list[Column]:
    """Those of which any measurement has a figure: without a sync network there is no sync C."""
    return [
        column
        for column in COLUMNS
        if not all(np.isnan(value_of(each, column.figure)) for each in measurements)
    ]


def value_of(measurement: Measurement, figure: str) -> float:
    """One figure of one measurement; NaN if it lacks it."""
    return measurement.figures.get(figure, float("nan"))


def values_of(
    measurements: Sequence[Measurement], run: str, seconds: int, figure: str
) -> list[float]:
    """One figure of all seeds; NaN where a measurement lacks it."""
    return [
        value_of(each, figure)
        for each in measurements
        if each.run == run and each.seconds == seconds
    ]


def changes(
    measurements: Sequence[Measurement],
    run: str,
    figure: str,
    moment: int | None = None,
    percent: bool = False,
) -> list[float]:
    """``moment`` (or the last) minus the first, seed by seed, of the seeds that have both.

    In percent of the first if that is asked for.
    """
    moments = moments_of(measurements, run)
    last = moments[-1] if moment is None and moments else moment
    found = {
        (each.seed, each.seconds): value_of(each, figure)
        for each in measurements
        if each.run == run
    }
    if last is None:
        return []
    seeds = sorted({seed for seed, _ in found})
    pairs = [
        (found[seed, moments[0]], found[seed, last])
        for seed in seeds
        if last != moments[0] and (seed, moments[0]) in found and (seed, last) in found
    ]
    return [(b / a - 1) * 100 if percent else b - a for a, b in pairs]


def run_names(measurements: Sequence[Measurement]) -> list[str]:
    """Names of the runs, in the order of their first measurements."""
    return list(dict.fromkeys(each.run for each in measurements))


def moments_of(measurements: Sequence[Measurement], run: str) -> list[int]:
    """Moments at which ``run`` was measured, in seconds, ascending."""
    return sorted({each.seconds for each in measurements if each.run == run})


def duration(seconds: int) -> str:
    """Seconds as a person writes them: 10 s, 5 min."""
    return f"{seconds} s" if seconds < 60 or seconds % 60 else f"{seconds // 60} min"


def span(values: Collection[int]) -> str:
    """``values``, or the smallest and largest of them."""
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def text_of(value: str | float | None) -> str:
    """A setting as the table shows it."""
    return (
        NOT_MEASURED if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    )
