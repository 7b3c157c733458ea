"""Every word that the page itself says, read from ``assets/ui/texts.json``.

The scripts get the same object as ``text``. Sentences about pictures, sounds and settings stand
with the code that finds the problem. The command line and the API say them as well.
"""

from __future__ import annotations

import html
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from flashtalk.assets import ASSETS

UI_FILES = ASSETS / "ui"

_WORD = re.compile(r"\[\[(\w+)\.(\w+)\]\]")
_PART = re.compile(r"\[\[(\w+)\]\]")


@cache
def texts() -> dict[str, Any]:
    """The words, by group and name."""
    return json.loads((UI_FILES / "texts.json").read_text(encoding="utf-8"))


def filled(template: Path) -> str:
    """The HTML of ``template``: words in place of ``[[group.name]]``, files of ``[[part]]``.

    Raises:
        KeyError: for a word that is not in the file.
    """
    words = texts()
    page = template.read_text(encoding="utf-8")
    page = _PART.sub(lambda part: filled(template.with_name(f"{part[1]}.html")), page)
    return _WORD.sub(lambda word: html.escape(words[word[1]][word[2]]), page)
