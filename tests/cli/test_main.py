"""``flashtalk``: the commands, their options, and what is said before anything is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flashtalk.cli.main import COMMANDS, main, parse
from flashtalk.cli.options import BenchOptions, GenerateOptions
from flashtalk.cli.serve_options import ServeOptions

ROOT = Path(__file__).parents[2]
NEEDED = ["--portrait", "me.jpg", "--audio", "me.wav", "--out", "me.mp4"]


def test_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)
    for unknown in (["draw"], []):
        assert main(unknown) == 2
        assert shown == capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    option = {"verify": "FILE", "status": "[URL]"}.get(name, "--preset NAME")
    assert f"usage: flashtalk {name}" in shown and option in shown


def test_options_that_people_know() -> None:
    given = [*NEEDED, "--seed", "7", "--steps", "2", "--no-crop", "--size", "768x448"]
    options = parse(GenerateOptions, given, prog="test")
    assert (options.seed, options.steps, options.crop, options.size) == (7, 2, False, "768x448")
    assert parse(BenchOptions, ["--json", "a.json"], prog="test").out == Path("a.json")
    assert parse(BenchOptions, ["--out", "a.json"], prog="test").out == Path("a.json")
    assert parse(BenchOptions, ["--random-weights"], prog="test").video_s == 5
    assert parse(ServeOptions, ["--share", "--port", "80"], prog="test").share


@pytest.mark.parametrize(
    "given", [[], ["--seed", "2.5"], ["--steps", "few"], ["--colour", "red"], ["--no-crop=1"]]
)
def test_options_that_do_not_fit_end_with_code_two(given: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["generate", *(NEEDED if given else []), *given])
    assert ended.value.code == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_from_a_folder_that_is_gone_there_is_a_sentence(
    command: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    given = {"generate": NEEDED, "evaluate": NEEDED, "verify": ["a.mp4"]}.get(command, [])
    assert main([command, *given]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("flashtalk: The folder in which this was started is gone.")


@pytest.mark.parametrize("given", [["--audio", ""], ["--audio="], ["--out", ""], ["--portrait="]])
def test_an_empty_path_is_not_the_current_folder(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", *NEEDED, *given]) == 2
    assert f"flashtalk: {given[0].rstrip('=')} has an empty value" in capsys.readouterr().err


def test_a_tilde_is_the_home_folder_in_every_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    given = ["--portrait=~", "--audio=~/me.wav", "--out=~nobody-of-that-name/me.mp4"]
    options = parse(GenerateOptions, given, prog="test")
    assert (options.portrait, options.audio) == (tmp_path, tmp_path / "me.wav")
    assert options.out == Path("~nobody-of-that-name/me.mp4")


@pytest.mark.parametrize("name", ["generate", "bench", "plan"])
def test_the_modules_of_the_commands_run_them(name: str) -> None:
    check = (
        f"import sys, runpy; sys.argv = ['flashtalk.{name}', '--help']\n"
        "try: runpy.run_module(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as ended: sys.exit(ended.code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and f"usage: flashtalk {name}" in done.stdout, done.stderr
