"""The part of a picture that somebody chose to be shown, in place of the one around a face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flashtalk.errors import FlashTalkError

if TYPE_CHECKING:
    from flashtalk.inputs.faces import Face
    from flashtalk.inputs.framing import Crop

RULE = (
    "An area is LEFT,TOP,WIDTH in shares of the picture's width, height and width, such as "
    "0.25,0.1,0.5: a width from 0.02 to 1, whose middle is in the picture. Got {text!r}."
)
NOBODY = "No face is in the chosen part of the picture. Move it over a face, or let it be found."
WHOLE = "The whole picture is shown, so no area of it can be chosen: leave area or framing out."


@dataclass(frozen=True)
class Area:
    """Where a frame of the video's aspect lies; it may reach beyond the picture."""

    left: float
    """Share of the picture's width."""
    top: float
    """Share of its height."""
    width: float
    """Share of its width."""

    @classmethod
    def parse(cls, text: str) -> Area | None:
        """``LEFT,TOP,WIDTH``; ``None`` for nothing.

        Raises:
            FlashTalkError: for anything else.
        """
        if not text.strip():
            return None
        try:
            left, top, width = map(float, text.split(","))
        except ValueError as error:
            raise FlashTalkError(RULE.format(text=text)) from error
        if not (0.02 <= width <= 1.0 and -1.0 < left < 1.0 and -1.0 < top < 1.0):
            raise FlashTalkError(RULE.format(text=text))
        return cls(left, top, width)

    def __str__(self) -> str:
        return f"{self.left:g},{self.top:g},{self.width:g}"

    def crop(self, size: tuple[int, int], aspect: float) -> Crop:
        """The same in a picture of ``size``, for a frame of ``aspect`` = width / height.

        Raises:
            FlashTalkError: its middle is not in the picture.
        """
        from flashtalk.inputs.framing import Crop  # here: options are read without OpenCV

        wide, high = size
        width = max(1, round(self.width * wide))
        height = max(1, round(width / aspect))
        crop = Crop(round(self.left * wide), round(self.top * high), width, height)
        x, y = crop.left_px + width / 2, crop.top_px + height / 2
        if not (0 <= x <= wide and 0 <= y <= high):
            raise FlashTalkError(RULE.format(text=str(self)))
        return crop


def speaker_in(crop: Crop, speaker: Face | None, faces: Sequence[Face]) -> Face | None:
    """Who speaks in ``crop``: the ``speaker``, else the largest face there; ``None`` of no faces.

    Raises:
        FlashTalkError: all faces are elsewhere.
    """
    there = [face for face in faces if _holds(crop, face)]
    if speaker is None or speaker in there:
        return speaker
    if not there:
        raise FlashTalkError(NOBODY)
    return max(there, key=lambda face: face.side_px)


def _holds(crop: Crop, face: Face) -> bool:
    across = crop.left_px <= face.center_x_px <= crop.right_px
    return across and crop.top_px <= face.center_y_px <= crop.bottom_px
