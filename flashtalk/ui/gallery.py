"""The people and voices to choose from, and whose voice is whose."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

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


def _files(folder: Path, suffixes: set[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
