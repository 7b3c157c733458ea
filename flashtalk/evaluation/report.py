"""Results -> a table for programs (CSV) and a page for people (HTML) beside the films."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, select_autoescape

from flashtalk.assets import ASSETS
from flashtalk.evaluation.figures import NAMES
from flashtalk.evaluation.suite import Result, Trial

REPORT, TABLE = "report.html", "figures.csv"
TEMPLATES = ASSETS / "evaluation"
Words = Mapping[str, str]
"""What the page says, by the names that the templates ask for."""
_PLOT_WIDTH, _PLOT_HEIGHT = 640, 90
_WIDEST_GAP = 0.3  # of the eyes' distance: the top of a plot
_SHARPEST = 1.5  # of the portrait's sharpness, likewise
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


def write_report(
    folder: Path, talks: Sequence[tuple[Trial, Result]], preset: str, words: Words
) -> None:
    """``report.html`` and ``figures.csv`` about ``talks``, whose films are in ``folder``."""
    write_csv(folder / TABLE, [result for _, result in talks])
    together = sorted(talks, key=lambda talk: talk[1].name)
    title = f"FlashTalk: {preset}, seed {talks[0][1].seed}"
    write_html(folder / REPORT, together, title, words)


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


def write_html(path: Path, talks: Sequence[tuple[Trial, Result]], title: str, words: Words) -> None:
    """The page: means by variant, then each talk's variants side by side, playable in step."""
    groups = [
        {"name": name, "count": len(together), "talks": [_shown(*talk) for talk in together]}
        for name, together in (
            (name, list(group)) for name, group in groupby(talks, key=lambda talk: talk[1].name)
        )
    ]
    text = _rendered(
        "report.html",
        words,
        title=title,
        summary=_summary([result for _, result in talks]),
        groups=groups,
    )
    path.write_text(text, encoding="utf-8")


def pair_html(name: str, count: int, words: Words) -> str:
    """The frame of one portrait with one voice, without its ``count`` talks."""
    return _rendered("pair.html", words, group={"name": name, "count": count, "talks": []})


def talk_html(trial: Trial, result: Result, words: Words, films: str = "") -> str:
    """One talk in such a frame: film, figures and plots; ``films`` is the folder's address."""
    talk = _shown(trial, result)
    return _rendered("talk.html", words, talk=talk | {"film": f"{films}{talk['film']}"})


def _rendered(template: str, words: Words, **values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(["html"])
    )
    return environment.get_template(template).render(
        words=words,
        columns=COLUMNS,
        plot_width=_PLOT_WIDTH,
        plot_height=_PLOT_HEIGHT,
        **values,
    )


def _summary(results: Sequence[Result]) -> list[dict[str, Any]]:
    """For each variant the number of its talks and each figure's mean, as text."""
    rows = []
    for variant in dict.fromkeys(result.variant for result in results):
        figures = [result.figures.row() for result in results if result.variant == variant]
        means = {name: _mean([each[name] for each in figures]) for name in COLUMNS}
        rows.append({"variant": variant, "talks": len(figures), "figures": _texts(means)})
    return rows


def _shown(trial: Trial, result: Result) -> dict[str, Any]:
    """What the page shows of one talk."""
    return {
        "variant": result.variant,
        "film": f"{quote(trial.name)}.mp4",
        "figures": _texts(result.figures.row()),
        "timings": result.timings,
        "plots": _plots(result.series),
        "borders": _borders(len(result.series["change"]), result.new_frames),
    }


def _plots(series: Mapping[str, Sequence[float | None]]) -> list[dict[str, str]]:
    """Two lines over time for each plot, the first one bold."""
    change = [value for value in series["change"] if value is not None]
    most = max(change, default=1.0) or 1.0
    return [
        {
            "title": "lips",
            "first": _line(series["lips"], 0.0, _WIDEST_GAP),
            "second": _line(series["loudness"], _LOWEST_DB, 0.0),
        },
        {
            "title": "likeness",
            "first": _line(series["likeness"], 0.0, 1.0),
            "second": _line(series["sharpness"], 0.0, _SHARPEST),
        },
        {"title": "change", "first": _line(series["change"], 0.0, most), "second": ""},
    ]


def _borders(frames: int, new_frames: int) -> list[str]:
    """Where chunks meet, on the axis of a plot."""
    step = _PLOT_WIDTH / max(frames - 1, 1)
    return [f"{(border - 0.5) * step:.1f}" for border in range(new_frames, frames, new_frames)]


def _texts(figures: dict[str, float]) -> dict[str, str]:
    return {
        name: "–" if math.isnan(figures[name]) else f"{figures[name]:.{column.digits}f}"
        for name, column in COLUMNS.items()
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _line(values: Sequence[float | None], low: float, high: float) -> str:
    """Points of a polyline through ``values`` in low..high, which are left out where unknown."""
    step = _PLOT_WIDTH / max(len(values) - 1, 1)
    shares = [None if value is None else (value - low) / (high - low) for value in values]
    return " ".join(
        f"{index * step:.1f},{_PLOT_HEIGHT * (1.0 - min(max(share, 0.0), 1.0)):.1f}"
        for index, share in enumerate(shares)
        if share is not None
    )
