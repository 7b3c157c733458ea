"""Commands that documents and scripts give have the options that they are given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import tyro

from flashtalk.cli.main import COMMANDS, parse

ROOT = Path(__file__).parents[1]
FILES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("assets/*/README.md"),
    *ROOT.glob("lab/runs/*.sh"),
]
BASH = re.compile(r"```bash\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`(python -m lab[^`]* --[^`]*)`")
PRODUCT = re.compile(r"^(?:python -m )?flashtalk[. ](\w+)(.*)")
LAB = re.compile(r"-m (lab[\w.]+)(.*)")


class Parsed(BaseException):
    """The options fit; nothing is run."""


def commands() -> Iterator[tuple[str, str]]:
    """Name and arguments of what somebody may copy."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        blocks = [text] if path.suffix == ".sh" else BASH.findall(text)
        lines = "\n".join(blocks).replace("\\\n", " ").split("\n")
        lines += [" ".join(found.split()) for found in INLINE.findall(text)]
        for line in lines:
            called = PRODUCT.match(line) or LAB.search(line)
            if called and "$" not in line:  # a shell fills these in
                yield called[1], called[2].strip()


@pytest.mark.parametrize(("name", "given"), sorted(set(commands())))
def test_a_command_has_its_options(name: str, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = shlex.split(given, comments=True)
    if name in COMMANDS:
        parse(COMMANDS[name], arguments, prog=name)
        return
    read = tyro.cli

    def stop(kind: type, **settings: Any) -> None:
        read(kind, **settings)
        raise Parsed

    monkeypatch.setattr(tyro, "cli", stop)
    main = getattr(import_module(name), "main", None) or import_module(f"{name}.__main__").main
    with pytest.raises(Parsed):
        main(arguments)
