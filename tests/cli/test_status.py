"""``flashtalk status``, of real figures behind a server of the tests."""

from __future__ import annotations

import base64
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
def served(text: bytes, asked: list[str | None] | None = None) -> Iterator[str]:
    """The address of a server that answers ``text``, and notes who ``asked``."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                asked.append(self.headers["Authorization"])
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


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:9", "nobody listens there"),
        ("http://name:secret@127.0.0.1:9", "nobody listens there"),
        ("http://name:sec/ret@127.0.0.1:9", "nobody listens there"),
        ("name:secret@127.0.0.1:9", "no address"),
        ("http://127.0.0.1:x", "no address"),
        ("file:///etc/hostname", "no address"),
        ("http://nobody.invalid", "no machine of that name is known"),
    ],
)
def test_the_reason_is_in_words_and_no_password_is_shown(
    address: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", address]) == 2
    said = capsys.readouterr().err
    assert reason in said
    for word in ("urlopen", "Errno", "secret", "ret@", "name:"):
        assert word not in said


def test_the_name_and_password_of_an_address_are_sent_and_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[str | None] = []
    text = Watch(Admission(lambda: ENGINES), lambda: 0, lambda: ENGINES).text()
    with served(text, asked) as address:
        assert main(["status", address.replace("//", "//me:p%40ss@")]) == 0
    assert asked == ["Basic " + base64.b64encode(b"me:p@ss").decode()]
    with served(b"none") as address:
        assert main(["status", address.replace("//", "//me:secret@")]) == 2
    assert "secret" not in "".join(capsys.readouterr())


def test_a_refusal_is_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    with served(b"") as address:
        assert main(["status", f"{address}/elsewhere"]) == 2
    assert "answers with code 404" in capsys.readouterr().err
