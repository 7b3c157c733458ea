"""``flashtalk serve``, as far as it can be looked at without serving the page."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest

from flashtalk.cli import serve
from flashtalk.cli.main import main
from flashtalk.cli.serve import ask_no_proxy, computes_at, launch, warms_up, why_not_live
from flashtalk.cli.serve_options import ServeOptions
from flashtalk.cli.uploads import sweep_cut_off, sweep_unfinished, sweep_uploads
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.outputs.scratch import ScratchFolder
from flashtalk.ui.events import Limits


@pytest.mark.parametrize(
    ("device", "gpu_is_lent", "warm"),
    [("cpu", False, True), ("cuda", False, True), ("cpu", True, True), ("cuda", True, False)],
)
def test_a_gpu_that_is_lent_to_visits_is_not_warmed_up_before_one(
    device: str, gpu_is_lent: bool, warm: bool
) -> None:
    assert warms_up(device, gpu_is_lent) is warm


def test_only_a_model_on_a_gpu_computes_in_the_process_that_has_one() -> None:
    seen = []

    def on_gpu(function):
        seen.append(function)
        return lambda *given: iter(())

    assert computes_at("cpu", on_gpu)(iter) is iter
    assert computes_at("cuda", on_gpu)(iter) is not iter
    assert seen == [iter, iter], "ZeroGPU looks for a function of its own"


def refusal(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["serve", *options]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    return sentence


def test_without_a_home_folder_there_is_a_sentence(monkeypatch, capsys) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert "Set the variable HOME" in refusal(capsys)


@pytest.mark.parametrize("name", ["GRADIO_NUM_PORTS", "GRADIO_DEBUG", "GRADIO_SERVER_PORT", "PORT"])
def test_a_number_that_is_none_is_a_sentence(name: str, monkeypatch, capsys) -> None:
    """Gradio would end with a traceback when it is imported."""
    for value in ("many", "8 0", "9" * 5_000):
        monkeypatch.setenv(name, value)
        assert refusal(capsys).startswith(f"flashtalk: {name} must be a ")
    monkeypatch.setenv(name, "")
    ServeOptions().check()
    assert name not in os.environ, "as if it were not set"


def test_without_a_folder_for_temporary_files_there_is_a_sentence(monkeypatch, capsys) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    assert "Set the variable TMPDIR" in refusal(capsys)


@pytest.mark.parametrize("host", ["a..b", "\u00fc..de", f"{'x' * 70}.de"])
def test_a_name_that_no_machine_has_is_a_sentence(host: str, capsys) -> None:
    said = refusal(capsys, "--host", host)
    assert f"at {host}: " in said and "--host" in said


def test_a_busy_port_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refusal(capsys, "--port", port)
    assert f"port {port} of 127.0.0.1" in said and "in use" in said and "--port" in said


def test_an_address_of_another_machine_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, "--host", "192.0.2.1", "--port", "7860")
    assert "192.0.2.1" in said and "--host" in said


@pytest.mark.parametrize("host", ["192.0.2.1", "nobody.invalid", "999.1.1.1"])
def test_so_it_is_without_a_port(host: str, monkeypatch, capsys) -> None:
    assert f"at {host}: " in (said := refusal(capsys, "--host", host)) and "--host" in said
    monkeypatch.setenv("GRADIO_SERVER_NAME", host)
    assert f"at {host}: " in (said := refusal(capsys)) and "GRADIO_SERVER_NAME" in said


@pytest.mark.parametrize(
    "path", ["talk", "no slash?", "/a b", "//x?y", "//x.de", "ftp://example.com/talk"]
)
def test_a_path_that_no_proxy_has_is_a_sentence(path: str, monkeypatch, capsys) -> None:
    monkeypatch.setenv("GRADIO_ROOT_PATH", path)
    said = refusal(capsys)
    assert "GRADIO_ROOT_PATH must be" in said and repr(path) in said and "/talk" in said


@pytest.mark.parametrize("path", ["", "/talk", "/a/b/", "https://example.com", "http://a.b:8/talk"])
def test_paths_of_proxies_are_accepted(path: str, monkeypatch) -> None:
    monkeypatch.setenv("GRADIO_ROOT_PATH", path)
    ServeOptions().check()


@pytest.mark.parametrize("given", [None, "intranet"])
def test_a_proxy_is_not_asked_for_the_own_page(given: str | None, monkeypatch) -> None:
    """``http_proxy`` is set in many a company."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, given or "")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ask_no_proxy("127.0.0.1")
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        answering = threading.Thread(target=answer_once, args=(listening,))
        answering.start()
        assert httpx.get(url).status_code == 204
        answering.join()
    assert (os.environ["no_proxy"].split(",")[0] == "intranet") is (given is not None)


def answer_once(listening: socket.socket) -> None:
    visitor, _ = listening.accept()
    with visitor:
        visitor.recv(4_096)
        visitor.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_ports_that_are_all_busy_are_a_sentence(monkeypatch, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(serve, "INITIAL_PORT_VALUE", port := taken.getsockname()[1])
        monkeypatch.setattr(serve, "TRY_NUM_PORTS", 1)
        said = refusal(capsys)
    assert f"All ports from {port} to {port} of 127.0.0.1 are in use" in said and "PORT" in said


@pytest.mark.parametrize("name", ["PORT", "GRADIO_SERVER_PORT"])
def test_the_port_may_be_a_variable(name: str, monkeypatch, capsys) -> None:
    monkeypatch.setenv(name, "7999")
    assert ServeOptions().chosen_port == 7999
    assert ServeOptions(port=80).chosen_port == 80
    monkeypatch.setenv(name, "seven")
    assert f"{name} must be a port" in refusal(capsys)


def test_a_server_that_does_not_begin_is_a_sentence_and_leaves_nothing(monkeypatch) -> None:
    def fails(*given: object) -> None:
        raise OSError("Cannot find empty port in range: 7999-7999. You can specify a different one")

    monkeypatch.setattr("flashtalk.cli.serve._begin", fails)
    page = Mock()
    with pytest.raises(FlashTalkError, match=r"cannot be served at port 7999 of 127\.0\.0\.1: "):
        launch(page, "127.0.0.1", 7999, False, Limits())
    page.live_talks.close.assert_called_once()
    page.comparisons.close.assert_called_once()


def test_a_folder_of_somebody_else_is_a_sentence(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "taken" / "gradio"))
    said = refusal(capsys)
    assert str(tmp_path / "taken") in said and "Set the variable GRADIO_TEMP_DIR" in said


def test_what_a_killed_server_left_is_swept_after_its_time(tmp_path: Path, monkeypatch) -> None:
    own = tmp_path / "own"
    monkeypatch.setattr("flashtalk.cli.uploads.OWN_FOLDER", own)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # so that the variable is as it was, afterwards
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    now_s = time.time()
    for name, age_s in (("old", 120), ("new", 10)):
        (own / name).mkdir(parents=True)
        (own / name / "ada.png").write_bytes(b"her picture")
        os.utime(own / name / "ada.png", (now_s - age_s, now_s - age_s))
        (own / f"tmp{name}").write_bytes(b"the half of her pict")  # whose upload was cut off
        os.utime(own / f"tmp{name}", (now_s - age_s, now_s - age_s))
    sweep_uploads(60)
    assert {path.name for path in own.iterdir()} == {"new", "tmpnew"}
    assert os.environ["GRADIO_TEMP_DIR"] == str(own), "new files lie there, too"

    sweep_cut_off(own, 5)  # as it is done while the page is served
    assert {path.name for path in own.iterdir()} == {"new"}

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "shared"))
    sweep_uploads(5)
    assert (own / "new" / "ada.png").exists(), "a folder that the user chose is nobody else's"


def test_what_a_killed_server_worked_on_is_gone_at_the_next_start(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kinds = ("talk", "live", "compare")
    with ExitStack() as other_page:
        for kind in kinds:
            other_page.enter_context(ScratchFolder(tmp_path, f"flashtalk-{kind}-"))
            left = tmp_path / f"flashtalk-{kind}-left"
            left.mkdir()
            (left / "lock").touch()
            (left / "portrait.jpg").write_bytes(b"her picture")
        sweep_unfinished()
        assert len(list(tmp_path.iterdir())) == 3, "those of a page that runs"
        assert not list(tmp_path.glob("*-left"))


@pytest.mark.parametrize(
    ("choice", "lent", "pace", "said"),
    [
        ("auto", False, 1.5, ""),
        ("auto", False, 0.8, "This machine makes 0.80 seconds of video in a second"),
        ("on", False, 0.8, ""),
        ("off", False, 1.5, "switched off"),
        ("auto", True, 1.5, "borrows its GPU"),
        ("on", True, 1.5, "borrows its GPU"),
    ],
)
def test_where_nobody_can_speak_live_there_is_a_reason(
    choice: str, lent: bool, pace: float, said: str, monkeypatch, toy_networks
) -> None:
    engine = Engine(toy_networks)
    monkeypatch.setattr(engine, "live_pace", lambda enough: pace)
    reason = why_not_live(choice, engine, gpu_is_lent=lent)
    assert said in reason and bool(said) == bool(reason)


def test_the_pace_of_live_speech_is_measured_until_it_is_enough(toy_networks) -> None:
    assert Engine(toy_networks).live_pace(enough=0.0, chunks=3) > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--workers", "0"), "--workers must be 1 or more"),
        (("--workers", "3", "--workers-max", "2"), "--workers-max no fewer, got 3 and 2"),
        (("--cluster", "auto"), "add --workers"),
        (("--gpus-per-worker", "2"), "add --workers"),
        (("--workers", "1", "--gpus-per-worker", "2", "--device", "cpu"), "without --device cpu"),
        (("--workers", "999"), "999 workers of 1 processors do not fit on this machine"),
        (("--workers", "1", "--cluster", "127.0.0.1:9"), "no cluster of Ray at 127.0.0.1:9"),
        (("--workers", "1", "--cluster", "ray://here"), "auto or HOST:PORT"),
    ],
)
def test_workers_that_cannot_be_are_a_sentence(
    options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal(capsys, *options)


def test_workers_without_their_extra_are_a_sentence(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not installed
    assert refusal(capsys, "--workers", "2").endswith("pip install '.[cluster]'.")


def test_torchrun_and_workers_are_a_sentence(monkeypatch, capsys) -> None:
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "2")
    assert "without torchrun" in refusal(capsys, "--workers", "2")
