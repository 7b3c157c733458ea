"""What two films of one talk have in common."""

from __future__ import annotations

from pathlib import Path

from flashtalk.outputs.fragments import _boxes


def unsigned(video: Path) -> bytes:
    """All but the content credentials, whose salts and signature differ from file to file."""
    return b"".join(box for name, box in _boxes(video.read_bytes()) if name != "uuid")
