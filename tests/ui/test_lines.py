"""Clients on bad lines: gone, cut off or silent; the page stays whole for the others."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

FILE = {"meta": {"_type": "gradio.FileData"}}
PATIENCE_S = 60.0
FROZEN_S = 3.0  # at least; and until all of the talk is made


@contextmanager
def talking(address: str, portrait: Path, speech: Path) -> Iterator[httpx.Response]:
    """The stream of a talk that has begun."""
    files = [("files", path.open("rb")) for path in (portrait, speech)]
    paths = httpx.post(f"{address}/gradio_api/upload", files=files).json()
    values = [*(FILE | {"path": path} for path in paths), 7, False, 4]
    call = f"{address}/gradio_api/call/talk"
    event = httpx.post(call, json={"data": values}).json()["event_id"]
    with httpx.stream("GET", f"{call}/{event}", timeout=300) as reply:
        yield reply


def messages(reply: httpx.Response) -> Iterator[dict]:
    for line in reply.iter_lines():
        if line.startswith("data: ["):
            yield json.loads(json.loads(line.removeprefix("data: "))[0])


def figure(address: str, name: str) -> float:
    text = httpx.get(f"{address}/metrics").text
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])


@pytest.mark.parametrize("cut", [False, True])
def test_a_client_that_vanishes_ends_its_talk(
    address: str, portrait: Path, long_speech: Path, cut: bool
) -> None:
    left = 'flashtalk_talks_total{end="left"}'
    before = figure(address, left)
    with talking(address, portrait, long_speech) as reply:
        incoming = messages(reply)
        while next(incoming)["kind"] != "fragment":
            pass
        if cut:  # a reset, rather than a goodbye
            line = reply.extensions["network_stream"].get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def seen() -> tuple[float, float]:
        return figure(address, left) - before, figure(address, "flashtalk_talking")

    end_s = time.monotonic() + PATIENCE_S
    while seen() != (1, 0) and time.monotonic() < end_s:  # the seat is given back a moment later
        time.sleep(0.5)
    assert seen() == (1, 0)


def test_a_line_that_freezes_loses_nothing(
    address: str, portrait: Path, short_speech: Path
) -> None:
    with talking(address, portrait, short_speech) as reply:
        incoming = messages(reply)
        first = next(incoming)
        least_s = time.monotonic() + FROZEN_S
        while (now_s := time.monotonic()) < least_s or (
            figure(address, "flashtalk_talking") and now_s < least_s + PATIENCE_S
        ):
            time.sleep(0.2)
        *between, end, result = [first, *incoming]
    numbers = [message["number"] for message in (*between, end)]
    assert numbers == list(range(len(numbers)))
    assert end["kind"] == "end"
    assert result == end, "Gradio repeats the last update as the call's result"


def test_the_page_says_that_it_is_ready(address: str) -> None:
    reply = httpx.get(f"{address}/healthz")
    assert (reply.status_code, reply.text) == (200, "ready\n")
