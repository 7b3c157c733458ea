"""``flashtalk bench``: how fast is this machine? A benchmark, not a test.

With ``--ladder`` another module measures; checks, files and sentences are the same.
"""

from __future__ import annotations

import datetime
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from flashtalk.cli.bench_log import append_row
from flashtalk.cli.bench_table import STAGES, spread_of, table
from flashtalk.cli.destination import check_writable, make_parents
from flashtalk.cli.hardware import device_memory, machine, matmul_rate, peak_memory_mb, versions
from flashtalk.cli.ladder import climbed, ladder_table
from flashtalk.cli.ladder_chart import ladder_chart
from flashtalk.cli.measured_talk import Repeat, engine_of, portrait_of, repeat, speech_of
from flashtalk.cli.options import BenchOptions
from flashtalk.engine import Engine
from flashtalk.inputs.portrait import Portrait
from flashtalk.inputs.speech import Speech
from flashtalk.placement import PLACEMENTS


def bench(options: BenchOptions, given: Sequence[str]) -> int:
    """Measure and print; returns the exit code. The report repeats ``given``, the command line."""
    measured, shown = (climbed, ladder_table) if options.ladder else (measure, table)
    log = None if options.ladder else options.log  # its columns are of one setting
    for file in filter(None, (options.out, log, options.chart)):
        make_parents(file)
        check_writable(file, [*filter(None, (options.portrait, options.audio))])
    try:
        report = measured(options)
    except KeyboardInterrupt:
        sys.stderr.write("Stopped. There is no report.\n")
        return 130
    except torch.OutOfMemoryError as error:
        sys.stderr.write(
            f"flashtalk: The GPU ran out of memory ({str(error).splitlines()[0]}). Use --placement "
            f"{' or '.join(PLACEMENTS)}, a smaller --size, or a larger GPU.\n"
        )
        return 2
    report["command"] = shlex.join(["flashtalk", "bench", *given])
    sys.stdout.write(shown(report))  # first: the figures are not lost if the file cannot be written
    try:
        if options.out:
            options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        if options.chart:
            options.chart.write_text(ladder_chart(report), encoding="utf-8")
        if log:
            append_row(log, report)
    except OSError as error:
        sys.stderr.write(f"flashtalk: {error.filename} cannot be written ({error.strerror}).\n")
        return 2
    return 0


def measure(options: BenchOptions) -> dict[str, Any]:
    """All measurements as plain numbers; see :func:`table` for what they mean."""
    started = datetime.datetime.now(datetime.UTC)
    start_s = time.perf_counter()
    engine, budget, notice = engine_of(options, options.accelerated)
    load_s = time.perf_counter() - start_s
    ahead_frames = options.first_fragment_frames
    if ahead_frames is None:
        ahead_frames = engine.preset.first_fragment_frames
    matmul_gflops = matmul_rate(engine.device)
    if engine.device.type == "cuda":  # what counts is use, not loading
        torch.cuda.empty_cache()  # of what loading has left; "reserved" would count it
        torch.cuda.reset_peak_memory_stats(engine.device)
    warm_up_s = engine.warm_up()
    speech = speech_of(options)
    portrait = portrait_of(options, engine)
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
            "weights": notice,
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
        "preset": engine.preset.title,
        "device": str(engine.device),
        "steps": options.steps or engine.preset.sampler.steps,
        "seed": options.seed,
        "seconds": options.video_s,
        "acceleration": engine.acceleration.words,
        "threads": torch.get_num_threads(),
        "chunk_video_s": engine.preset.with_chunk(options.chunk_frames).geometry.new_s,
    }


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
            repeats.append(repeat(engine, portrait, speech, ahead_frames, options))
    except KeyboardInterrupt:
        if not repeats:
            raise
    return repeats
