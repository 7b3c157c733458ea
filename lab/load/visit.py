"""One visitor over HTTP: uploads, talks, and notes when everything came.

The calls are those of any client of the page's API. Playback is reckoned, not shown. As in the
page, it starts ``HOLD_S`` after the first fragment, with as much video ahead. It stalls when it has
played what came.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HOLD_S = 0.3
"""As in ``assets/ui/scripts/playback.js``."""
_FILE = {"meta": {"_type": "gradio.FileData"}}

Arrival = tuple[float, float]
"""When a fragment came, and how much video there is up to its end; both in seconds."""


@dataclass(frozen=True)
class Visit:
    """What one visitor got; times in seconds from the call on."""

    arrivals: tuple[Arrival, ...] = ()
    waited_s: float = 0.0
    """Until the line let the visitor in."""
    refusal: str = ""
    """The sentence, if there was one."""
    ended: bool = False
    """Whether the talk was made to its end."""

    @property
    def first_picture_s(self) -> float | None:
        """From being let in to the first fragment."""
        return self.arrivals[0][0] - self.waited_s if self.arrivals else None

    @property
    def real_time(self) -> float | None:
        """Seconds of video a second, from being let in to the last fragment."""
        if not self.arrivals:
            return None
        return self.arrivals[-1][1] / (self.arrivals[-1][0] - self.waited_s)

    @property
    def stalls_s(self) -> tuple[float, ...]:
        """Length of each stall of the playback."""
        return stalls_of(self.arrivals)


def stalls_of(arrivals: Sequence[Arrival]) -> tuple[float, ...]:
    """Stalls of a playback of ``arrivals``, which starts as the page's does."""
    if not arrivals:
        return ()
    stalls: list[float] = []
    (first_s, there_s), *rest = arrivals
    enough_s = next((come_s for come_s, made_s in arrivals if made_s >= HOLD_S), arrivals[-1][0])
    begun_s = max(first_s + HOLD_S, enough_s)
    for come_s, made_s in rest:
        late_s = come_s - (begun_s + there_s)
        if late_s > 0:
            stalls.append(late_s)
            begun_s += late_s
        there_s = made_s
    return tuple(stalls)


async def upload(client: httpx.AsyncClient, address: str, paths: Sequence[Path]) -> list[Any]:
    """``paths`` as values of a call."""
    files = [("files", (path.name, path.read_bytes())) for path in paths]
    reply = await client.post(f"{address}/gradio_api/upload", files=files)
    reply.raise_for_status()
    return [_FILE | {"path": path} for path in reply.json()]


async def visit(client: httpx.AsyncClient, address: str, values: Sequence[Any]) -> Visit:
    """Talks once with ``values`` (portrait, voice, seed, ...) of the call ``/talk``."""
    call = f"{address}/gradio_api/call/talk"
    begin_s = time.perf_counter()
    event = (await client.post(call, json={"data": list(values)})).json()["event_id"]
    arrivals: list[Arrival] = []
    waited_s, ended, failed = 0.0, False, False
    async with client.stream("GET", f"{call}/{event}") as reply:
        async for line in reply.aiter_lines():
            failed = failed or line == "event: error"
            if not line.startswith("data: "):
                continue
            data = json.loads(line.removeprefix("data: "))
            if failed:
                sentence = (data or {}).get("error") or "an error without a sentence"
                return Visit(tuple(arrivals), waited_s, sentence)
            if not data:  # a heartbeat
                continue
            message = json.loads(data[0])
            now_s = time.perf_counter() - begin_s
            if message["kind"] == "waiting":
                waited_s = now_s
            elif message["kind"] == "fragment":
                arrivals.append((now_s, message["made_s"]))
            ended = ended or message["kind"] == "end"
    return Visit(tuple(arrivals), waited_s, ended=ended)
