"""Docstrings say what is, in short sentences."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_WORDS = 20

CODE = re.compile(r"``[^`]*``|`[^`]*`")  # counts as one word
ASIDE = re.compile(r"\s*(?:\[[^\]]*\]|\([^)]*\))")  # shapes and remarks in brackets count as none
ITEM = re.compile(r"[*-] |`*\w+`*(?:, `*\w+`*)*: ")  # of a list: "* text" or "name, name: meaning"
SECTIONS = ("Args:", "Raises:", "Returns:", "Yields:")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9`\"/*:-])")
WORD = re.compile(r"\b[^\W\d_][\w'’-]*")
ABBREVIATIONS = ("Letters: ", "Sources: ")  # lists in one line, no sentences

HISTORY = re.compile(
    r"\b(any ?more|as before|formerly|no longer|nowadays|previously|since 20\d\d|today|until then"
    r"|used to|20\d\d-\d\d-\d\d)\b",
    re.IGNORECASE,
)


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string that documents a module, class, function or attribute."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for child in node.body:
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                text = child.value.value
                if isinstance(text, str):
                    yield child.lineno, inspect.cleandoc(text)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a docstring; examples are left out, and items of a list stand alone."""
    for paragraph in re.split(r"\n\s*\n", text):
        items = [""]
        section = False
        for line in paragraph.split("\n"):
            section = section or line in SECTIONS
            if line.startswith("    ") and not section:
                continue  # an example or a table
            if ITEM.match(line.removeprefix("    ")):
                items.append("")
            items[-1] += " " + line.strip()
        for item in items:
            for sentence in SENTENCE_END.split(ASIDE.sub("", CODE.sub("X", item.strip()))):
                if not sentence.startswith(ABBREVIATIONS):
                    yield sentence


def faults(source: str) -> list[str]:
    found = []
    for line, text in docstrings(source):
        for sentence in sentences(text):
            words = len(WORD.findall(sentence))
            if words > MAX_WORDS:
                found.append(f"{line}: {words} words: {sentence}")
        if match := HISTORY.search(text):
            found.append(f"{line}: history ({match[0]}): {text.splitlines()[0]}")
    return found


def test_docstrings_have_short_sentences_and_tell_no_history() -> None:
    files = chain(
        (ROOT / "flashtalk").rglob("*.py"), (ROOT / "lab").rglob("*.py"), [ROOT / "app.py"]
    )
    found = [
        f"{path.relative_to(ROOT)}:{fault}"
        for path in sorted(files)
        for fault in faults(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


LONG = " ".join(["word"] * 21)
HALF = LONG[:60]


@pytest.mark.parametrize(
    "source",
    [
        f'"""{LONG.capitalize()}."""',
        f'"""Short.\n\n{LONG.capitalize()}.\n"""',
        f'class A:\n    """Short.\n\n    Short. {LONG.capitalize()}.\n    """',
        f'def f():\n    """Short.\n\n    * {LONG}\n    """',
        f'class A:\n    x: int\n    """{LONG.capitalize()}."""',
        f'def f():\n    """Short.\n\n    Args:\n        x: {LONG}\n    """',
        '"""It no longer fails."""',
        'def f():\n    """It was so until then."""',
    ],
)
def test_the_guard_sees_a_fault(source: str) -> None:
    assert len(faults(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        '"""' + " ".join(["word"] * 20).capitalize() + '."""',
        f'"""Short ({LONG}) and ``{LONG}``."""',
        f'"""Short.\n\nShort::\n\n    {LONG}\n"""',
        f'"""Short.\n\nname: {HALF}\nother, third: {HALF}\n"""',
        f'def f():\n    """Short.\n\n    Args:\n        x: {HALF}\n        y: {HALF}\n    """',
        f'def f():\n    x = "{LONG}"\n    return x',
    ],
)
def test_the_guard_lets_short_sentences_pass(source: str) -> None:
    assert faults(source) == []
