"""What a command does where standard streams are closed or full, or nobody reads them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flashtalk.errors import command

ROOT = Path(__file__).parents[1]
NAME = "import sys; from flashtalk.errors import command; command(lambda: print('caf\\udce9'))()"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("given", [["--help"], ["plan", "--help"], ["draw"], ["plan", "--draw"]])
def test_without_a_reader_a_command_ends_without_a_word(given: list[str], unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "flashtalk", *given],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=subprocess.PIPE if "--help" in given else writer,
    )
    os.close(writer)
    assert (done.returncode, done.stderr or b"") == (141, b"")


@pytest.mark.parametrize(
    ("streams", "code", "words"),
    [
        (">&- 2>&- <&-", 0, ""),
        ("2>/dev/full", 0, "usage: flashtalk"),
        (">/dev/full", 1, "flashtalk: The output could not be written: No space left"),
    ],
)
def test_streams_that_are_closed_or_full(streams: str, code: int, words: str) -> None:
    line = f"exec {sys.executable} -m flashtalk --help {streams}"
    done = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, text=True)
    shown = done.stdout + done.stderr
    assert (done.returncode, "Traceback" in shown) == (code, False)
    assert words in shown and (words or not shown)


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", b"caf\xe9"), ("ascii", b"caf\\udce9")])
def test_a_name_that_is_no_text_is_printed(encoding: str, shown: bytes) -> None:
    env = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-c", NAME], cwd=ROOT, env=env, capture_output=True, check=True
    )
    assert done.stdout.rstrip() == shown


def test_ctrl_c_is_a_word_and_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    @command
    def main() -> int:
        raise KeyboardInterrupt

    assert main() == 130
    assert capsys.readouterr().err == "Stopped.\n"


@pytest.mark.parametrize("where", ["flashtalk.cli.main", "av"])
def test_ctrl_c_while_modules_are_imported_is_a_word_and_a_code(where: str, tmp_path: Path) -> None:
    """The first of these is imported at once, the other one once the options are read."""
    interrupting = (
        "import builtins, os, signal\n"
        "usual = builtins.__import__\n"
        "def importing(name, *rest, **more):\n"
        f"    if name == {where!r}:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return usual(name, *rest, **more)\n"
        "builtins.__import__ = importing\n"
    )
    (tmp_path / "sitecustomize.py").write_text(interrupting)
    done = subprocess.run(
        [sys.executable, "-m", "flashtalk", "verify", "nothing.mp4"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (130, "Stopped.\n"), done.stderr
