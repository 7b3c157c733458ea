"""``flashtalk bench``: how fast is this machine? A benchmark, not a test."""

from __future__ import annotations

import datetime
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flashtalk.assets import ASSETS
from flashtalk.cli.bench_log import append_row
from flashtalk.cli.bench_table import STAGES, spread_of, table
from flashtalk.cli.destination import check_writable
from flashtalk.cli.hardware import device_memory, machine, matmul_rate, peak_memory_mb, versions
from flashtalk.cli.options import BenchOptions
from flashtalk.engine import Engine, checked_device, chosen_placement, default_device
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import SPEECH_RATE_HZ, parse_size
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.inputs.speech import Speech, load_speech
from flashtalk.outputs.film import Film, pieces_of
from flashtalk.placement import ALL_RESIDENT, PLACEMENTS
from flashtalk.placement.plan import Budget, footprints
from flashtalk.weights.checkpoint import require_gpu
from flashtalk.weights.dry_run import DryRun, dry_run_of


@dataclass
class Repeat:
    """One fresh session, measured."""

    open_s: float
    first_fragment_s: float
    """From the wish to talk to the bytes of the first fragment, ``open_s`` included."""
    real_time_factor: float
    stages_s: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of each full chunk, by stage."""


def bench(options: BenchOptions, given: Sequence[str]) -> int:
    """Measure and print; returns the exit code. The report repeats ``given``, the command line."""
    for file in filter(None, (options.out, options.log)):
        file.parent.mkdir(parents=True, exist_ok=True)
        check_writable(file)
    try:
        report = measure(options)
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. Nothing was measured.\n")
        return 130
    except torch.OutOfMemoryError as error:
        sys.stderr.write(
            f"flashtalk: The GPU ran out of memory ({str(error).splitlines()[0]}). Use --placement "
            f"{' or '.join(PLACEMENTS)}, a smaller --size, or a larger GPU.\n"
        )
        return 2
    report["command"] = shlex.join(["flashtalk", "bench", *given])
    sys.stdout.write(table(report))  # first: the figures are not lost if the file cannot be written
    try:
        if options.out:
            options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        if options.log:
            append_row(options.log, report)
    except OSError as error:
        sys.stderr.write(f"flashtalk: {error.filename} cannot be written ({error.strerror}).\n")
        return 2
    return 0


def measure(options: BenchOptions) -> dict[str, Any]:
    """All measurements as plain numbers; see :func:`table` for what they mean."""
    started = datetime.datetime.now(datetime.UTC)
    start_s = time.perf_counter()
    dry_run, budget = None, None
    size = parse_size(options.size) if options.size else None
    if options.random_weights:
        dry_run = dry_run_of(options.preset, size)
        engine, budget = _dry_engine(dry_run, options)
    else:
        engine = Engine.from_pretrained(
            options.preset,
            device=options.device,
            placement=options.placement,
            acceleration=options.accelerated,
            size=size,
            threads=options.threads,
        )
    load_s = time.perf_counter() - start_s
    ahead_frames = options.first_fragment_frames
    if ahead_frames is None:
        ahead_frames = engine.preset.first_fragment_frames
    matmul_gflops = matmul_rate(engine.device)
    if engine.device.type == "cuda":  # what counts is use, not loading
        torch.cuda.empty_cache()  # of what loading has left; "reserved" would count it
        torch.cuda.reset_peak_memory_stats(engine.device)
    warm_up_s = engine.warm_up()
    speech = speech_of(options.audio or _asset("voices"), options.video_s)
    portrait = portrait_for(options.portrait or _asset("portraits"), engine.preset)
    repeats = _repeats(engine, portrait, speech, ahead_frames, options)
    stages = {
        name: asdict(spread_of(value for r in repeats for value in r.stages_s[name]))
        for name in STAGES
    }
    return {
        "date": started.isoformat(timespec="seconds"),
        "machine": machine(engine.device),
        "versions": versions(),
        "settings": {
            **_settings(engine, options),
            "height_px": portrait.image.height,
            "width_px": portrait.image.width,
            "placement": budget.placement if budget else options.placement,
            "weights": dry_run.notice if dry_run else "as trained",
            "repeats": len(repeats),
            "first_fragment_frames": ahead_frames,
        },
        "matmul_gflops": matmul_gflops,
        "load_s": load_s,
        "warm_up_s": warm_up_s,
        "chunk_stages_s": stages,
        "real_time_factor": asdict(spread_of(r.real_time_factor for r in repeats)),
        "open_s": asdict(spread_of(r.open_s for r in repeats)),
        "first_fragment_s": asdict(spread_of(r.first_fragment_s for r in repeats)),
        "peak_memory_mb": peak_memory_mb(),
        "device_memory": device_memory(engine.device, budget, compared=options.random_weights),
    }


def _settings(engine: Engine, options: BenchOptions) -> dict[str, Any]:
    """The engine's settings of this measurement."""
    return {
        "preset": engine.preset.name,
        "device": str(engine.device),
        "steps": options.steps or engine.preset.sampler.steps,
        "seed": options.seed,
        "seconds": options.video_s,
        "acceleration": engine.acceleration.words,
        "threads": torch.get_num_threads(),
        "chunk_video_s": engine.preset.with_chunk(options.chunk_frames).geometry.new_s,
    }


def _dry_engine(dry_run: DryRun, options: BenchOptions) -> tuple[Engine, Budget | None]:
    """The engine with random weights, and what is planned for it, if its sizes are known."""
    preset = dry_run.preset
    if not torch.cuda.is_available():
        require_gpu(preset, torch.device("cpu"))  # first: no other device would help
    device = checked_device(options.device or default_device(preset))
    require_gpu(preset, device)
    placement = chosen_placement(preset, device, options.placement)
    torch.set_num_threads(options.threads)
    footprint = footprints().get(preset.name)
    budget = None
    if footprint is not None:
        budget = footprint.budget((placement or ALL_RESIDENT).name, preset.geometry)
    networks = dry_run.networks(device)
    engine = Engine(networks, device=device, placement=placement, acceleration=options.accelerated)
    return engine, budget


def _repeats(
    engine: Engine,
    portrait: Portrait,
    speech: Speech,
    ahead_frames: int,
    options: BenchOptions,
) -> list[Repeat]:
    """Measures each repeat; Ctrl-C keeps the finished ones, if there are any."""
    repeats: list[Repeat] = []
    try:
        while len(repeats) < options.repeats:
            repeats.append(_repeat(engine, portrait, speech, ahead_frames, options))
    except KeyboardInterrupt:
        if not repeats:
            raise
    return repeats


def _repeat(
    engine: Engine,
    portrait: Portrait,
    speech: Speech,
    ahead_frames: int,
    options: BenchOptions,
) -> Repeat:
    geometry = engine.preset.with_chunk(options.chunk_frames).geometry
    start_s = time.perf_counter()
    session = engine.open(
        portrait,
        seed=options.seed,
        steps=options.steps,
        chunk_frames=options.chunk_frames,
        first_fragment_frames=ahead_frames,
        timed=True,
    )
    ahead = engine.acceleration.encoder_thread
    film = Film(portrait.image.size, geometry.fps, speech, ahead=ahead)
    open_s = time.perf_counter() - start_s
    first_fragment_s = 0.0
    chunks: dict[int, dict[str, float]] = {}
    for fragment in film.fragments(pieces_of(session, speech)):
        first_fragment_s = first_fragment_s or time.perf_counter() - start_s
        stages = chunks.setdefault(fragment.piece.chunk_index, {})
        for name, seconds in {**fragment.piece.timings, "video": fragment.encode_s}.items():
            stages[name] = stages.get(name, 0.0) + seconds
    film.finish()
    talked_s = time.perf_counter() - start_s - open_s
    # The last chunk may be a part of one; it counts only if it is the only one.
    whole = max(1, speech.samples.size // geometry.new_samples)
    full = [stages for number, stages in chunks.items() if number < whole]
    return Repeat(
        open_s=open_s,
        first_fragment_s=first_fragment_s,
        real_time_factor=film.made_s / talked_s,
        stages_s={name: [stages.get(name, 0.0) for stages in full] for name in STAGES},
    )


# --- what is measured with ------------------------------------------------------------------------
def speech_of(path: Path, seconds: float) -> Speech:
    """The voice of a file, repeated and cut to ``seconds``."""
    speech = load_speech(path)
    count = max(1, round(seconds * SPEECH_RATE_HZ))
    ratio = speech.playback_rate_hz // SPEECH_RATE_HZ
    turns = -(-count // speech.samples.size)
    return Speech(
        samples=np.tile(speech.samples, turns)[:count],
        playback=np.tile(speech.playback, (1, turns))[:, : ratio * count],
    )


def _asset(kind: str) -> Path:
    files = sorted(path for path in (ASSETS / kind).glob("*.*") if path.suffix != ".md")
    if not files:
        option = {"voices": "--audio", "portraits": "--portrait"}[kind]
        raise FlashTalkError(f"There is nothing in {ASSETS / kind}. Give {option} a file.")
    return files[0]
