"""Talks are generated and measured; the command line of the evaluation.

    python -m lab.evaluation --clips DIR --run ours=assets/flashtalk-tiny \\
        --seconds 10 60 300 900 --seeds 0 1 2 --out runs/evaluation

A talk of 900 s begins with those of 10, 60 and 300 s, so it is generated once. Whenever one of
these moments is reached, the segment that ends there is measured. Its measurement is written at
once. Measurements that are there already are not made again. Ctrl-C stops after the current chunk
and keeps all that were written. A talk that was stopped starts again at its beginning, since a
session cannot be saved.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro
from tqdm import tqdm

from flashtalk.cli.stopping import stoppable
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError, command
from lab.evaluation import speed
from lab.evaluation.digests import clips_digest, digest_of
from lab.evaluation.measured_talk import Measured, Plan, run_talk
from lab.evaluation.measurements import (
    Measurement,
    is_done,
    read_measurements,
    write_measurement,
)
from lab.evaluation.measures.calibration import calibrate, for_calibration
from lab.evaluation.measures.reading import load_reader
from lab.evaluation.measures.sync import SHIPPED, load_sync
from lab.evaluation.reports.table import write_report
from lab.evaluation.runs import FORM, Run, parse_run
from lab.evaluation.segment import Judges
from lab.evaluation.talks import RenderedClip, Talk, load_held_out, make_talk
from lab.options import TINY_WEIGHTS, read_options, set_up

log = logging.getLogger(__name__)

PROGRESS = "{l_bar}{bar}| {n:.0f}/{total:.0f} s of video [{elapsed}<{remaining}]"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Measure talks of held-out people and voices, and write the table."""

    clips: Path
    """Folder of clips, as ``python -m lab.synthesis`` makes them."""
    run: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A run to evaluate, written NAME=WEIGHTS[,SETTING=VALUE ...]; may be given several times."""
    seconds: tuple[int, ...] = (10, 60, 300, 900)
    """Moments of a talk that are measured."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of talks; each has another person, another voice and other noise."""
    segment_s: float = 30.0
    """Seconds measured before each moment, at most."""
    reader: Path = TINY_WEIGHTS
    """Folder with the face reader that judges all runs."""
    sync: Path = SHIPPED
    """Folder of the sync network, made by ``lab.evaluation.measures.train_sync``."""
    out: Path = Path("runs/evaluation")
    """Folder of measurements, table and plots."""
    bench: bool = False
    """Measure no talks: time each run alone, for the table's speed."""
    device: str = "cpu"
    threads: int | None = None
    """Threads of the processor."""

    def __post_init__(self) -> None:
        if not self.run:
            raise FlashTalkError(f"There is nothing to evaluate: give --run {FORM}.")
        if len({run.name for run in self.runs}) < len(self.run):
            raise FlashTalkError("Every run needs a name of its own: see --run.")
        Plan(self.moments, self.segment_s)

    @property
    def runs(self) -> list[Run]:
        """The runs of ``run``, parsed."""
        return [parse_run(text) for text in self.run]

    @property
    def moments(self) -> tuple[int, ...]:
        """``seconds``, each once and in order."""
        return tuple(sorted(set(self.seconds)))

    @property
    def plan(self) -> Plan:
        """Moments and segments to measure of each talk."""
        return Plan(self.moments, self.segment_s)


@dataclass(frozen=True)
class Work:
    """A talk of a run whose measurements are missing."""

    run: Run
    digest: str
    seed: int
    plan: Plan


def missing_work(config: Evaluation, judges: Judges, clips: Sequence[RenderedClip]) -> list[Work]:
    """All talks of which a measurement is missing, or was made of something else."""
    material = clips_digest(clips)
    work = []
    for run in config.runs:
        digest = digest_of(run, judges, config.plan, material)
        for seed in config.seeds:
            missing = tuple(
                s for s in config.moments if not is_done(config.out, run.name, seed, s, digest)
            )
            if missing:
                work.append(Work(run, digest, seed, replace(config.plan, seconds=missing)))
    log.info("%d talks to make; all others are in %s", len(work), config.out)
    return work


def evaluate(config: Evaluation) -> int:
    """Measure what is missing and write the table; the exit code."""
    clips = load_held_out(config.clips)
    sync = load_sync(config.sync)
    reader = load_reader(config.reader)
    judges = Judges(reader, sync, calibrate(reader, for_calibration(clips)))
    log.info("the reader is calibrated: %s", judges.calibration)
    work = missing_work(config, judges, clips)
    total_s = sum(todo.plan.seconds[-1] for todo in work)
    with stoppable() as stop, tqdm(total=total_s, bar_format=PROGRESS) as bar:

        def on_video(seconds: float) -> bool:
            bar.update(min(seconds, bar.total - bar.n))
            return not stop

        engine, loaded = None, None
        for todo in work:
            if stop:
                break
            if engine is None or loaded != todo.run:
                engine, loaded = engine_of(todo.run, torch.device(config.device)), todo.run
            bar.set_description(f"{todo.run.name} seed {todo.seed}")
            talk = make_talk(clips, todo.seed, todo.plan.seconds[-1] + config.segment_s)
            for found in run_talk(engine, judges, talk, todo.seed, todo.plan, on_video):
                write_measurement(config.out, measurement_of(todo, talk, engine, found))
    write_report(config.out, [run.name for run in config.runs])
    return stop.exit_code if stop else 0


def engine_of(run: Run, device: torch.device) -> Engine:
    """An engine with the weights of ``run``, warmed up."""
    engine = Engine(run.load(device), device=device)
    engine.warm_up()
    return engine


def measurement_of(todo: Work, talk: Talk, engine: Engine, found: Measured) -> Measurement:
    """The measurement of one moment of ``talk``."""
    sampler, geometry = engine.preset.sampler, engine.preset.geometry
    return Measurement(
        run=todo.run.name,
        seed=todo.seed,
        seconds=found.seconds,
        person=talk.person.name,
        voice=talk.voice,
        segment_s=found.segment_s,
        settings={
            "weights": todo.run.weights,
            "steps": sampler.steps,
            "guidance": todo.run.guidance,
            "color_strength": sampler.color_strength,
            "lookahead_frames": geometry.lookahead_frames,
            "chunk_frames": geometry.chunk_frames,
            "flow_prior": todo.run.flow_prior,
            "causal": todo.run.causal,
        },
        digest=todo.digest,
        frames_per_s=found.frames_per_s,
        figures=found.figures,
        speech_clips=talk.clips,
        speech_s=talk.clips_s,
    )


def time_runs(config: Evaluation) -> int:
    """Time each run alone and, where there are measurements, write the table anew."""
    clips = load_held_out(config.clips)
    seed = config.seeds[0]
    talk = make_talk(clips, seed, speed.SECONDS)
    found = speed.bench(config.runs, talk, seed, torch.device(config.device), config.out)
    for name, frames_per_s in found.items():
        log.info("%s: %.1f frames/s", name, frames_per_s)
    if read_measurements(config.out):
        write_report(config.out, [run.name for run in config.runs])
    return 0


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    config = read_options(Evaluation, arguments)
    set_up(config.threads)
    return time_runs(config) if config.bench else evaluate(config)
