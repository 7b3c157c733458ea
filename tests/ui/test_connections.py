"""A server of the page keeps files for its talks, whoever opens connections and says nothing."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from flashtalk.ui.connections import TOO_MANY, keep_few, more_files, most_connections

PATIENCE_S = 20.0


async def says(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def goes_on(request: Request) -> Response:
    def parts() -> Iterator[str]:
        for _ in range(4):
            time.sleep(0.3)
            yield "part "

    return StreamingResponse(parts())


@contextmanager
def serving(most: int, silent_s: float) -> Iterator[int]:
    """A server, and its port."""
    routes = [Route("/", says, methods=["GET", "POST"]), Route("/long", goes_on)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(Starlette(routes=routes), log_level="warning")
        server = uvicorn.Server(config)
        config.load()
        keep_few(server, most, silent_s)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nG"]
)
def test_a_connection_that_asks_for_nothing_is_ended(said: bytes) -> None:
    with serving(9, 0.5) as port, socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(said)
        end_s = time.monotonic() + PATIENCE_S
        line.settimeout(PATIENCE_S)
        answer = b""
        try:
            while (part := line.recv(9_999)) and time.monotonic() < end_s:
                answer += part
        except ConnectionError:
            part = b""
        assert not part, "it is open still"
        assert answer.startswith(b"HTTP/1.1 200") == (b"Host" in said)


def test_one_whose_request_is_answered_stays() -> None:
    with serving(9, 0.4) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/long").text == "part " * 4
        with httpx.Client() as client:  # one line for both, with a rest between
            for _ in range(2):
                assert client.post(f"http://127.0.0.1:{port}/", content=b"abc").text == "3"
                time.sleep(0.2)


def test_no_more_than_so_many_are_open() -> None:
    with serving(3, 60.0) as port, ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in "1234"]
        lines[3].settimeout(PATIENCE_S)
        answer = lines[3].makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 503") and TOO_MANY.encode() in answer
        lines[0].close()
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:  # the server hears of it a moment later
            try:
                if httpx.get(f"http://127.0.0.1:{port}/").text == "0":
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        else:
            pytest.fail("nobody gets the place that is free again")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of files")
@pytest.mark.parametrize(
    ("soft", "hard", "files", "most"),
    [(64, 64, 64, 32), (1_024, 4_096, 4_096, 2_048), (1_024, 10_000, 10_000, 7_696)],
)
def test_a_process_takes_the_files_that_it_may_have_and_keeps_some(
    soft: int, hard: int, files: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr("resource.getrlimit", lambda kind: limits[-1])
    monkeypatch.setattr("resource.setrlimit", lambda kind, wanted: limits.append(wanted))
    more_files()
    assert limits[-1] == (files, hard)
    assert most_connections() == most
