"""Any picture a person may hand in -> an upright 8-bit RGB image, or a sentence.

First half of :mod:`flashtalk.inputs.portrait`: no faces, no cropping, only decoding. The size is
read from the header and judged before a single pixel is decoded, so a decompression bomb costs
nothing.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from flashtalk.errors import FlashTalkError

logger = logging.getLogger(__name__)

PictureSource = str | Path | bytes | Image.Image | np.ndarray

MAX_PIXELS = 50_000_000  # a full-frame camera; 150 MB once decoded
MIN_SIDE_PX = 64
MAX_ASPECT = 5.0  # longer side / shorter side

# Raster formats only: the others that Pillow knows start external programs (EPS) or are not
# pictures of a person (fonts, icons, fluid simulations).
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM")
SUPPORTED = "Use a PNG, JPEG, WebP, AVIF, BMP, GIF or TIFF picture"

BACKDROP = (128, 128, 128)  # behind transparent pixels: neutral, neither glowing nor a hole


def open_picture(
    source: PictureSource, *, max_pixels: int = MAX_PIXELS
) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode ``source`` and return ``(picture, notices)``.

    Args:
        source: a path, the bytes of a picture file, a PIL image, or an array [H, W], [H, W, 1],
            [H, W, 3] or [H, W, 4] (8 or 16-bit integers, or floats in 0..1).
        max_pixels: largest accepted width x height.

    Returns:
        An RGB image, upright (EXIF orientation applied), transparency laid on grey; and sentences
        about anything that was left out.

    Raises:
        FlashTalkError: missing, not a picture, damaged, too small, too large or too elongated.
    """
    if isinstance(source, np.ndarray):
        picture, name = _from_array(source, max_pixels), "The picture"
    elif isinstance(source, Image.Image):
        picture, name = source, "The picture"
    else:
        picture, name = _open_file(source)
    _check_size(picture.size, name, max_pixels)

    notices = []
    # MPO (opened by the JPEG reader) holds a second view of the same shot, not an animation.
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":
        notices.append(f"{name} has {frames} frames; only the first one is used.")
        picture.seek(0)
    try:
        picture.load()
        picture = _to_rgb(ImageOps.exif_transpose(picture))
    except FlashTalkError:
        raise
    except Exception as error:  # a decoder may raise anything at all on damaged bytes
        raise FlashTalkError(
            f"{name} is damaged or incomplete and cannot be decoded ({_short(error)}). "
            "Save it again or use another picture."
        ) from error
    return picture, tuple(notices)


def _open_file(source: str | Path | bytes) -> tuple[Image.Image, str]:
    if isinstance(source, bytes):
        name, content = "The picture", source
    elif isinstance(source, str | Path):
        path = Path(source)
        name = f"The picture {path.name}"
        if path.is_dir():
            raise FlashTalkError(f"{source} is a folder, not a picture. {SUPPORTED}.")
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise FlashTalkError(f"No picture at {source}. Check the path.") from error
        except OSError as error:
            raise FlashTalkError(
                f"The picture {source} cannot be read: {error.strerror or error}."
            ) from error
    else:
        raise FlashTalkError(
            "A portrait is a path, the bytes of a picture file, a PIL image or an array; "
            f"got {type(source).__name__}."
        )
    if not content:
        raise FlashTalkError(f"{name} is empty (0 bytes). {SUPPORTED}.")
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS), name
    except Image.DecompressionBombError as error:
        raise FlashTalkError(
            f"{name} declares far more than {MAX_PIXELS // 1_000_000} megapixels. "
            "Scale it down first."
        ) from error
    except UnidentifiedImageError as error:
        raise FlashTalkError(f"{name} is not a picture that can be read. {SUPPORTED}.") from error
    except Exception as error:  # a header parser may raise anything at all on damaged bytes
        raise FlashTalkError(
            f"{name} is damaged: its header cannot be read ({_short(error)}). {SUPPORTED}."
        ) from error


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


def _from_array(array: np.ndarray, max_pixels: int) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise FlashTalkError(
            "A picture array has the shape [height, width], or [height, width, 3 or 4 channels]; "
            f"got {list(array.shape)}."
        )
    _check_size((array.shape[1], array.shape[0]), "The picture", max_pixels)
    return Image.fromarray(_eight_bits(array))


def _eight_bits(array: np.ndarray) -> np.ndarray:
    """Values of any number type as uint8, by the range the type stands for."""
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype.kind not in "uif":
        raise FlashTalkError(
            f"A picture array holds 8-bit integers or floats in 0..1; got {array.dtype}."
        )
    values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise FlashTalkError(
            "The picture holds values that are not numbers (NaN or infinity). "
            "Use 8-bit integers or floats in 0..1."
        )
    low, high = float(values.min()), float(values.max())
    if array.dtype.kind == "f":
        full = 1.0 if high <= 1.0 else 255.0
    else:
        full = 65535.0 if array.dtype == np.uint16 or high > 255 else 255.0
    if low < 0 or high > full:
        raise FlashTalkError(
            f"The picture's values run from {low:g} to {high:g}. "
            "Use 8 or 16-bit integers, or floats in 0..1."
        )
    return np.round(values * (255.0 / full)).astype(np.uint8)


def _to_rgb(picture: Image.Image) -> Image.Image:
    """An 8-bit sRGB image of any mode Pillow opens; transparent pixels become grey."""
    if picture.mode.startswith("I") or picture.mode == "F":
        # Pillow's own conversion clips 16 bits at 255 instead of scaling them.
        picture = Image.fromarray(_eight_bits(np.asarray(picture)))
    picture = _to_srgb(picture)
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        backdrop = Image.new("RGBA", layer.size, (*BACKDROP, 255))
        return Image.alpha_composite(backdrop, layer).convert("RGB")
    return picture.convert("RGB")


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Apply an embedded color profile (wide-gamut phones, CMYK print files), if there is one."""
    profile = picture.info.get("icc_profile")
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


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")[:120]
