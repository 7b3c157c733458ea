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
    """Those whom the pairs name, in their order."""
    voices: list[Path]
    pairs: dict[str, str]
    """Portraits and their voices, by the names of their files."""

    @classmethod
    def of(cls, assets: Path) -> Gallery:
        """Of ``photographs``, ``portraits``, ``voices`` and ``gallery.json``; each may be missing.

        Without ``gallery.json`` everybody is shown.
        """
        folders = [_files(assets / name, _PICTURES) for name in ("photographs", "portraits")]
        people = {path.stem: path for folder in folders for path in folder}
        listed = assets / "gallery.json"
        pairs = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else {}
        shown = [people[name] for name in pairs] if pairs else [*people.values()]
        return cls(shown, _files(assets / "voices", _SOUNDS), pairs)


def _files(folder: Path, suffixes: set[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
