"""Results on disk, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def write_whole(path: Path, content: Mapping[str, object], *, indent: int | None = None) -> None:
    """Write ``content`` as JSON; a stop never leaves half a file."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=indent) + "\n", encoding="utf-8")
    part.replace(path)
