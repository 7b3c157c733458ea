"""``flashtalk bench --ladder``: one technique more in each step, from the plain path on.

All steps run on the same networks in one process, so a step includes those before it. A technique
that this machine cannot run says why and is left out of the steps after it. Each step makes the
same talk with the same noise; its pictures are compared with those of the plain path.
"""

from __future__ import annotations

import datetime
import math
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flashtalk.acceleration.convolutions import multiplies_bf16
from flashtalk.acceleration.settings import PLAIN
from flashtalk.cli.bench_table import STAGES, percentiles_of
from flashtalk.cli.hardware import (
    copy_rate,
    device_memory,
    machine,
    matmul_rate,
    peak_memory_mb,
    versions,
)
from flashtalk.cli.measured_talk import engine_of, portrait_of, repeat, speech_of
from flashtalk.cli.options import BenchOptions
from flashtalk.cli.work_count import counted_chunk
from flashtalk.config import Preset
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import Portrait
from flashtalk.inputs.speech import Speech

RUNGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("eager", {}),
    ("channels-last", {"channels_last": True}),
    ("bf16-convolutions", {"bf16_convolutions": True}),
    ("compile", {"compiled": True}),
    ("fp8-products", {"fp8_products": True}),
    ("attention=flash3", {"attention": "flash3"}),
    ("fused-qkv", {"fused_qkv": True}),
    ("cuda-graphs", {"cuda_graphs": True}),
    ("pinned-copies", {"pinned_copies": True}),
    ("encoder-thread", {"encoder_thread": True}),
    ("picture-thread", {"picture_thread": True}),
)
"""Names of the steps, and what each adds."""
BAR = 30  # characters of the longest bar
LOSSLESS_DB = 100.0  # shown for pictures that are equal


def climbed(options: BenchOptions) -> dict[str, Any]:
    """Every step's measurements as plain numbers; see :func:`ladder_table` for what they mean."""
    started = datetime.datetime.now(datetime.UTC)
    engine, budget, weights = engine_of(options, PLAIN)
    talk = _Talk(engine, portrait_of(options, engine), speech_of(options), options)
    engine.warm_up()
    limits = talk.limits()  # of the plain path: a graph hides what it computes
    steps: list[dict[str, Any]] = []
    plain: NDArray[np.uint8] | None = None
    for name, added in RUNGS:
        wanted = replace(engine.acceleration, **added)
        try:
            engine.accelerate(wanted)
        except FlashTalkError as error:
            steps.append({"name": name, "refused": str(error)})
            continue
        start_s = time.perf_counter()
        frames = talk.frames()  # warms up, too
        first_s = time.perf_counter() - start_s
        plain = frames if plain is None else plain
        before = next((each for each in reversed(steps) if "chunk_s" in each), None)
        step = talk.step()
        steps.append(
            step
            | {
                "name": name,
                "words": engine.acceleration.words,
                "first_chunks_s": first_s,
                "psnr_db": psnr_db(plain, frames),
                "ratio_to_step_before": before and before["chunk_s"] / step["chunk_s"],
                "device_memory": device_memory(engine.device, budget, compared=False),
            }
        )
        sys.stderr.write(f"{name}: {step['chunk_s']:.3f} s a chunk\n")
    image = talk.portrait.image
    return {
        "date": started.isoformat(timespec="seconds"),
        "machine": machine(engine.device),
        "versions": versions(),
        "preset": engine.preset.title,
        "weights": weights,
        "size_px": [image.height, image.width],
        "threads": torch.get_num_threads(),
        "chunk_video_s": talk.preset.geometry.new_s,
        "repeats": options.repeats,
        "limits": limits,
        "steps": steps,
        "peak_memory_mb": peak_memory_mb(),
    }


@dataclass(frozen=True)
class _Talk:
    """The same talk for every step."""

    engine: Engine
    portrait: Portrait
    speech: Speech
    options: BenchOptions

    @property
    def preset(self) -> Preset:
        """The engine's, with chunks of the length asked for."""
        return self.engine.preset.with_chunk(self.options.chunk_frames)

    def frames(self) -> NDArray[np.uint8]:
        """Pictures of the first two chunks, the second of which continues the first."""
        samples = self.speech.samples[: 2 * self.preset.geometry.new_samples]
        with self.engine.open(
            self.portrait,
            seed=self.options.seed,
            steps=self.options.steps,
            chunk_frames=self.options.chunk_frames,
        ) as session:
            pieces = [*session.push(samples), *session.flush()]
        return np.concatenate([piece.frames for piece in pieces])

    def step(self) -> dict[str, Any]:
        """Seconds of a chunk, and of its stages at the 50th and the 95th percentile."""
        engine, options = self.engine, self.options
        if engine.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(engine.device)
        ahead_frames, geometry = self.preset.first_fragment_frames, self.preset.geometry
        processor_s = time.process_time()
        repeats = [
            repeat(engine, self.portrait, self.speech, ahead_frames, options)
            for _ in range(options.repeats)
        ]
        processor_s = time.process_time() - processor_s
        chunks = options.repeats * self.speech.samples.size / geometry.new_samples
        return {
            "chunk_s": float(np.median([geometry.new_s / r.real_time_factor for r in repeats])),
            "processor_s": processor_s / chunks,
            "first_fragment_s": float(np.median([r.first_fragment_s for r in repeats])),
            "stages_s": {
                name: asdict(percentiles_of(value for r in repeats for value in r.stages_s[name]))
                for name in STAGES
            },
        }

    def _multiplied(self) -> tuple[torch.dtype, ...]:
        """A processor without products in bfloat16 takes minutes for one."""
        if self.engine.device.type == "cpu" and not multiplies_bf16():
            return (torch.float32,)
        return torch.float32, torch.bfloat16

    def limits(self) -> dict[str, Any]:
        """What a chunk computes and moves, and the least time for it at measured rates.

        ``products`` is the type that the networks multiply in here.
        """
        device = self.engine.device
        networks = replace(self.engine.networks, preset=self.preset)
        work = counted_chunk(networks, self.portrait.tensor.to(device))
        rates = {
            str(dtype).removeprefix("torch."): matmul_rate(device, dtype)
            for dtype in self._multiplied()
        }
        bytes_rate = copy_rate(device)
        return {
            "gflop": work.flop / 1e9,
            "gbyte": work.bytes / 1e9,
            "products": "bfloat16" if device.type == "cuda" else "float32",
            **{f"{name}_gflop_per_s": rate for name, rate in rates.items()},
            "gbyte_per_s": bytes_rate,
            **{f"least_s_{name}": work.flop / 1e9 / rate for name, rate in rates.items()},
            "least_s_bytes": work.bytes / 1e9 / bytes_rate,
        }


def psnr_db(expected: NDArray[np.uint8], frames: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of pictures; 100 where they are equal."""
    error = float(np.square(expected.astype(np.float64) - frames).mean())
    return 10 * math.log10(255**2 / error) if error else LOSSLESS_DB


def _products(limits: dict[str, Any]) -> str:
    named = {name: f"least_s_{name}" for name in ("float32", "bfloat16")}
    return ", in ".join(f"{k} {limits[v]:.3f} s" for k, v in named.items() if v in limits)


def ladder_table(report: dict[str, Any]) -> str:
    """The report for a person, with a bar for the seconds of each step."""
    computer, limits = report["machine"], report["limits"]
    height, width = report["size_px"]
    lines = [
        f"FlashTalk ladder, {report['date']}",
        f"  {report['command']}",
        f"  {computer['gpu'] or computer['processor']}, {computer['cores']} cores, "
        f"torch {report['versions']['torch']}, {report['threads']} threads",
        f"  {report['preset']}, {height}x{width} px, weights: {report['weights']}",
        "",
        f"a chunk ({report['chunk_video_s']:.2f} s of video) computes {limits['gflop']:.1f} GFLOP "
        f"and moves {limits['gbyte']:.2f} GB operator by operator; at this machine's rates",
        f"  products in {_products(limits)}; bytes {limits['least_s_bytes']:.3f} s",
        f"x limit: times the seconds of all products in {limits['products']}; ratio: to the step "
        "before",
        _planned(report["steps"]),
        "",
        f"{'step':<20}{'s a chunk':>10}{'ratio':>8}{'x limit':>9}{'cpu s':>8}{'GiB':>8}{'PSNR':>7}",
    ]
    measured = [step["chunk_s"] for step in report["steps"] if "chunk_s" in step]
    least_s = limits[f"least_s_{limits['products']}"]
    for step in report["steps"]:
        if "refused" in step:
            lines.append(f"{step['name']:<20}left out: {step['refused']}")
            continue
        ratio, peak = step["ratio_to_step_before"], step["device_memory"]["peak_allocated_gib"]
        bar = "#" * max(1, round(BAR * step["chunk_s"] / max(measured)))
        lines.append(
            f"{step['name']:<20}{step['chunk_s']:>10.3f}{f'{ratio:.2f}' if ratio else '':>8}"
            f"{step['chunk_s'] / least_s:>9.1f}{step['processor_s']:>8.3f}"
            f"{f'{peak:.2f}' if peak else '-':>8}{step['psnr_db']:>7.1f}  {bar}"
        )
        stages = step["stages_s"].items()
        shown = "  ".join(f"{name} {each['p50']:.3f}/{each['p95']:.3f}" for name, each in stages)
        lines.append(f"    p50/p95 s: {shown}")
    return "\n".join(lines) + "\n"


def _planned(steps: list[dict[str, Any]]) -> str:
    """What the plan says of the device's memory, for the column of what was measured."""
    memory = next(step["device_memory"] for step in steps if "device_memory" in step)
    if memory["planned_gib"] is None:
        return memory["notice"] or "GiB: the device's peak; there is no plan for these networks"
    return f"GiB: the device's peak; planned are {memory['planned_gib']:.2f}"
