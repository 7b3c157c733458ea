"""Measurements survive the disk, and the table says their median, spread and change."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from flashtalk.errors import FlashTalkError
from lab.evaluation.measurements import Measurement, is_done, read_measurements, write_measurement
from lab.evaluation.reports.summaries import (
    changes,
    known_columns,
    median_and_spread,
    values_of,
)
from lab.evaluation.reports.table import markdown, speech_line, write_report
from lab.evaluation.speed import read_speed, write_speed

ONE = Measurement(
    run="ours",
    seed=0,
    seconds=10,
    person="000009",
    voice="alma",
    segment_s=10.0,
    settings={
        "weights": "here",
        "steps": 4,
        "guidance": 1.0,
        "color_strength": 1.0,
        "lookahead_frames": 5,
        "chunk_frames": 33,
        "flow_prior": True,
        "causal": False,
    },
    digest="abc",
    frames_per_s=31.4,
    figures={"lip_correlation": 0.8, "closures": math.nan},
)


def one(seed: int, seconds: int, correlation: float, run: str = "ours") -> Measurement:
    figures = {"lip_correlation": correlation}
    return replace(ONE, seed=seed, seconds=seconds, figures=figures, run=run)


def test_a_measurement_comes_back_from_the_disk(tmp_path: Path) -> None:
    path = write_measurement(tmp_path, ONE)
    assert "NaN" not in path.read_text()
    (found,) = read_measurements(tmp_path)
    assert math.isnan(found.figures["closures"])
    assert replace(found, figures={}) == replace(ONE, figures={})
    assert found.figures["lip_correlation"] == 0.8


def test_a_measurement_is_done_for_its_own_weights_only(tmp_path: Path) -> None:
    assert not is_done(tmp_path, "ours", 0, 10, "abc")
    write_measurement(tmp_path, ONE)
    assert is_done(tmp_path, "ours", 0, 10, "abc")
    assert not is_done(tmp_path, "ours", 0, 10, "other weights")
    assert not is_done(tmp_path, "ours", 1, 10, "abc")


def test_half_a_file_is_left_out(tmp_path: Path) -> None:
    path = write_measurement(tmp_path, ONE)
    path.write_text(path.read_text()[:50])
    assert read_measurements(tmp_path) == []
    with pytest.raises(FlashTalkError, match="no measurement"):
        write_report(tmp_path)


def test_entries_are_median_and_spread() -> None:
    assert median_and_spread([0.9, 0.7, 0.75], 2) == "0.75 (0.70 to 0.90)"
    assert median_and_spread([0.5, math.nan], 2) == "0.50"
    assert median_and_spread([math.nan], 2) == "–"


def test_change_is_last_minus_first_of_the_same_seed() -> None:
    measured = [one(0, 10, 0.8), one(0, 60, 0.9), one(0, 900, 0.5), one(1, 10, 0.4)]
    assert changes(measured, "ours", "lip_correlation") == pytest.approx([-0.3])
    assert values_of(measured, "ours", 10, "lip_correlation") == [0.8, 0.4]


def test_the_report_has_a_table_per_moment_with_runs_in_order(tmp_path: Path) -> None:
    measured = [
        one(0, 10, 0.81),
        one(0, 300, 0.52),
        one(0, 10, 0.11, run="baseline"),
        one(0, 10, 0.22, run="another"),
    ]
    for each in measured:
        write_measurement(tmp_path, each)
    text = write_report(tmp_path, ["baseline", "ours"]).read_text(encoding="utf-8")
    assert text == (tmp_path / "table.md").read_text(encoding="utf-8")
    first, later = text.index("## At 10 s"), text.index("## At 5 min")
    rows = [
        text.index(row, first) for row in ("| baseline | 0.11", "| ours | 0.81", "| another | 0.22")
    ]
    assert rows == sorted(rows) and rows[-1] < later
    assert text.index("| ours | 0.52") > later
    drift = text[text.index("## Change") :]
    assert "| ours | 5 min | – | – | – | – | – | – | – | -0.29 | – |" in drift
    assert "| ours | here | 4 | 1 | 1 |" in text


def test_missing_plots_are_said() -> None:
    assert "matplotlib was not installed" in markdown([ONE])


def test_columns_that_nothing_is_known_of_are_left_out() -> None:
    assert [column.figure for column in known_columns([ONE])] == ["lip_correlation"]
    later = replace(ONE, seconds=60, figures={"sync_c": 0.4})
    assert "sync_c" in [column.figure for column in known_columns([ONE, later])]
    table = markdown([ONE])
    assert "| run | lip correlation |\n" in table
    assert "sync C (own)" not in table


def steady(seconds: int, likeness: float, seed: int = 0, **figures: float) -> Measurement:
    return replace(ONE, seconds=seconds, seed=seed, figures={"identity": likeness, **figures})


def test_targets_are_counted_segment_by_segment() -> None:
    measured = [
        steady(10, 0.90, lip_correlation=0.9, border_jump=1.2, color_drift_percent=0.0),
        steady(300, 0.86, lip_correlation=0.79, border_jump=1.1, color_drift_percent=4.9),
        steady(900, 0.85, lip_correlation=0.8, border_jump=math.nan, color_drift_percent=5.1),
    ]
    text = markdown(measured)
    titles, _, entries = text[text.index("| run | lip correlation, ≥ 0.80") :].split("\n")[:3]
    found = dict(zip(titles.split(" | "), entries.split(" | "), strict=True))
    assert found["lip correlation, ≥ 0.80"] == "2 of 3"
    assert found["border jump, ≤ 1.15"] == "1 of 2"
    assert found["color drift, %, ≤ 5.0"] == "2 of 3"
    assert found["likeness, within 5 %"] == "1 of 2"  # 4.4 and 5.6 % below its first moment
    assert found["sharpness, within 5 %"] == "–"


def test_colors_drift_from_their_own_beginning_and_are_no_difference() -> None:
    """A talk that was measured at a minute first has drifted then, too."""
    measured = [steady(60, 0.9, color_drift=1.5), steady(900, 0.9, color_drift=2.0)]
    drift = markdown(measured).split("## Change")[1]
    row = next(line for line in drift.split("\n") if line.startswith("| ours | 15 min"))
    assert " | 2.0 | " in row and " | 0.5 | " not in row


def test_measurements_without_a_drift_are_read(tmp_path: Path) -> None:
    path = write_measurement(tmp_path, replace(ONE, speech_clips=2, speech_s=16.0))
    content = json.loads(path.read_text())
    assert content.pop("speech_clips") == 2 and content.pop("speech_s") == 16.0
    path.write_text(json.dumps(content))
    (found,) = read_measurements(tmp_path)
    assert found.speech_clips is None
    table = markdown([found, replace(found, seed=1, figures={"color_drift": 0.5})])
    assert "color drift, ΔE" in table


def test_what_a_talk_consists_of_is_said() -> None:
    measured = [
        replace(ONE, seconds=s, segment_s=w) for s, w in ((10, 10.0), (20, 20.0), (900, 30.0))
    ]
    assert "the held-out clips of one voice (few) again" in markdown(measured)
    known = [
        *(replace(each, speech_clips=2, speech_s=16.2) for each in measured),
        replace(ONE, seed=1, speech_clips=3, speech_s=25.0),
    ]
    text = speech_line(known)
    assert "the held-out clips of one voice (2 to 3, together 16 to 25 s) again and again" in text
    assert "Of 900 s, 50 s are measured" in text  # the first 10 s count once


def test_speed_is_that_of_the_run_alone(tmp_path: Path) -> None:
    write_measurement(tmp_path, ONE)
    write_measurement(tmp_path, replace(ONE, run="other"))
    assert "| – |" in write_report(tmp_path).read_text(encoding="utf-8").split("## At")[0]
    write_speed(tmp_path, "ours", {"frames_per_s": 27.6})
    write_speed(tmp_path, "other", {"frames_per_s": 12.0})
    write_speed(tmp_path, "other", {"frames_per_s": 13.0})
    assert read_speed(tmp_path) == {"ours": 27.6, "other": 13.0}
    text = write_report(tmp_path).read_text(encoding="utf-8")
    assert "| ours | here | 4 | 1 | 1 | 5 | 33 | True | False | 28 |" in text
    assert "31" not in text.split("## At")[0]  # what the talk was made at


def test_broken_speeds_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "speed.json").write_text('{"ours": {}}')
    with pytest.raises(FlashTalkError, match="time the runs again"):
        read_speed(tmp_path)
