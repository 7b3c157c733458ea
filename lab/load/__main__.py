"""Drives visitors over loopback, and prints what they got.

    python -m lab.load --visitors 1 2 4 8 --seconds 6
    python -m lab.load --visitors 4 --rounds 50 --seconds 2      # memory over 200 talks
    python -m lab.load --address http://127.0.0.1:7860 --visitors 16

All visitors of a round come at once, each with another portrait and seed. Without an address the
page is served here, and its resident memory is printed too.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import httpx
import numpy as np
import psutil
import soundfile

from flashtalk.assets import ASSETS
from flashtalk.errors import command
from flashtalk.inputs.speech import load_speech
from lab.load.server import memory_mb, served
from lab.load.visit import Visit, upload, visit
from lab.options import read_options, require_at_least

HEAD = (
    "| visitors | made | waited | refused | × real time, least | stalls | longest, s "
    "| first picture p50, s | p95, s | line p50, s | memory, MB |\n"
    f"|{'---|' * 11}\n"
)


@dataclass(frozen=True, kw_only=True)
class Load:
    """Drive visitors over loopback."""

    visitors: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """So many at once; a row of the table for each number."""
    rounds: int = 1
    """Repeats of each number; they share a row."""
    seconds: float = 6.0
    """Length of each voice."""
    address: str | None = None
    """Of a page that is served already."""

    def __post_init__(self) -> None:
        require_at_least(1, self, "rounds")
        require_at_least(0.1, self, "seconds")
        if min(self.visitors, default=0) < 1:
            raise ValueError(f"visitors must be at least 1, got {self.visitors}")


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    options = read_options(Load, arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address, process = options.address, None
        if address is None:
            address, process = stack.enter_context(served(folder / "log.txt"))
        voice = folder / "voice.wav"
        soundfile.write(voice, _speech(options.seconds), 16_000)
        sys.stdout.write(HEAD)
        for count in options.visitors:
            visits, memory = asyncio.run(_rounds(address, count, options.rounds, voice, process))
            sys.stdout.write(row(count, visits, memory) + "\n")
            sys.stdout.flush()


def row(count: int, visits: Sequence[Visit], memory: Sequence[tuple[float, float]]) -> str:
    """A line of the table; ``memory`` is (seconds, MB) after each round."""
    stalls = tuple(chain.from_iterable(each.stalls_s for each in visits))
    speeds = [each.real_time for each in visits if each.real_time is not None]
    firsts = [each.first_picture_s for each in visits if each.first_picture_s is not None]
    waits = [each.waited_s for each in visits if each.waited_s]
    cells = [
        count,
        sum(each.ended for each in visits),
        len(waits),
        sum(bool(each.refusal) for each in visits),
        f"{min(speeds):.2f}" if speeds else "",
        len(stalls),
        f"{max(stalls, default=0.0):.2f}",
        *(_quantiles(firsts, 0.5, 0.95)),
        *(_quantiles(waits, 0.5)),
        _memory(memory),
    ]
    return f"| {' | '.join(map(str, cells))} |"


async def _rounds(
    address: str, count: int, rounds: int, voice: Path, process: psutil.Process | None
) -> tuple[list[Visit], list[tuple[float, float]]]:
    people = sorted((ASSETS / "portraits").iterdir())
    visits: list[Visit] = []
    memory: list[tuple[float, float]] = []
    begin_s = time.perf_counter()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=None, limits=limits) as client:
        for number in range(rounds):
            chosen = [people[(number * count + each) % len(people)] for each in range(count)]
            given = [await upload(client, address, (each, voice)) for each in chosen]
            calls = [visit(client, address, (*files, n, False, 4)) for n, files in enumerate(given)]
            visits += await asyncio.gather(*calls)
            if process is not None:
                memory.append((time.perf_counter() - begin_s, memory_mb(process)))
    return visits, memory


def _speech(seconds: float) -> np.ndarray:
    samples = load_speech(ASSETS / "voices" / "emma.flac").samples
    return np.resize(samples, round(seconds * 16_000))


def _quantiles(values: Sequence[float], *shares: float) -> list[str]:
    return [f"{np.quantile(values, share):.2f}" if values else "" for share in shares]


def _memory(memory: Sequence[tuple[float, float]]) -> str:
    """Memory after the last round, and its slope over the later half of the rounds."""
    if not memory:
        return ""
    last = f"{memory[-1][1]:.0f}"
    later = np.array(memory[len(memory) // 2 :])
    if len(later) < 5:
        return last
    slope = np.polyfit(later[:, 0] / 60, later[:, 1], 1)[0]
    return f"{last}, {slope:+.2f} a minute"


if __name__ == "__main__":
    sys.exit(main())
