"""Benchmark reports as rows of a Markdown table: one file has all that was ever measured."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import flashtalk
from flashtalk.cli.bench_table import STAGES

COLUMNS = (
    "date",
    "commit",
    "machine",
    "command",
    "x real time",
    "first fragment, s",
    "a chunk: " + " / ".join(STAGES) + ", s",
    "GFLOP/s",
)


def append_row(file: Path, report: dict[str, Any]) -> None:
    """Adds ``report`` as the last row of ``file``; a new file begins with the table's head."""
    head = "" if file.is_file() else f"# Benchmarks\n\n{_cells(COLUMNS)}{_cells(['---'] * 8)}"
    with file.open("a", encoding="utf-8") as table:
        table.write(head + row(report))


def row(report: dict[str, Any]) -> str:
    """One line of the table: medians, with lowest and highest where they are measured."""
    computer = report["machine"]
    name = computer["gpu"] or computer["processor"]
    stages = " / ".join(f"{report['chunk_stages_s'][stage]['median']:.2f}" for stage in STAGES)
    return _cells(
        (
            report["date"][:10],
            commit(),
            f"{name}, {computer['cores']} cores",
            f"`{report['command']}`",
            _spread(report["real_time_factor"]),
            _spread(report["first_fragment_s"]),
            stages,
            f"{report['matmul_gflops']:.0f}",
        )
    )


def commit() -> str:
    """The commit of the clone that runs, with a + where files differ; else the version."""
    folder = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or no clone
        return flashtalk.__version__
    return found.stdout.strip()


def _spread(values: dict[str, float]) -> str:
    return f"{values['median']:.2f} ({values['low']:.2f} .. {values['high']:.2f})"


def _cells(values: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(values) + " |\n"
