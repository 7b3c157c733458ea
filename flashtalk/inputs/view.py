"""What of a picture is shown, and what of it moves: a part around a face, or all of it.

Used by :mod:`flashtalk.inputs.portrait`. The networks see a face framed as they know it, whatever
is shown. Less is shown where a picture ends close to the head. A visitor may choose a part, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from flashtalk.inputs.cutting import cut
from flashtalk.inputs.faces import Face
from flashtalk.inputs.framing import Crop, part_of, view_of
from flashtalk.inputs.still import (
    Bounds,
    cut_turned,
    cut_view,
    fitted,
    square_around,
    square_of,
)

MOST_AROUND = 2.0  # sides of what is shown: networks see no more around it
MOST_ROLL_DEG = 25.0  # a head that is tilted further is turned upright


@dataclass(frozen=True, eq=False)
class View:
    """What is shown of a picture, and what of it moves."""

    picture: Image.Image
    speaker: Face | None
    faces: Sequence[Face]
    image: Image.Image
    """What is shown."""
    shown: Crop
    """Where that is in the picture."""
    part: Crop
    """Where in the picture is what the networks see."""
    square: Crop | None = None
    """The same in the image, where it is not the image."""
    moving: Image.Image | None = None
    """That square, where not all of it is in the image."""
    tilt_deg: float = 0.0
    """How it is turned there."""

    def framed(self, frame: tuple[int, int], *, always: bool) -> Image.Image | None:
        """What networks of a ``frame`` (width, height) see; ``None``: the image.

        ``always``: even if that shows the same.
        """
        if self.tilt_deg:
            return cut_turned(self.picture, self.part, self.tilt_deg, frame)
        if self.moving is not None:
            return self.moving.resize(frame, Image.Resampling.LANCZOS)
        return cut(self.picture, self.part, frame) if always or self.square is not None else None

    @classmethod
    def of_part(
        cls,
        picture: Image.Image,
        speaker: Face | None,
        faces: Sequence[Face],
        chosen: Crop | None,
        frame: tuple[int, int],
        size: tuple[int, int],
        *,
        around: bool,
    ) -> View:
        """A part of ``picture`` at ``size``: the ``chosen`` one, or that ``around`` the speaker.

        Without either, its middle.
        """
        part = part_of(picture.size, speaker if around else None, *frame)
        shown = part if chosen is None else chosen
        if not around or speaker is None or part.width_px > MOST_AROUND * shown.width_px:
            part = shown
        if around:
            shown = view_of(shown, *picture.size)
        if shown == part:
            return cls(picture, speaker, faces, cut(picture, part, size), shown, part)
        image, square, moving = cut_view(picture, shown, part, size)
        return cls(picture, speaker, faces, image, shown, part, square, moving)

    @classmethod
    def of_whole(
        cls,
        picture: Image.Image,
        speaker: Face | None,
        faces: Sequence[Face],
        frame: tuple[int, int],
        bounds: Bounds,
    ) -> View:
        """All of ``picture`` within ``bounds``."""
        picture, speaker, faces = fitted(picture, speaker, faces, *frame, bounds)
        shown = Crop(0, 0, *picture.size)
        if speaker is not None and abs(speaker.roll_deg) > MOST_ROLL_DEG:
            part = square_around(picture, speaker, *frame)
            roll_deg = speaker.roll_deg
            return cls(picture, speaker, faces, picture, shown, part, part, tilt_deg=roll_deg)
        part = square_of(picture.size, speaker, *frame)
        return cls(picture, speaker, faces, picture, shown, part, part)
