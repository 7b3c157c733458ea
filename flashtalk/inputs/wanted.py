"""What somebody asks of a picture, beside the picture itself."""

from __future__ import annotations

from dataclasses import dataclass

from flashtalk.inputs.area import Area

FACE_RULE = "Which face is a whole number, 1 for the leftmost, or nothing for the largest"


@dataclass(frozen=True)
class Wanted:
    """Who of it speaks, and whether anybody must be found."""

    face: int | None = None
    """Who speaks of several, from the left, from 1 on; ``None`` for the largest face."""
    without_face: bool = False
    """Use the middle of a picture in which no face is found."""
    area: Area | None = None
    """The part that is shown; ``None``: around the face."""


AS_USUAL = Wanted()
