"""Entry point: how fast is this machine? Prints a table, writes JSON; a benchmark, not a test.

    python -m flashtalk.bench --seconds 20 --threads 2 --json bench.json

Every repeat opens a fresh session on the warm model, the way a visitor does, and runs it through
the video encoder: time to the first playable bytes, seconds by stage for each chunk, and the
real-time factor (seconds of finished video per second; a live page needs more than 1).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import shlex
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import numpy as np
import torch

import flashtalk
from flashtalk.config import TINY
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.inputs.speech import SPEECH_RATE_HZ, Speech, load_speech
from flashtalk.outputs.fragments import FragmentEncoder
from flashtalk.weights.checkpoint import ASSETS

MATRIX = 2048  # side of the square float32 matrices multiplied
STAGES = ("speech", "denoise", "decode", "color", "encode", "video")
LABELS = {
    "speech": "speech encoder",
    "denoise": "denoising",
    "decode": "decoder",
    "color": "color match",
    "encode": "hand-over (encoder)",
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


@dataclass
class Repeat:
    """One fresh session, measured."""

    open_s: float
    first_fragment_s: float
    """From the wish to talk to the bytes of the first fragment, ``open_s`` included."""
    real_time_factor: float
    stages_s: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of each full chunk, by stage."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    try:
        report = measure(options)
    except FlashTalkError as error:
        sys.stderr.write(f"flashtalk: {error}\n")
        return 2
    report["command"] = shlex.join(["python", "-m", "flashtalk.bench", *given])
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(table(report))
    return 0


def measure(options: argparse.Namespace) -> dict:
    """All measurements as plain numbers; see :func:`table` for what they mean."""
    if options.seconds <= 0 or options.repeats < 1:
        raise FlashTalkError("--seconds must be above 0 and --repeats at least 1.")
    started = datetime.datetime.now(datetime.UTC)
    start_s = time.perf_counter()
    engine = Engine.from_pretrained(options.preset, device=options.device, threads=options.threads)
    load_s = time.perf_counter() - start_s
    if options.first_fragment_frames is None:
        options.first_fragment_frames = engine.preset.first_fragment_frames
    matmul_gflops = matmul_rate(engine.device)
    warm_up_s = engine.warm_up()
    speech = speech_of(options.audio or _asset("voices"), options.seconds)
    portrait = portrait_for(options.portrait or _asset("portraits"), engine.preset)
    repeats = [_repeat(engine, portrait, speech, options) for _ in range(options.repeats)]
    stages = {
        name: asdict(_spread(value for r in repeats for value in r.stages_s[name]))
        for name in STAGES
    }
    return {
        "date": started.isoformat(timespec="seconds"),
        "machine": machine(engine.device),
        "versions": versions(),
        "settings": {
            "preset": engine.preset.name,
            "steps": options.steps or engine.preset.sampler.steps,
            "seed": options.seed,
            "seconds": options.seconds,
            "threads": torch.get_num_threads(),
            "repeats": options.repeats,
            "first_fragment_frames": options.first_fragment_frames,
            "chunk_video_s": engine.preset.geometry.new_s,
        },
        "matmul_gflops": matmul_gflops,
        "load_s": load_s,
        "warm_up_s": warm_up_s,
        "chunk_stages_s": stages,
        "real_time_factor": asdict(_spread(r.real_time_factor for r in repeats)),
        "open_s": asdict(_spread(r.open_s for r in repeats)),
        "first_fragment_s": asdict(_spread(r.first_fragment_s for r in repeats)),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _repeat(
    engine: Engine, portrait: Portrait, speech: Speech, options: argparse.Namespace
) -> Repeat:
    geometry = engine.preset.geometry
    channels = speech.playback.shape[0]
    start_s = time.perf_counter()
    session = engine.open(
        portrait,
        seed=options.seed,
        steps=options.steps,
        first_fragment_frames=options.first_fragment_frames,
        timed=True,
    )
    encoder = FragmentEncoder(
        portrait.image.width, portrait.image.height, geometry.fps, speech.playback_rate_hz, channels
    )
    open_s = time.perf_counter() - start_s
    first_fragment_s = 0.0
    # Pieces of a chunk (a short first fragment) count together, as one chunk.
    chunks: dict[int, dict[str, float]] = {}
    shown = 0  # samples
    for chunk in chain(session.push(speech.samples), session.flush()):
        before_s = time.perf_counter()
        encoder.encode(chunk.frames, speech.sound(shown, len(chunk.samples)))
        now_s = time.perf_counter()
        shown += len(chunk.samples)
        first_fragment_s = first_fragment_s or now_s - start_s
        number = round(chunk.start_s * geometry.fps) // geometry.new_frames
        stages = chunks.setdefault(number, {})
        for name, seconds in {**chunk.timings, "video": now_s - before_s}.items():
            stages[name] = stages.get(name, 0.0) + seconds
    encoder.finish()
    talked_s = time.perf_counter() - start_s - open_s
    # The last chunk may be a part of one; it counts only if it is the only one.
    whole = max(1, speech.samples.size // geometry.new_samples)
    full = [stages for number, stages in chunks.items() if number < whole]
    return Repeat(
        open_s=open_s,
        first_fragment_s=first_fragment_s,
        real_time_factor=encoder.frames / geometry.fps / talked_s,
        stages_s={name: [stages.get(name, 0.0) for stages in full] for name in STAGES},
    )


# --- what is measured with ------------------------------------------------------------------------
def matmul_rate(device: torch.device, repeats: int = 5) -> float:
    """Float32 matrix multiplication, 10^9 operations per second; the best of ``repeats``."""
    left, right = torch.randn(2, MATRIX, MATRIX, device=device)
    times_s = []
    for _ in range(repeats + 1):  # the first one warms up
        start_s = time.perf_counter()
        product = left @ right
        product[0, 0].item()  # waits for a GPU
        times_s.append(time.perf_counter() - start_s)
    return 2 * MATRIX**3 / min(times_s[1:]) / 1e9


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


def machine(device: torch.device) -> dict[str, object]:
    """Processor, cores, memory and GPU, as far as the system tells."""
    processor = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].split(":", 1)[1].strip() if names else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": processor or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30, 1),
        "system": platform.platform(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    """Of everything that computes."""
    packages = ("torch", "numpy", "av", "opencv-python-headless", "soxr")
    found = {"flashtalk": flashtalk.__version__, "python": platform.python_version()}
    return found | {name: version(name) for name in packages}


# --- what is shown --------------------------------------------------------------------------------
def table(report: dict) -> str:
    """The report for a person."""
    settings, computer = report["settings"], report["machine"]
    lines = [
        f"FlashTalk benchmark, {report['date']}",
        f"  {report['command']}",
        f"  {computer['gpu'] or computer['processor']}, {computer['cores']} cores, "
        f"{computer['memory_gb']} GB, load {computer['load_average'][0]}",
        "  " + ", ".join(f"{name} {number}" for name, number in report["versions"].items()),
        f"  {settings['preset']}, {settings['steps']} steps, {settings['threads']} threads, "
        f"{settings['repeats']} x {settings['seconds']:g} s",
        "",
        f"{'matrix product, GFLOP/s':<34}{report['matmul_gflops']:8.1f}",
        f"{'load the model, s':<34}{report['load_s']:8.3f}",
        f"{'warm up, s':<34}{report['warm_up_s']:8.3f}",
        f"{'peak memory, MB':<34}{report['peak_memory_mb']:8.0f}",
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


def _spread(values: Iterable[float]) -> Spread:
    numbers = sorted(values)
    return Spread(statistics.median(numbers), numbers[0], numbers[-1])


def _asset(kind: str) -> Path:
    files = sorted(path for path in (ASSETS / kind).glob("*.*") if path.suffix != ".md")
    if not files:
        option = {"voices": "--audio", "portraits": "--portrait"}[kind]
        raise FlashTalkError(f"There is nothing in {ASSETS / kind}. Give {option} a file.")
    return files[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flashtalk.bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--preset", default=TINY.name, help="preset or folder of weights")
    parser.add_argument("--portrait", type=Path, help="default: the first of assets/portraits")
    parser.add_argument("--audio", type=Path, help="default: the first of assets/voices, repeated")
    parser.add_argument("--seconds", type=float, default=20.0, help="video per repeat (20)")
    parser.add_argument("--repeats", type=int, default=3, help="fresh sessions (3)")
    parser.add_argument("--steps", type=int, help="denoising steps (default: the preset's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (2)")
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: what the preset needs)")
    parser.add_argument(
        "--first-fragment-frames",
        type=int,
        help="frames of the first chunk sent ahead (0: none; default: as on the page)",
    )
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
