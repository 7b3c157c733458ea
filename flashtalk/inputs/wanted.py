"""What somebody asks of a picture, beside the picture itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wanted:
    """Who of it speaks, and whether anybody must be found."""

    face: int | None = None
    """Who speaks of several, from the left, from 1 on; ``None`` for the largest face."""
    without_face: bool = False
    """Use the middle of a picture in which no face is found."""


AS_USUAL = Wanted()
