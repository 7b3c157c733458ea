"""How fast each row of the table is by itself: ``python -m lab.evaluation --bench``.

    python -m lab.evaluation --bench --clips DIR --variant ours=assets/flashtalk-tiny \\
        --out docs/evaluation

Cells are made in any order, with few threads, beside whatever else runs, so their own speed says
nothing about a row. Here rows are timed one after another, each alone, with all threads: the same
talk several times, and the median of these. Nothing else should run meanwhile. The figures lie
beside the cells as ``speed.json``; rows that are timed again are replaced, others stay.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import torch

from flashtalk.cli.hardware import machine
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import portrait_for
from lab.evaluation.measurements import write_whole
from lab.evaluation.runs import Variant
from lab.evaluation.talks import Talk

FILE = "speed.json"
SPEED_IS = "made per second of wall time, each row alone, all threads, median of some talks"
SECONDS = 20.0  # of the talk
REPEATS = 3


def frames_per_s(engine: Engine, talk: Talk, seed: int, seconds: float) -> float:
    """Frames that ``engine`` makes per second of wall time in a talk of so many ``seconds``."""
    geometry = engine.preset.geometry
    portrait = portrait_for(talk.person.portrait, engine.preset, crop="cover")
    samples = talk.speech.samples[: round(seconds * geometry.sample_rate_hz)]
    with engine.open(portrait, seed=seed) as session:
        started_s = time.perf_counter()
        frames = sum(len(chunk.frames) for chunk in chain(session.push(samples), session.flush()))
        return frames / (time.perf_counter() - started_s)


def time_row(
    variant: Variant,
    talk: Talk,
    seed: int,
    device: torch.device,
    seconds: float,
    repeats: int,
) -> dict[str, object]:
    """The entry of ``variant`` in the file: the median speed, each of them, and where."""
    where = machine(device)  # first: its load is that of others
    engine = Engine(variant.load(device), device=device)
    engine.warm_up()
    found = [frames_per_s(engine, talk, seed, seconds) for _ in range(repeats)]
    return {
        "frames_per_s": round(statistics.median(found), 2),
        "each": [round(value, 2) for value in found],
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "machine": where,
    }


def write_row(out: Path, name: str, entry: dict[str, object]) -> None:
    """Put one row into the file below ``out``, beside those that are there."""
    path = out / FILE
    rows = _rows(path) | {name: entry}
    out.mkdir(parents=True, exist_ok=True)
    write_whole(path, rows)


def read_speed(out: Path) -> dict[str, float]:
    """Frames per second by row; empty if none was timed.

    Raises :class:`FlashTalkError` for a file that cannot be read.
    """
    return {name: float(entry["frames_per_s"]) for name, entry in _rows(out / FILE).items()}


def bench(
    variants: Sequence[Variant], talk: Talk, seed: int, device: torch.device, out: Path
) -> dict[str, float]:
    """Time all ``variants``, one after another, and write each at once."""
    for variant in variants:
        write_row(out, variant.name, time_row(variant, talk, seed, device, SECONDS, REPEATS))
    return read_speed(out)


def _rows(path: Path) -> dict[str, dict]:
    if not path.is_file():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        if not all(float(entry["frames_per_s"]) > 0 for entry in rows.values()):
            raise ValueError("a speed is not above 0")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FlashTalkError(
            f"{path} holds no speeds ({error}). Delete it and time the rows again with "
            "python -m lab.evaluation --bench."
        ) from error
    return rows
