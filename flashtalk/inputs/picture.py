"""Any picture a person may hand in -> an upright 8-bit RGB image, or a sentence.

First half of :mod:`flashtalk.inputs.portrait`: no faces, no cropping, only decoding. The size is
read from the header and judged before a single pixel is decoded. So a decompression bomb costs
nothing. Large pictures come out smaller, so that nothing behind this module grows with them.
"""

from __future__ import annotations

import io
import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.chunks import PNG, pixels_alone
from flashtalk.inputs.deep import Tiff, sixteen_bit_file, with_lower_bytes
from flashtalk.inputs.files import Kind, open_file, short
from flashtalk.inputs.hdr import INFO, hdr_of, to_srgb
from flashtalk.inputs.levels import eight_bits, white_of
from flashtalk.inputs.smaller import halved
from flashtalk.inputs.upright import upright

logger = logging.getLogger(__name__)

PictureSource = str | Path | bytes | Image.Image | np.ndarray

MAX_PIXELS = 50_000_000  # a full-frame camera
WORK_PIXELS = 8_000_000  # larger ones are reduced: 32 MB once decoded
MIN_SIDE_PX = 64
MAX_ASPECT = 5.0  # longer side / shorter side
MAX_FRAMES = 200  # of an animation that are looked at
SEARCH_S = 1.0  # of processor time, after which no further one is

# Raster formats only: the others that Pillow knows start external programs (EPS) or are not
# pictures of a person (fonts, icons, fluid simulations).
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM", "HEIF")
SUPPORTED = "Use a PNG, JPEG, WebP, AVIF, HEIC, BMP, GIF or TIFF picture"
HEIC = (
    "{name} is a HEIC picture, as iPhones take them, and pi-heif, which reads those, is not "
    "installed. Run: pip install -r requirements.txt, or save the picture as JPEG."
)
FIRST_FRAME = "{name} has {count} frames; only the first one is used."
LATER_FRAME = "{name} has {count} frames; number {number} is used, the first with a face."
_PICTURE = Kind("picture", "picture", SUPPORTED)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
# These hold further views of the same shot, not an animation.
_COLLECTIONS = ("MPO", "HEIF")

GAMMAS = (0.2, 1.2)  # of PNG files; others are not believed
_GAMMA, _ALIKE = 1 / 2.2, 0.03  # what sRGB has, about

BACKDROP = (128, 128, 128)  # behind transparent pixels: neutral, neither glowing nor a hole

# Pillow warns of damaged metadata on stderr, where nobody can do anything about it. A filter for
# good rather than for the moment: warnings.catch_warnings is not safe with threads.
warnings.filterwarnings("ignore", module=r"PIL\.")

Band = Callable[[int, int], Image.Image]
"""Rows ``[top, bottom)`` of a picture, as RGB."""


class NotAPictureError(FlashTalkError):
    """The file is none, rather than one that cannot be used."""


def open_picture(
    source: PictureSource,
    *,
    max_pixels: int = MAX_PIXELS,
    wanted: Callable[[Image.Image], bool] | None = None,
) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode ``source`` and return ``(picture, notices)``.

    Args:
        source: a path, the bytes of a picture file, a PIL image, or an array [H, W], [H, W, 1],
            [H, W, 3] or [H, W, 4] (8 or 16-bit integers, or floats in 0..1).
        max_pixels: largest accepted width x height.
        wanted: of an animation, the first frame that this finds is taken; without one, the first.

    Returns:
        An RGB image, and sentences about what was left out. It is upright (EXIF orientation
        applied), transparency laid on gray, reduced by a whole number to at most ``WORK_PIXELS``.

    Raises:
        FlashTalkError: missing, not a picture, damaged, too small, too large or too elongated.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels), ()
    if isinstance(source, Image.Image):
        return _decode(source, "The picture", max_pixels, wanted)
    if isinstance(source, bytes):
        name, file = "The picture", io.BytesIO(source)
        if not source:
            raise FlashTalkError(f"{name} is empty (0 bytes). {SUPPORTED}.")
        return _decode(_opened(file, name, max_pixels), name, max_pixels, wanted)
    if isinstance(source, str | Path):
        name = f"The picture {short(Path(source).name)}"
        with open_file(source, _PICTURE) as opened:
            return _decode(_opened(opened, name, max_pixels), name, max_pixels, wanted)
    raise FlashTalkError(
        "A portrait is a path, the bytes of a picture file, a PIL image or an array; "
        f"got {type(source).__name__}."
    )


# --- files ----------------------------------------------------------------------------------------
def _opened(file: BinaryIO | io.BytesIO, name: str, max_pixels: int) -> Image.Image:
    head = file.read(12)
    file.seek(0)
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        _register_heic(name)
    try:
        hdr = hdr_of(file)
        picture = _of_pillow(file, is_png=head.startswith(PNG))
        picture.info[INFO] = hdr
        return picture
    except Image.DecompressionBombError as error:
        raise FlashTalkError(
            f"{name} declares far more than {MAX_PIXELS // 1_000_000} megapixels. "
            "Scale it down first."
        ) from error
    except UnidentifiedImageError as error:
        if (tiff := Tiff.of(file)) is not None:
            return _of_tiff(tiff, name, max_pixels)
        raise NotAPictureError(f"{name} is not a picture that can be read. {SUPPORTED}.") from error
    except Exception as error:  # a header parser may raise anything at all on damaged bytes
        raise FlashTalkError(
            f"{name} is damaged: its header cannot be read ({_reason(error)}). {SUPPORTED}."
        ) from error


def _of_pillow(file: BinaryIO | io.BytesIO, *, is_png: bool) -> Image.Image:
    """``file`` as Pillow has it; without what else a PNG file says, where that is damaged."""
    formats = [kind for kind in FORMATS if _known(kind)]
    try:
        return Image.open(file, formats=formats)
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        if not is_png:
            raise
    file.seek(0)
    return Image.open(io.BytesIO(pixels_alone(file.read())), formats=["PNG"])


def _of_tiff(tiff: Tiff, name: str, max_pixels: int) -> Image.Image:
    _check_size(tiff.size, name, max_pixels)
    values = tiff.values()
    if values is None:
        raise FlashTalkError(
            f"{name} is a TIFF picture of a kind that cannot be read, or damaged. Save it as a "
            "PNG, or with 8 or 16-bit integers for each color."
        )
    return _from_array(values, max_pixels)  # OpenCV has turned it upright


def _register_heic(name: str) -> None:
    try:
        from pi_heif import register_heif_opener
    except ImportError as error:
        raise FlashTalkError(HEIC.format(name=name)) from error
    register_heif_opener()


def _known(kind: str) -> bool:
    """HEIF is known once its library has registered it; the others are Pillow's own."""
    return kind != "HEIF" or kind in Image.OPEN


def _decode(
    picture: Image.Image,
    name: str,
    max_pixels: int,
    wanted: Callable[[Image.Image], bool] | None,
) -> tuple[Image.Image, tuple[str, ...]]:
    _check_size(picture.size, name, max_pixels)
    with _damage(name):
        frames = getattr(picture, "n_frames", 1)
    if frames == 1 or picture.format in _COLLECTIONS:
        return _decoded(picture, name), ()
    first: Image.Image | None = None
    begin_s = time.thread_time()
    for index in range(min(frames, MAX_FRAMES)):
        with _damage(name):
            picture.seek(index)
        if index and not _is_usable(picture.size, max_pixels):
            continue  # pages have sizes of their own, such as that of a thumbnail
        frame = _decoded(picture, name)
        first = first or frame
        if wanted is None or wanted(frame):
            if index == 0:
                break
            return frame, (LATER_FRAME.format(name=name, count=frames, number=index + 1),)
        if time.thread_time() - begin_s > SEARCH_S:
            break
    assert first is not None
    return first, (FIRST_FRAME.format(name=name, count=frames),)


def _decoded(picture: Image.Image, name: str) -> Image.Image:
    with _damage(name):
        factor = _factor(picture.size)
        hdr = picture.info.get(INFO)
        if factor > 1:  # what may be decoded smaller at once
            if (half := halved(picture)) is not None:
                return _upright_rgb(half)
            picture.draft(None, (picture.width // factor, picture.height // factor))  # a JPEG
        deep = sixteen_bit_file(picture)
        picture.load()
        picture.info[INFO] = hdr
        return _upright_rgb(picture if deep is None else with_lower_bytes(picture, deep))


@contextmanager
def _damage(name: str) -> Iterator[None]:
    """A decoder may raise anything at all on damaged bytes."""
    try:
        yield
    except FlashTalkError:
        raise
    except Exception as error:
        raise FlashTalkError(
            f"{name} is damaged or incomplete and cannot be decoded ({_reason(error)}). "
            "Save it again or use another picture."
        ) from error


def _upright_rgb(picture: Image.Image) -> Image.Image:
    white = None
    if picture.mode.startswith("I") or picture.mode == "F":
        white = white_of(_sample(picture))

    def band(top: int, bottom: int) -> Image.Image:
        whole = bottom - top == picture.height
        return _to_rgb(picture if whole else _rows(picture, top, bottom), white)

    reduced = _reduced(picture.size, band)
    return upright(reduced, picture)


def _rows(picture: Image.Image, top: int, bottom: int) -> Image.Image:
    rows = picture.crop((0, top, picture.width, bottom))
    rows.info = picture.info
    return rows


def _sample(picture: Image.Image) -> np.ndarray:
    """Every nth pixel of every nth row."""
    step = max(1, round(math.sqrt(picture.width * picture.height / 1e6)))
    rows = range(0, picture.height, step)
    return np.stack([np.asarray(_rows(picture, row, row + 1))[0, ::step] for row in rows])


# --- arrays ---------------------------------------------------------------------------------------
def _from_array(array: np.ndarray, max_pixels: int) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise FlashTalkError(
            "A picture array has the shape [height, width], or [height, width, 3 or 4 channels]; "
            f"got {list(array.shape)}."
        )
    height, width = array.shape[:2]
    _check_size((width, height), "The picture", max_pixels)
    # What is opaque and what is white are two scales.
    parts = [array] if array.ndim == 2 else [array[..., :3], array[..., 3:]]
    parts = [part for part in parts if part.size]
    step = max(1, round(math.sqrt(width * height / 1e6)))
    whites = [white_of(part[::step, ::step]) for part in parts]

    def band(top: int, bottom: int) -> Image.Image:
        rows = [
            eight_bits(part[top:bottom], white) for part, white in zip(parts, whites, strict=True)
        ]
        return _to_rgb(Image.fromarray(rows[0] if len(rows) == 1 else np.dstack(rows)))

    return _reduced((width, height), band)


# --- both -----------------------------------------------------------------------------------------
def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise FlashTalkError(
            f"{name} has {width} x {height} pixels ({width * height / 1e6:.0f} megapixels); "
            f"the limit is {max_pixels / 1e6:g} megapixels. Scale it down first."
        )
    if min(size) < MIN_SIDE_PX:
        raise FlashTalkError(
            f"{name} is too small: {width} x {height} pixels. "
            f"Each side needs at least {MIN_SIDE_PX} pixels; 512 or more look best."
        )
    if max(size) > MAX_ASPECT * min(size):
        raise FlashTalkError(
            f"{name} is too elongated: {width} x {height} pixels. The longer side may be at most "
            f"{MAX_ASPECT:g} times the shorter one; crop it around the face first."
        )


def _is_usable(size: tuple[int, int], max_pixels: int) -> bool:
    try:
        _check_size(size, "The page", max_pixels)
    except FlashTalkError:
        return False
    return True


def _factor(size: tuple[int, int]) -> int:
    """By how much a picture of ``size`` is reduced."""
    return math.ceil(math.sqrt(math.prod(size) / WORK_PIXELS))


def _reduced(size: tuple[int, int], band: Band) -> Image.Image:
    """The picture that ``band`` gives, reduced by :func:`_factor`, in bands to spare memory."""
    (width, height), factor = size, _factor(size)
    if factor == 1:
        return band(0, height)
    reduced = Image.new("RGB", (math.ceil(width / factor), math.ceil(height / factor)))
    step = 64 * factor
    for top in range(0, height, step):
        rows = band(top, min(height, top + step))
        reduced.paste(rows.reduce(factor), (0, top // factor))
    return reduced


def _to_rgb(picture: Image.Image, white: float | None = None) -> Image.Image:
    """An 8-bit sRGB image of any mode Pillow opens; transparent pixels become gray.

    ``white`` is the value of white in modes of more than 8 bits.
    """
    hdr = picture.info.get(INFO)
    curve = None if hdr else _curve(picture.info)
    if white is not None:
        # Pillow's own conversion clips 16 bits at 255 instead of scaling them.
        picture = Image.fromarray(eight_bits(np.asarray(picture), white))
    picture = to_srgb(picture, hdr) if hdr else _to_srgb(picture)
    if curve:
        mode = "RGBA" if picture.has_transparency_data else "RGB"
        picture = picture.convert(mode).point((curve * 3 + [*range(256)])[: 256 * len(mode)])
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        backdrop = Image.new("RGBA", layer.size, (*BACKDROP, 255))
        return Image.alpha_composite(backdrop, layer).convert("RGB")
    return picture.convert("RGB")


def _curve(info: dict[Any, Any]) -> list[int] | None:
    """From values to those of sRGB, for a PNG that says it has another gamma, as browsers do."""
    gamma = info.get("gamma")
    if not isinstance(gamma, float) or "icc_profile" in info or "srgb" in info:
        return None
    if not GAMMAS[0] <= gamma <= GAMMAS[1] or abs(gamma - _GAMMA) < _ALIKE:
        return None
    return [round(255 * (value / 255) ** (_GAMMA / gamma)) for value in range(256)]


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Apply an embedded color profile (wide-gamut phones, CMYK print files), if there is one."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("P", "PA"):  # a profile is of colors, not of their numbers
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    if not profile or picture.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return picture
    try:
        converted = ImageCms.profileToProfile(
            picture,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGBA" if picture.mode == "RGBA" else "RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        # A broken profile shifts colors slightly; it is no reason to refuse the picture.
        logger.info("color profile ignored: %s", error)
        return picture
    return converted or picture


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")[:120]
