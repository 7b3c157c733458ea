"""Pictures of strangers are read in a process of its own, and none for longer than agreed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.config import FOURTEEN_B, TINY
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.bounded import BROKEN, PictureReader
from flashtalk.inputs.finding import Box
from flashtalk.inputs.kept_portraits import KeptPortraits
from flashtalk.inputs.portrait import NoFaceError, gray_portrait, portrait_for
from flashtalk.inputs.wanted import Wanted

ADA = ASSETS / "portraits" / "ada.jpg"


@pytest.fixture(scope="module")
def reader() -> Iterator[PictureReader]:
    yield PictureReader(TINY, cpu_s=0.5)


def readers() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [each for each in children if "flashtalk.inputs.reader" in each.cmdline()]


def test_a_portrait_is_the_one_that_is_read_here(reader: PictureReader) -> None:
    there, here = reader.read(ADA), portrait_for(ADA, TINY)
    assert there.image.tobytes() == here.image.tobytes()
    assert there.image.size == (512, 512) and there.tensor.shape == (1, 3, 256, 256)
    assert there.tensor.equal(here.tensor)
    assert there.notices == here.notices


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups of terminals")
def test_ctrl_c_in_a_terminal_does_not_reach_a_reader(reader: PictureReader) -> None:
    """It would print a traceback there; it ends with the process that reads its answers."""
    reader.read(ADA)
    assert all(os.getpgid(each.pid) != os.getpgid(0) for each in readers()) and readers()


def test_a_whole_picture_is_the_one_that_is_read_here(
    reader: PictureReader, tmp_path: Path
) -> None:
    scene = Image.new("RGB", (900, 500), (90, 120, 150))
    scene.paste(Image.open(ADA).resize((300, 300)), (400, 120))
    scene.save(tmp_path / "scene.png")
    there = reader.read(tmp_path / "scene.png", framing="picture")
    here = portrait_for(tmp_path / "scene.png", TINY, framing="picture")
    assert there.image.size == (900, 500) and there.image.tobytes() == here.image.tobytes()
    assert (there.square, there.tilt_deg) == (here.square, here.tilt_deg) and there.tensor.equal(
        here.tensor
    )
    assert there.finding is not None and there.finding.crop == Box(0.0, 0.0, 1.0, 1.0)
    with pytest.raises(FlashTalkError, match="flashtalk-14b has no framing but its own"):
        PictureReader(FOURTEEN_B).read(ADA, framing="picture")


def test_a_portrait_is_kept_while_its_file_is_the_same(
    reader: PictureReader, tmp_path: Path
) -> None:
    picture, other = tmp_path / "picture.jpg", ASSETS / "portraits" / "amara.jpg"
    picture.write_bytes(ADA.read_bytes())
    first = reader.read(picture, Wanted(without_face=True))
    assert reader.read(picture) is first, "its face was found, so nothing else is asked"
    assert reader.read(picture, Wanted(face=1)) is not first
    assert reader.read(picture, preset=TINY.with_size((256, 256))) is not first
    picture.write_bytes(other.read_bytes())
    assert reader.read(picture).image.tobytes() == reader.read(other).image.tobytes()
    picture.unlink()
    with pytest.raises(FlashTalkError):
        reader.read(picture)


def test_few_portraits_are_kept_and_none_whose_file_is_deleted(tmp_path: Path) -> None:
    kept, portrait = KeptPortraits(most=2), gray_portrait(TINY)
    files = [tmp_path / name for name in "abc"]
    for file in files:
        file.touch()
        kept.keep((file, "face", 1), portrait)
    assert [kept.find((file, "face", 1)) for file in files] == [None, portrait, portrait]
    files[1].unlink()
    assert [kept.find((file, "face", 1)) for file in files] == [None, None, portrait]


def test_a_portrait_without_a_face_is_not_kept_for_those_who_want_one(
    reader: PictureReader, tmp_path: Path
) -> None:
    gradient = np.tile(np.linspace(0, 255, 300).astype(np.uint8), (300, 1))
    Image.fromarray(gradient).save(tmp_path / "sky.png")
    assert reader.read(tmp_path / "sky.png", Wanted(without_face=True)).notices
    with pytest.raises(NoFaceError):
        reader.read(tmp_path / "sky.png")


def test_a_portrait_of_another_model_is_that_models(reader: PictureReader) -> None:
    small = TINY.with_size((256, 256))
    there, here = reader.read(ADA, preset=small), portrait_for(ADA, small)
    assert there.image.size == (256, 256)
    assert there.image.tobytes() == here.image.tobytes()
    assert reader.read(ADA).image.size == (512, 512)


def test_a_refusal_keeps_its_sentence(reader: PictureReader, tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("these are words")
    with pytest.raises(FlashTalkError, match=r"words\.png is not a picture"):
        reader.read(tmp_path / "words.png")
    meadow = np.random.default_rng(1).integers(90, 150, (128, 128, 3), dtype=np.uint8)
    Image.fromarray(meadow).save(tmp_path / "meadow.png")
    with pytest.raises(NoFaceError):
        reader.read(tmp_path / "meadow.png")
    assert reader.read(tmp_path / "meadow.png", Wanted(without_face=True)).notices


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no clock of processor time")
def test_a_picture_that_takes_too_long_is_refused_and_holds_up_nobody(
    reader: PictureReader, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1_000, 1_000, 3), dtype=np.uint8)
    hard = tmp_path / "hard.jpg"
    Image.fromarray(np.tile(noise, (5, 5, 1))).save(hard, progressive=True)
    with pytest.raises(FlashTalkError, match=r"too long to read: more than 0\.5 seconds"):
        reader.read(hard)
    assert reader.read(ADA)


def test_a_decoder_that_breaks_off_is_a_sentence(reader: PictureReader, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("first.jpg", "second.jpg")]  # none is kept yet
    for file in files:
        file.write_bytes(ADA.read_bytes())
    reader.read(files[0])
    for process in readers():
        process.kill()
        process.wait()
    with pytest.raises(FlashTalkError) as caught:
        reader.read(files[1])
    assert str(caught.value) == BROKEN
    assert reader.read(files[1])
