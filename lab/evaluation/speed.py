"""How fast each run of the table is by itself: ``python -m lab.evaluation --bench``.

    python -m lab.evaluation --bench --clips DIR --run ours=assets/flashtalk-tiny \\
        --out runs/evaluation

Talks are measured in any order, with few threads, beside other work. So their own speed says
nothing about a run. Here runs are timed one after another, each alone, with all threads. The same
talk is timed several times, and the median counts. Nothing else should go on meanwhile. The figures
lie beside the measurements as ``speed.json``; runs that are timed again are replaced, others stay.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from flashtalk.cli.hardware import machine
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.files import write_whole
from flashtalk.inputs.portrait import portrait_for
from lab.evaluation.runs import Run
from lab.evaluation.talks import Talk

FILE = "speed.json"
SPEED_IS = "made per second of wall time, each run alone, all threads, median of some talks"
SECONDS = 20.0  # of the talk
REPEATS = 3


def frames_per_s(engine: Engine, talk: Talk, seed: int, seconds: float) -> float:
    """Frames that ``engine`` makes per second of wall time in a talk of so many ``seconds``."""
    geometry = engine.preset.geometry
    portrait = portrait_for(talk.person.portrait, engine.preset, crop="cover")
    samples = talk.speech.samples[: round(seconds * geometry.sample_rate_hz)]
    with engine.open(portrait, seed=seed) as session:
        started_s = perf_counter()
        frames = sum(len(chunk.frames) for chunk in chain(session.push(samples), session.flush()))
        return frames / (perf_counter() - started_s)


def time_run(
    run: Run,
    talk: Talk,
    seed: int,
    device: torch.device,
    seconds: float,
    repeats: int,
) -> dict[str, object]:
    """The entry of ``run`` in the file: the median speed, each of them, and where."""
    where = machine(device)  # first: its load is that of others
    engine = Engine(run.load(device), device=device)
    engine.warm_up()
    found = [frames_per_s(engine, talk, seed, seconds) for _ in range(repeats)]
    return {
        "frames_per_s": round(statistics.median(found), 2),
        "each": [round(value, 2) for value in found],
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "machine": where,
    }


def write_speed(out: Path, name: str, entry: dict[str, object]) -> None:
    """Put one run into the file below ``out``, beside those that are there."""
    path = out / FILE
    runs = _runs(path) | {name: entry}
    out.mkdir(parents=True, exist_ok=True)
    write_whole(path, runs, indent=1)


def read_speed(out: Path) -> dict[str, float]:
    """Frames per second by run; empty if none was timed.

    Raises :class:`FlashTalkError` for a file that cannot be read.
    """
    return {name: float(entry["frames_per_s"]) for name, entry in _runs(out / FILE).items()}


def bench(
    runs: Sequence[Run], talk: Talk, seed: int, device: torch.device, out: Path
) -> dict[str, float]:
    """Time all ``runs``, one after another, and write each at once."""
    for run in runs:
        write_speed(out, run.name, time_run(run, talk, seed, device, SECONDS, REPEATS))
    return read_speed(out)


def _runs(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        return {}
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))
        if not all(float(entry["frames_per_s"]) > 0 for entry in runs.values()):
            raise ValueError("a speed is not above 0")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FlashTalkError(
            f"{path} holds no speeds ({error}). Delete it and time the runs again with "
            "python -m lab.evaluation --bench."
        ) from error
    return runs
