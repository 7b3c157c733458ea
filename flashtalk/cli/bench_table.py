"""The benchmark report as a table for a person; :mod:`flashtalk.cli.bench` measures it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

STAGES = ("speech", "denoise", "decode", "color", "finish", "motion_encode", "video")
LABELS = {
    "speech": "speech encoder",
    "denoise": "denoising",
    "decode": "decoder",
    "color": "color match",
    "finish": "pictures at full size",
    "motion_encode": "motion frames encoded",
    "video": "H.264 + AAC",
}


@dataclass(frozen=True)
class Spread:
    """Repeated measurements of one thing."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:8.3f}   ({self.low:.3f} .. {self.high:.3f})"


def spread_of(values: Iterable[float]) -> Spread:
    """Median, lowest and highest of at least one value."""
    numbers = sorted(values)
    return Spread(statistics.median(numbers), numbers[0], numbers[-1])


@dataclass(frozen=True)
class Percentiles:
    """Repeated measurements of one thing: half are no more than ``p50``, 95 % than ``p95``."""

    p50: float
    p95: float


def percentiles_of(values: Iterable[float]) -> Percentiles:
    """Of at least one value."""
    p50, p95 = np.percentile([*values], [50, 95])
    return Percentiles(float(p50), float(p95))


def table(report: dict[str, Any]) -> str:
    """The report for a person."""
    settings, computer = report["settings"], report["machine"]
    lines = [
        f"FlashTalk benchmark, {report['date']}",
        f"  {report['command']}",
        f"  {computer['gpu'] or computer['processor']}, {computer['cores']} cores, "
        f"{computer['memory_gib']} GiB, load {computer['load_average'][0]}",
        "  " + ", ".join(f"{name} {number}" for name, number in report["versions"].items()),
        f"  {settings['preset']}, {settings['steps']} steps, {settings['threads']} threads, "
        f"{settings['repeats']} x {settings['seconds']:g} s",
        f"  {settings['height_px']}x{settings['width_px']} px on {settings['device']}, placement "
        f"{settings['placement'] or 'by default'}; weights: {settings['weights']}",
        "",
        f"{'matrix product, GFLOP/s':<34}{report['matmul_gflops']:8.1f}",
        f"{'load the model, s':<34}{report['load_s']:8.3f}",
        f"{'warm up, s':<34}{report['warm_up_s']:8.3f}",
        f"{'peak memory of the process, MB':<34}{report['peak_memory_mb']:8.0f}",
        *_memory_lines(report["device_memory"]),
        "",
        f"{'':<34}  median   (lowest .. highest)",
        f"one chunk = {settings['chunk_video_s']:.2f} s of video",
    ]
    for name, spread in report["chunk_stages_s"].items():
        lines.append(f"  {LABELS[name] + ', s':<32}{Spread(**spread)}")
    for name, label in (
        ("open_s", "open a session, s"),
        ("first_fragment_s", "talk -> first fragment, s"),
        ("real_time_factor", "real-time factor, encoded"),
    ):
        lines.append(f"{label:<34}{Spread(**report[name])}")
    return "\n".join(lines) + "\n"


def _memory_lines(memory: dict[str, Any]) -> list[str]:
    lines = [memory["notice"]] if memory["notice"] else []
    for name, label in (
        ("peak_allocated_gib", "peak on the device, GiB"),
        ("peak_reserved_gib", "reserved there by PyTorch, GiB"),
        ("planned_gib", f"planned peak ({memory['planned_phase']}), GiB"),
        ("measured_over_planned", "measured / planned"),
    ):
        if memory[name] is not None:
            lines.append(f"{label:<34}{memory[name]:8.3f}")
    return lines
