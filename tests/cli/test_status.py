"""``flashtalk status``, of real figures behind a server of the tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from flashtalk.cli.main import main
from flashtalk.stream.admission import Admission
from flashtalk.stream.contracts import EngineState
from flashtalk.stream.piece import VideoPiece
from flashtalk.ui.watch import Watch

ENGINES = {"w1": EngineState(0.8), "w2": EngineState(0.5), "w3": EngineState(None, "starting")}
PIECE = VideoPiece(
    0, np.zeros((25, 2, 2, 3), np.uint8), np.zeros(16_000, np.float32), 0.0, compute_s=0.8
)


@contextmanager
def served(text: bytes) -> Iterator[str]:
    """The address of a server that answers ``text``."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *given: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_workers_talks_speed_and_line_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    admission = Admission(lambda: ENGINES, most=1)
    with admission.seat() as talking, admission.seat() as waiting:
        assert talking.wait(0.0) is None
        assert waiting.wait(0.0) is not None
        talking.made(PIECE)
        with served(Watch(admission, lambda: 3, lambda: ENGINES).text()) as address:
            assert main(["status", f"{address}/"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 talking, 1 waiting, 3 preparing",
        "engine            talks  × real time",
        "w1      ready     0      1.25",
        "w2      ready     1      1.89",
        "w3      starting  0",
    ]


@pytest.mark.parametrize("text", [b"up 1.0\n", b"<html>", b"\xff"])
def test_another_program_is_a_sentence(text: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with served(text) as address:
        assert main(["status", address]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert f"no page of FlashTalk at {address}" in said


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "nowhere", "http://[", "ftp://x"])
def test_nobody_there_is_a_sentence(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", address]) == 2
    assert "such as http://127.0.0.1:7860" in capsys.readouterr().err
