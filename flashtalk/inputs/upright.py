"""A picture as its camera was held, by EXIF. Beneath :mod:`flashtalk.inputs.picture`."""

from __future__ import annotations

from contextlib import suppress

from PIL import ExifTags, Image

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(reduced: Image.Image, picture: Image.Image) -> Image.Image:
    """``reduced`` as the file of ``picture``, which it was made of, says; it has no EXIF then."""
    reduced.info.pop("exif", None)
    turn = _TURNS.get(_orientation(picture))
    return reduced if turn is None else reduced.transpose(turn)


def keep_exif(made: Image.Image, picture: Image.Image) -> None:
    """Gives ``made``, another reading of the file of ``picture``, what that says of itself."""
    made.info = picture.info
    with suppress(Exception):  # a header parser may raise anything at all on damaged bytes
        made.getexif().update(picture.getexif())


def _orientation(picture: Image.Image) -> int:
    """1, as it lies, where EXIF cannot be read."""
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a header parser may raise anything at all on damaged bytes
        return 1
