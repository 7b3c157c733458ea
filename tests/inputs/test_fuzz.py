"""Damaged and strange files: a picture or a sound comes out, or a sentence; nothing else.

FLASHTALK_FUZZ=10000 tries so many of each in place of a few.
"""

from __future__ import annotations

import io
import os
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.picture import open_picture
from flashtalk.inputs.speech import load_speech

COUNT = int(os.environ.get("FLASHTALK_FUZZ", "60"))
ASSETS = Path(__file__).parents[2] / "assets"
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
NAMES = ("file.png", "file.jpg", "file", "file.mp4", "file.wav", "file.heic")
MAX_S = 2.0


def picture(rng: np.random.Generator) -> bytes:
    """A small picture of a random kind, at times animated or with 16 bits."""
    size = tuple(rng.integers(1, 300, 2))
    noise = Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).resize(size)
    file, kind = io.BytesIO(), str(rng.choice(FORMATS))
    if kind in ("GIF", "WEBP", "TIFF") and rng.random() < 0.5:
        noise.save(file, kind, save_all=True, append_images=[noise.rotate(90)] * 3)
    elif kind in ("PNG", "TIFF") and rng.random() < 0.3:
        deep = rng.integers(0, 65_535, size[::-1]).astype(np.uint16)
        Image.fromarray(deep).save(file, kind)
    else:
        mode = (
            rng.choice(["RGB", "L", "1", "P"])
            if kind not in ("JPEG", "PPM")
            else rng.choice(["RGB", "L"])
        )
        noise.convert(str(mode)).save(file, kind)
    return file.getvalue()


def sound(rng: np.random.Generator) -> bytes:
    """A short sound: a real one, or a WAV of any channels, width and rate."""
    if rng.random() < 0.3:
        return (ASSETS / "voices" / "emma.flac").read_bytes()[: int(rng.integers(100, 60_000))]
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(int(rng.integers(1, 9)))
        out.setsampwidth(int(rng.integers(1, 5)))
        out.setframerate(int(rng.choice([1, 3_999, 8_000, 44_100, 96_000, 384_000, 1_000_000])))
        out.writeframes(rng.bytes(int(rng.integers(0, 60_000))))
    return file.getvalue()


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """``content`` with bytes changed, cut off, doubled or put in."""
    data = bytearray(content)
    for _ in range(int(rng.integers(0, 4))):
        if not data:
            break
        start = int(rng.integers(0, min(len(data), 200 if rng.random() < 0.5 else len(data))))
        length = int(rng.integers(1, 9))
        way = rng.integers(0, 5)
        if way == 0:
            data[start : start + length] = rng.bytes(length)
        elif way == 1:
            del data[start:]
        elif way == 2:
            data[start:start] = data[start : start + 64 * length]
        elif way == 3:
            data[start : start + 4] = b"\xff\xff\xff\x7f"
        else:
            del data[start : start + length]
    return bytes(data)


def tried(
    make: Callable[[np.random.Generator], bytes], read: Callable[[Path], object], folder: Path
) -> int:
    """How many were read; the others were refused in a sentence."""
    read_count = 0
    for seed in range(COUNT):
        rng = np.random.default_rng(seed)
        path = folder / str(rng.choice(NAMES))
        path.write_bytes(mutated(make(rng), rng))
        try:
            read(path)
            read_count += 1
        except FlashTalkError as error:
            said = str(error)
            assert said.endswith(".") and "Traceback" not in said and len(said) < 600, (seed, said)
        except Exception as error:
            pytest.fail(f"seed {seed}: {type(error).__name__}: {error}")
        path.unlink()
    return read_count


def test_any_bytes_are_a_picture_or_refused_in_a_sentence(tmp_path: Path) -> None:
    assert 0 < tried(picture, open_picture, tmp_path) < COUNT


def test_any_bytes_are_a_sound_or_refused_in_a_sentence(tmp_path: Path) -> None:
    assert 0 < tried(sound, lambda path: load_speech(path, max_s=MAX_S), tmp_path) < COUNT
