"""Cells survive the disk, and the table says their median, spread and change."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.cells import Cell, is_done, read_cells, write_cell
from flashtalk.evaluation.table import (
    SPEED,
    changes,
    known_columns,
    markdown,
    median_and_spread,
    values_of,
    write_report,
)

CELL = Cell(
    variant="ours",
    seed=0,
    seconds=10,
    person="000009",
    voice="alma",
    window_s=10.0,
    settings={
        "weights": "here",
        "steps": 4,
        "guidance": 1.0,
        "color_strength": 1.0,
        "seam_frames": 6,
        "lookahead_frames": 5,
        "face_like": True,
        "causal": False,
    },
    digest="abc",
    frames_per_s=31.4,
    figures={"lip_correlation": 0.8, "closures": math.nan},
)


def cell(seed: int, seconds: int, correlation: float, variant: str = "ours") -> Cell:
    figures = {"lip_correlation": correlation}
    return replace(CELL, seed=seed, seconds=seconds, figures=figures, variant=variant)


def test_a_cell_comes_back_from_the_disk(tmp_path: Path) -> None:
    path = write_cell(tmp_path, CELL)
    assert "NaN" not in path.read_text()
    (found,) = read_cells(tmp_path)
    assert math.isnan(found.figures["closures"])
    assert replace(found, figures={}) == replace(CELL, figures={})
    assert found.figures["lip_correlation"] == 0.8


def test_a_cell_is_done_for_its_own_weights_only(tmp_path: Path) -> None:
    assert not is_done(tmp_path, "ours", 0, 10, "abc")
    write_cell(tmp_path, CELL)
    assert is_done(tmp_path, "ours", 0, 10, "abc")
    assert not is_done(tmp_path, "ours", 0, 10, "other weights")
    assert not is_done(tmp_path, "ours", 1, 10, "abc")


def test_half_a_file_is_left_out(tmp_path: Path) -> None:
    path = write_cell(tmp_path, CELL)
    path.write_text(path.read_text()[:50])
    assert read_cells(tmp_path) == []
    with pytest.raises(FlashTalkError, match="no measured cell"):
        write_report(tmp_path)


def test_entries_are_median_and_spread() -> None:
    assert median_and_spread([0.9, 0.7, 0.75], 2) == "0.75 (0.70 to 0.90)"
    assert median_and_spread([0.5, math.nan], 2) == "0.50"
    assert median_and_spread([math.nan], 2) == "–"


def test_change_is_last_minus_first_of_the_same_seed() -> None:
    cells = [cell(0, 10, 0.8), cell(0, 60, 0.9), cell(0, 900, 0.5), cell(1, 10, 0.4)]
    assert changes(cells, "ours", "lip_correlation") == pytest.approx([-0.3])
    assert values_of(cells, "ours", 10, "lip_correlation") == [0.8, 0.4]


def test_the_report_has_a_table_per_moment_with_rows_in_order(tmp_path: Path) -> None:
    cells = [
        cell(0, 10, 0.81),
        cell(0, 300, 0.52),
        cell(0, 10, 0.11, variant="baseline"),
        cell(0, 10, 0.22, variant="another"),
    ]
    for each in cells:
        write_cell(tmp_path, each)
    text = write_report(tmp_path, ["baseline", "ours"]).read_text(encoding="utf-8")
    assert text == (tmp_path / "table.md").read_text(encoding="utf-8")
    first, later = text.index("## At 10 s"), text.index("## At 5 min")
    rows = [
        text.index(row, first) for row in ("| baseline | 0.11", "| ours | 0.81", "| another | 0.22")
    ]
    assert rows == sorted(rows) and rows[-1] < later
    assert text.index("| ours | 0.52") > later
    drift = text[text.index("## Change") :]
    assert "| ours | – | – | – | -0.29 | – |" in drift
    assert "| ours | here | 4 | 1 | 1 |" in text


def test_missing_plots_are_said() -> None:
    assert "matplotlib was not installed" in markdown([CELL])


def test_columns_that_nothing_is_known_of_are_left_out() -> None:
    assert [column.figure for column in known_columns([CELL])] == ["lip_correlation", SPEED]
    later = replace(CELL, seconds=60, figures={"sync_c": 0.4})
    assert "sync_c" in [column.figure for column in known_columns([CELL, later])]
    table = markdown([CELL])
    assert "| row | lip correlation | frames / s |" in table
    assert "sync C (own)" not in table
