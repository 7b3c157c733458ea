"""Every word that the page itself says, read from ``assets/ui/texts.json``.

The scripts get the same object as ``text``. Sentences about pictures, sounds and settings stand
with the code that finds the problem. The command line and the API say them as well.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from flashtalk.assets import ASSETS

UI_FILES = ASSETS / "ui"

_PLACE = re.compile(r"\[\[(\w+)\.(\w+)\]\]")


def texts() -> dict[str, Any]:
    """The words, by group and name."""
    return json.loads((UI_FILES / "texts.json").read_text(encoding="utf-8"))


def filled(template: Path) -> str:
    """The HTML of ``template`` with its words in place of ``[[group.name]]``.

    Raises:
        KeyError: for a word that is not in the file.
    """
    words = texts()
    return _PLACE.sub(
        lambda place: html.escape(words[place[1]][place[2]]), template.read_text(encoding="utf-8")
    )
