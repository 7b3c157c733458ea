"""Results -> a table for programs (CSV) and a page for people (HTML) beside the films."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from flashtalk.assets import ASSETS
from flashtalk.evaluation.figures import NAMES
from flashtalk.evaluation.suite import Result, Trial

TEMPLATES = ASSETS / "evaluation"
_PLOT_WIDTH, _PLOT_HEIGHT = 640, 90
_WIDEST_GAP = 0.3  # of the eyes' distance: the top of a plot
_LOWEST_DB = -60.0


@dataclass(frozen=True)
class Column:
    """How a figure is shown."""

    title: str
    digits: int
    meaning: str


COLUMNS = {
    "lip_range": Column("lip range", 3, "5th to 95th percentile of the lip gap, in eye distances"),
    "lip_sound": Column("lips to sound", 2, "correlation with the loudness, at the best lag"),
    "lag_frames": Column("lag", 0, "frames at that lag; positive: the picture is late"),
    "shut_in_pauses": Column("shut in pauses", 2, "share of paused frames with shut lips"),
    "likeness": Column("likeness", 3, "edges around eyes and nose against the portrait's"),
    "sharpness": Column("sharpness", 2, "how fine the face's edges are, over the portrait's"),
    "border_jump": Column("border jump", 2, "change at borders of chunks over that inside"),
    "color_drift": Column("color drift", 1, "CIE76 difference of the last second to the first"),
    "faces_seen": Column("face seen", 2, "share of frames in which the judge sees a face"),
    "real_time": Column("× real time", 2, "seconds of video made per second of work"),
    "first_fragment_s": Column(
        "first bytes, s", 2, "from opening the session to the first playable bytes"
    ),
    "seconds": Column("length, s", 1, "of the talk"),
}


def write_csv(path: Path, results: Sequence[Result]) -> None:
    """One row for each talk; figures that cannot be known are empty."""
    stages = sorted({stage for result in results for stage in result.timings})
    names = ["portrait", "voice", "variant", "seed", *NAMES, *(f"{stage}_s" for stage in stages)]
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, names)
        rows.writeheader()
        for result in results:
            known = {
                name: round(value, 5)
                for name, value in result.figures.row().items()
                if not math.isnan(value)
            }
            timings = {f"{stage}_s": seconds for stage, seconds in result.timings.items()}
            rows.writerow(
                {
                    "portrait": result.portrait,
                    "voice": result.voice,
                    "variant": result.variant,
                    "seed": result.seed,
                    **known,
                    **timings,
                }
            )


def write_html(path: Path, talks: Sequence[tuple[Trial, Result]], title: str) -> None:
    """The page: means by variant, then each talk's variants side by side, playable in step."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(["html"])
    )
    results = [result for _, result in talks]
    text = environment.get_template("report.html").render(
        title=title,
        columns=COLUMNS,
        summary=_summary(results),
        groups=_groups(talks),
        plot_width=_PLOT_WIDTH,
        plot_height=_PLOT_HEIGHT,
    )
    path.write_text(text, encoding="utf-8")


def _summary(results: Sequence[Result]) -> list[dict[str, Any]]:
    """For each variant the number of its talks and each figure's mean, as text."""
    rows = []
    for variant in dict.fromkeys(result.variant for result in results):
        figures = [result.figures.row() for result in results if result.variant == variant]
        means = {name: _mean([each[name] for each in figures]) for name in COLUMNS}
        rows.append({"variant": variant, "talks": len(figures), "figures": _texts(means)})
    return rows


def _groups(talks: Sequence[tuple[Trial, Result]]) -> list[dict[str, Any]]:
    """Talks of one portrait and voice together, each with what the page shows of it."""
    groups = []
    for name, together in groupby(talks, key=lambda talk: talk[1].name):
        shown = [
            {
                "variant": result.variant,
                "film": f"{trial.name}.mp4",
                "figures": _texts(result.figures.row()),
                "timings": result.timings,
                "lips": _line(
                    [None if gap is None else gap / _WIDEST_GAP for gap in result.lip_gaps]
                ),
                "loudness": _line([1.0 - level / _LOWEST_DB for level in result.loudness_db]),
            }
            for trial, result in together
        ]
        groups.append({"name": name, "talks": shown})
    return groups


def _texts(figures: dict[str, float]) -> dict[str, str]:
    return {
        name: "–" if math.isnan(figures[name]) else f"{figures[name]:.{column.digits}f}"
        for name, column in COLUMNS.items()
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _line(values: Sequence[float | None]) -> str:
    """Points of a polyline through ``values`` in 0..1, which are left out where unknown."""
    step = _PLOT_WIDTH / max(len(values) - 1, 1)
    return " ".join(
        f"{index * step:.1f},{_PLOT_HEIGHT * (1.0 - min(max(value, 0.0), 1.0)):.1f}"
        for index, value in enumerate(values)
        if value is not None
    )
