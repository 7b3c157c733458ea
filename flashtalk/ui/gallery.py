"""The people and voices to choose from, and whose voice is whose."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

_PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
_SOUNDS = {".wav", ".flac", ".mp3", ".m4a", ".ogg"}


@dataclass(frozen=True)
class Gallery:
    """Portraits, voices and their pairs in a folder of assets."""

    portraits: list[Path]
    voices: list[Path]
    pairs: dict[str, str]
    """Portraits and their voices, by the names of their files."""

    @classmethod
    def of(cls, assets: Path) -> Gallery:
        """The folders ``portraits`` and ``voices``, and ``gallery.json``; each may be missing."""
        pairs = assets / "gallery.json"
        return cls(
            _files(assets / "portraits", _PICTURES),
            _files(assets / "voices", _SOUNDS),
            json.loads(pairs.read_text(encoding="utf-8")) if pairs.is_file() else {},
        )

    def suited_voice(self) -> Callable[[str | None, gr.SelectData], str | dict[str, Any]]:
        """What a click on somebody does to the voice: an example gives way to theirs.

        A voice of the visitor's own stays, and so does the empty box of somebody about to record
        one.
        """
        people = [path.stem for path in self.portraits]
        by_name = {path.stem: path for path in self.voices}
        examples = {path.name for path in self.voices}

        def choose(current: str | None, clicked: gr.SelectData) -> str | dict[str, Any]:
            theirs = by_name.get(self.pairs.get(people[clicked.index], ""))
            shown = Path(current).name if current else ""
            if theirs is None or shown not in examples:
                return gr.skip()
            return str(theirs)

        return choose


def _files(folder: Path, suffixes: set[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
