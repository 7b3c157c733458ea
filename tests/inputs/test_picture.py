"""Every kind of picture, and every wrong one with the key words of its sentence."""

from __future__ import annotations

import base64
import io
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.picture import BACKDROP, MAX_PIXELS, WORK_PIXELS, open_picture


def ramp(width: int = 96, height: int = 80) -> np.ndarray:
    """[H, W, 3] uint8: red grows to the right, green downward, blue is constant."""
    picture = np.full((height, width, 3), 60, np.uint8)
    picture[..., 0] = np.linspace(0, 255, width).astype(np.uint8)
    picture[..., 1] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    return picture


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def pixels(source: object) -> np.ndarray:
    image, _ = open_picture(source)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


# --- what is accepted -----------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_files_keep_their_pixels(kind: str) -> None:
    assert (pixels(encoded(Image.fromarray(ramp()), kind)) == ramp()).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_lossy_files_are_close(kind: str) -> None:
    found = pixels(encoded(Image.fromarray(ramp()), kind, quality=95))
    assert np.abs(found - ramp()).mean() < 4


def test_path_and_pil_and_array_are_the_same_picture(tmp_path) -> None:
    path = tmp_path / "ramp.png"
    Image.fromarray(ramp()).save(path)
    for source in (path, str(path), path.read_bytes(), Image.fromarray(ramp()), ramp()):
        assert (pixels(source) == ramp()).all()


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    deep = np.linspace(0, 65535, 96).astype(np.uint16)[None].repeat(80, 0)
    expected = np.round(deep / 257.0)[..., None]
    assert np.abs(pixels(encoded(Image.fromarray(deep), "PNG")) - expected).max() <= 1
    assert np.abs(pixels(encoded(Image.fromarray(deep), "TIFF")) - expected).max() <= 1
    assert np.abs(pixels(deep) - expected).max() <= 1


def test_float_arrays_in_one_and_in_255() -> None:
    assert np.abs(pixels(ramp() / 255.0) - ramp()).max() <= 1
    assert np.abs(pixels(ramp().astype(np.float32)) - ramp()).max() <= 1


def test_floats_that_overshoot_at_both_ends_are_clipped() -> None:
    """Resampling does that."""
    for low, high in ((-0.02, 1.0), (0.0, 1.02), (-0.08, 1.09), (0.0, 1.5)):
        floats = ramp() / 255.0
        floats[:8] = np.clip(low, None, 1.0)
        floats[-8:] = high
        found = pixels(floats)
        assert np.abs(found[8:-8] - ramp()[8:-8]).max() <= 1
        assert (found[:8] == 0).all() and (found[-8:] == 255).all()
    gray = Image.fromarray((ramp()[..., 0] / 255.0 * 1.004 - 0.002).astype(np.float32))
    found = pixels(encoded(gray, "TIFF"))
    assert np.abs(found - ramp()[..., :1]).max() <= 2


@pytest.mark.parametrize("white", [2.5, 4.0, 12.0])
def test_floats_of_a_range_of_their_own_are_not_black(white: float) -> None:
    assert np.abs(pixels((white / 255 * ramp()).astype(np.float32)) - ramp()).max() <= 2


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_bits_in_sixteen_are_as_bright_as_eight(bits: int) -> None:
    deep = (np.linspace(0, 2**bits - 1, 96)[None].repeat(80, 0)).astype(np.uint16)
    expected = np.linspace(0, 255, 96)[None, :, None]
    for source in (deep, encoded(Image.fromarray(deep), "PNG"), deep.astype(np.int32)):
        assert np.abs(pixels(source) - expected).max() <= 1
    deep[0, 0] = 65_535  # one hot pixel does not make a picture dark
    assert np.abs(pixels(deep)[1:] - expected).max() <= 1


@pytest.mark.parametrize("kind", [".png", ".tiff"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_colors_of_fewer_bits_in_sixteen_are_as_bright_as_eight(bits: int, kind: str) -> None:
    deep = np.rint(ramp() / 255.0 * (2**bits - 1)).astype(np.uint16)
    content = cv2.imencode(kind, deep[..., ::-1])[1].tobytes()
    assert np.abs(pixels(content) - ramp()).max() <= 1
    half = np.full((80, 96, 1), 65_535, np.uint16)
    half[:, 48:] = 32_768
    content = cv2.imencode(kind, np.dstack([deep[..., ::-1], half]))[1].tobytes()
    found = pixels(content)
    assert np.abs(found[:, :48] - ramp()[:, :48]).max() <= 1
    assert np.abs(found[:, 48:] - (ramp()[:, 48:] + 128.0) / 2).max() <= 2


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_colors_of_what_develops_raw_photographs_are_as_bright(bits: int) -> None:
    deep = np.rint(ramp() / 255.0 * (2**bits - 1)).astype(np.uint16)
    content = cv2.imencode(".ppm", deep[..., ::-1])[1].tobytes()
    assert np.abs(pixels(content) - ramp()).max() <= 1


def test_the_second_page_of_a_deep_file_is_as_bright() -> None:
    dark = np.full_like(ramp(), 5).astype(np.uint16)
    pages = [dark, ramp().astype(np.uint16)[..., ::-1] * 16]
    content = cv2.imencodemulti(".tiff", pages)[1].tobytes()
    found, _ = open_picture(content, wanted=lambda image: np.ptp(np.asarray(image)) > 100)
    assert np.abs(np.asarray(found).astype(int) - ramp()).max() <= 1


def test_what_a_deep_file_holds_beside_its_pixels_is_nothing_to_warn_of(
    capfd: pytest.CaptureFixture[str],
) -> None:
    content = cv2.imencode(".png", ramp().astype(np.uint16)[..., ::-1] * 16)[1].tobytes()
    body = b"iCCPx\0\0" + zlib.compress(b"no profile")
    profile = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    assert np.abs(pixels(content[:33] + profile + content[33:]) - ramp()).max() <= 1
    content = cv2.imencode(".tiff", ramp().astype(np.uint16)[..., ::-1] * 16)[1].tobytes()
    tags = int.from_bytes(content[4:8], "little") + 2
    count = int.from_bytes(content[tags - 2 : tags], "little")
    last = tags + 12 * (count - 1)  # SampleFormat, whose default it is
    unknown = content[:last] + (65_000).to_bytes(2, "little") + content[last + 2 :]
    assert np.abs(pixels(unknown) - ramp()).max() <= 1
    assert capfd.readouterr().err == ""


def test_a_deep_picture_keeps_its_orientation() -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    deep = cv2.imencode(".png", ramp()[..., ::-1].astype(np.uint16) * 16)[1].tobytes()
    Image.new("RGB", (8, 8)).save(file, "PNG", exif=exif)
    chunk = file.getvalue()[file.getvalue().index(b"eXIf") - 4 :]
    chunk = chunk[: 12 + int.from_bytes(chunk[:4], "big")]
    found = pixels(deep[:33] + chunk + deep[33:])  # behind the header
    assert found.shape == (96, 80, 3)
    assert np.abs(found - np.rot90(ramp(), -1)).max() <= 1


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.int32, np.int64, np.uint32, np.float16])
def test_arrays_of_any_number_type_are_as_bright_as_their_values(kind: type) -> None:
    assert np.abs(pixels(ramp().astype(kind)) - ramp()).max() <= 1


def test_color_and_opacity_of_an_array_have_scales_of_their_own() -> None:
    half = np.full((80, 96, 1), 0.5)
    half[:, :48] = 1.0
    for colors in (ramp() / 255.0, ramp().astype(np.float64)):
        found = pixels(np.dstack([colors, half]))
        assert np.abs(found[:, :48] - ramp()[:, :48]).max() <= 1
        mixed = (ramp()[:, 48:] + 128.0) / 2
        assert np.abs(found[:, 48:] - mixed).max() <= 2


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "I;16", "F"])
def test_a_large_picture_comes_out_reduced_and_otherwise_the_same(mode: str) -> None:
    """What follows costs the same for every picture."""
    deep = mode in ("I;16", "F")
    small = Image.fromarray(ramp(500, 400)).convert("L" if deep else mode)
    large = small.resize((5_000, 4_000), Image.NEAREST)
    if deep:
        gray = np.asarray(large, np.float32)
        large = Image.fromarray((gray * 257).astype(np.uint16) if mode == "I;16" else gray / 255)
    opened, _ = open_picture(large)
    assert opened.size == (2_500, 2_000)
    assert opened.width * opened.height <= WORK_PIXELS < 5_000 * 4_000 < MAX_PIXELS
    found = np.asarray(opened.resize((500, 400), Image.BOX)).astype(int)
    assert np.abs(found - np.asarray(small.convert("RGB"))).max() <= 2


def test_a_large_jpeg_and_a_large_array_come_out_reduced_too() -> None:
    large = Image.fromarray(ramp(500, 400)).resize((5_000, 4_000), Image.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned, _ = open_picture(encoded(large, "JPEG", exif=exif))
    assert turned.size == (2_000, 2_500)
    for opened in (turned.rotate(90, expand=True), open_picture(np.asarray(large) / 255.0)[0]):
        found = np.asarray(opened.resize((500, 400), Image.BOX)).astype(int)
        assert np.abs(found - ramp(500, 400)).mean() < 2


def test_single_channel_and_four_channel_arrays() -> None:
    gray = ramp()[..., 0]
    assert (pixels(gray[..., None]) == gray[..., None]).all()
    opaque = np.dstack([ramp(), np.full(gray.shape, 255, np.uint8)])
    assert (pixels(opaque) == ramp()).all()


def test_cmyk_comes_out_in_its_colors() -> None:
    red = Image.new("CMYK", (80, 80), (0, 255, 255, 0))
    for kind in ("JPEG", "TIFF"):
        color = pixels(encoded(red, kind)).mean((0, 1))
        assert color[0] > 200 and color[1] < 60 and color[2] < 60


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparent_pixels_become_the_backdrop(mode: str) -> None:
    picture = Image.new("RGBA", (96, 80), (255, 255, 255, 255))
    picture.paste((255, 255, 255, 0), (0, 0, 48, 80))
    kind = "TIFF" if mode == "PA" else "PNG"
    source = picture.convert(mode) if mode == "PA" else encoded(picture.convert(mode), kind)
    found = pixels(source)
    assert (found[40, 10] == BACKDROP).all()
    assert (found[40, 90] == 255).all()


def test_palette_with_a_transparent_color() -> None:
    picture = Image.new("P", (96, 80), 1)
    picture.putpalette([0, 0, 0, 250, 10, 20])
    picture.paste(0, (0, 0, 48, 80))
    found = pixels(encoded(picture, "PNG", transparency=0))
    assert (found[40, 10] == BACKDROP).all()
    assert (found[40, 90] == (250, 10, 20)).all()


def test_exif_rotation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side: turn clockwise to view
    found = pixels(encoded(Image.fromarray(ramp(96, 80)), "PNG", exif=exif))
    assert found.shape == (96, 80, 3)
    assert (found == np.rot90(ramp(96, 80), -1)).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_with_a_notice(kind: str) -> None:
    frames = [Image.new("RGB", (80, 80), color) for color in ((200, 30, 30), (30, 30, 200))]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    image, notices = open_picture(content)
    assert np.asarray(image)[40, 40, 0] > 150
    assert len(notices) == 1 and "2 frames" in notices[0] and "first" in notices[0]


def test_color_profiles_are_applied_and_broken_ones_ignored() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(ramp())
    assert np.abs(pixels(encoded(picture, "PNG", icc_profile=profile)) - ramp()).max() <= 2
    assert (pixels(encoded(picture, "PNG", icc_profile=b"nonsense" * 40)) == ramp()).all()


# The ramp, 96 x 80 pixels: the library reads HEIC alone, so another one wrote it.
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAVZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAABegABAAAAAAAAAVMAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABo"
    "dmMxAAAAAA5waXRtAAAAAAABAAAA1mlwcnAAAAC3aXBjbwAAAHhodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEA"
    "GEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoDCBRZbqSSmubgIaDAgAAAMAyAAA"
    "AwAIQGIAAQAHRAHBcrAiQAAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABgAAAAUAAAABBwaXhpAAAAAAMI"
    "CAgAAAAXaXBtYQAAAAAAAAABAAEEgQIDBAAAAVttZGF0AAABTygBrw7g29+Nd2Romwn6ID/0GJ7f/MZ9u3N8mhB8XZTJ"
    "W0HYkL9yIU1qGonzsC+z9t1Npms7AYq3cAaNHGGNCbqkm7epyDqpuMIDRILhoc4F4UqSAXLQi22oFu1oxnz5htP99OBo"
    "b01ydp1B+0q6AGayYhe27+LXnD5YPn8C5HymHmbFMQnirK/4F43PCN5fuoiuNZxJJPx2S69dl1nUapa78Y8Wmfx/fBrH"
    "4lbd6Am+di/4H+58CU14d6UrU0fabDqoRXeW8A4vFw6gnSKCzLHfh8R3fV2XLQcyics8p6vYvzx+D+K/mn63D+JRbfim"
    "hBXOjN4w66YUBZzwpR8/QolbDG7h6/1rBTnaOm5sYtMDelMhJrDGZJPwmNi8vxy4dP860wZ8AzH2Skc4F3tZf68QsdkL"
    "p0GTEtlrw04PnQV+O4ZxNnb2jTjoSPDZ7r1c"
)


def swapped_colors() -> bytes:
    """A profile whose red is green, so that leaving it out shows."""
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    names = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}
    return re.sub(b"[rg]XYZ", lambda found: names[found[0]], content)


@pytest.mark.parametrize("transparent", [None, 1])
def test_color_profiles_are_applied_to_palettes(transparent: int | None) -> None:
    palette = Image.new("P", (80, 80))
    palette.putpalette([200, 30, 30, 0, 0, 0])
    palette.paste(1, (0, 40, 80, 80))
    options = {} if transparent is None else {"transparency": transparent}
    found = pixels(encoded(palette, "PNG", icc_profile=swapped_colors(), **options))
    assert np.abs(found[:40] - (30, 200, 30)).max() <= 2
    below = (0, 0, 0) if transparent is None else BACKDROP
    assert np.abs(found[40:] - below).max() <= 2


@pytest.mark.parametrize("size", [(30, 30), (400, 40), (120, 90)])
def test_a_page_that_is_no_portrait_is_passed_over(size: tuple[int, int]) -> None:
    first, page, last = (
        Image.new("RGB", at, hue)
        for at, hue in zip([(80, 80), size, (90, 90)], ["blue", "red", "red"], strict=True)
    )
    file = encoded(first, "TIFF", save_all=True, append_images=[page, last])
    picture, notices = open_picture(
        file, max_pixels=10_000, wanted=lambda image: image.getpixel((5, 5))[0] > 200
    )
    assert picture.size == (90, 90) and "number 3 is used" in notices[0]


def test_heic_is_read_whatever_its_name_says(tmp_path: Path) -> None:
    (tmp_path / "IMG_0421.jpg").write_bytes(HEIC)
    assert np.abs(pixels(tmp_path / "IMG_0421.jpg") - ramp()).mean() < 4


def test_heic_without_its_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)  # as if it were not installed
    refused(HEIC, "HEIC", "pi-heif", "requirements.txt", "JPEG")


def test_damaged_metadata_is_nothing_to_warn_of(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "somebody"
    exif[0x0132] = "2026:11:30 00:00:00"
    whole = encoded(Image.fromarray(ramp()), "JPEG", exif=exif.tobytes()[:30])
    (tmp_path / "photo.jpg").write_bytes(whole)
    code = (
        "import sys; from flashtalk.inputs.picture import open_picture; "
        "print(open_picture(sys.argv[1])[0].size)"
    )
    asked = [sys.executable, "-c", code, str(tmp_path / "photo.jpg")]
    done = subprocess.run(asked, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (done.stdout, done.stderr) == ("(96, 80)\n", "")


# --- what is refused ------------------------------------------------------------------------------
def refused(source: object, *words: str, **options: int) -> None:
    with pytest.raises(FlashTalkError) as caught:
        open_picture(source, **options)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    for word in words:
        assert word in sentence


def test_missing_folder_and_empty(tmp_path) -> None:
    refused(tmp_path / "absent.png", "No picture at", "absent.png", "path")
    refused(tmp_path, "is a folder")
    (tmp_path / "empty.png").write_bytes(b"")
    refused(tmp_path / "empty.png", "empty.png", "empty (0 bytes)")
    refused(b"", "empty (0 bytes)")


def test_not_a_picture(tmp_path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("dear diary " * 100)
    refused(path, "notes.jpg", "not a picture", "PNG, JPEG")
    refused(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "not a picture")
    refused(42, "int", "path")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_truncated(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    refused(content[: len(content) // 2], "damaged")


def test_damaged_in_the_middle() -> None:
    content = bytearray(encoded(Image.fromarray(ramp()), "PNG"))
    content[60:90] = bytes(30)
    refused(bytes(content), "damaged", "another picture")


def test_too_small_too_large_too_long() -> None:
    refused(ramp(63, 200), "too small", "63 x 200", "64")
    refused(ramp(700, 100), "too elongated", "700 x 100", "5")
    refused(ramp(), "megapixels", "96 x 80", max_pixels=5_000)


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    def header(width: int, height: int) -> bytes:
        size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        body = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"0" * 1000))
        return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")

    refused(header(8_000, 8_000), "8000 x 8000", "64 megapixels", "50 megapixels")
    refused(header(60_000, 60_000), "megapixels", "Scale it down")


def test_arrays_that_are_no_pictures() -> None:
    refused(np.zeros((80, 80, 2), np.uint8), "[80, 80, 2]", "[height, width]")
    refused(np.zeros((2, 80, 80, 3), np.uint8), "shape")
    refused(np.full((80, 80, 3), np.nan), "NaN")
    refused(np.full((80, 80, 3), -0.5), "-0.5", "0..1")
    refused(np.zeros((80, 80, 3), complex), "complex")
    refused(np.zeros((0, 80, 3), np.uint8), "too small")
