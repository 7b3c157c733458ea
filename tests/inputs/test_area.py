"""The part of a picture that somebody chose, from the text to the pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.cli.main import main
from flashtalk.config import FOURTEEN_B, TINY
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.area import NOBODY, Area
from flashtalk.inputs.bounded import PictureReader
from flashtalk.inputs.faces import find_faces
from flashtalk.inputs.framing import Crop
from flashtalk.inputs.portrait import portrait_for
from flashtalk.inputs.wanted import Wanted


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small face to the left, a large one to the right, 1000 x 600 pixels."""
    picture = Image.new("RGB", (1_000, 600), (180, 170, 160))
    for name, side, place in (("ada", 300, (40, 200)), ("mei", 500, (480, 60))):
        with Image.open(ASSETS / "portraits" / f"{name}.jpg") as portrait:
            picture.paste(portrait.resize((side, side)), place)
    path = tmp_path_factory.mktemp("pair") / "pair.png"
    picture.save(path)
    return path


@pytest.mark.parametrize("text", ["", "  "])
def test_nothing_is_no_area(text: str) -> None:
    assert Area.parse(text) is None


def test_an_area_has_the_aspect_of_the_video() -> None:
    area = Area.parse(" 0.25, 0.1,0.5")
    assert area == Area(0.25, 0.1, 0.5) and str(area) == "0.25,0.1,0.5"
    assert area.crop((1_000, 600), 1.0) == Crop(250, 60, 500, 500)
    assert area.crop((1_000, 600), 0.5) == Crop(250, 60, 500, 1_000)


@pytest.mark.parametrize("text", ["0.1", "a,b,c", "0,0,0", "0,0,1.1", "nan,0,0.5", "0,inf,0.5"])
def test_what_is_no_area_is_a_sentence(text: str) -> None:
    with pytest.raises(FlashTalkError, match=r"LEFT,TOP,WIDTH .* Got"):
        Area.parse(text)


def test_an_area_beside_the_picture_is_a_sentence(pair: Path) -> None:
    with pytest.raises(FlashTalkError, match="whose middle is in the picture"):
        portrait_for(pair, TINY, area=Area(0.9, 0.0, 0.5))


def test_the_area_is_what_is_shown_and_who_is_in_it_speaks(pair: Path) -> None:
    portrait = portrait_for(pair, TINY, area=Area(0.04, 1 / 3, 0.3))
    wanted = Image.open(pair).crop((40, 200, 340, 500)).resize((512, 512), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(portrait.image).astype(int) - np.asarray(wanted)).mean() < 1
    finding = portrait.finding
    assert finding is not None
    assert finding.number == 1, "the other one is larger, and not in it"
    assert finding.crop.left == pytest.approx(0.04)
    usual = portrait_for(pair, TINY).finding
    assert usual is not None and usual.number == 2


@pytest.mark.parametrize("width", [0.25, 0.3, 0.5])
def test_the_networks_see_the_usual_framing_whatever_is_shown(pair: Path, width: float) -> None:
    """Closer and wider move no mouth away from where the networks know it."""
    area = Area(0.04 + (0.3 - width) / 2, (0.6 - width) / 0.6 / 2, width)
    portrait, usual = portrait_for(pair, TINY, area=area), portrait_for(pair, TINY, face=1)
    (face,), (known,) = (find_faces(np.asarray(each.framed)) for each in (portrait, usual))
    assert face.side_px == pytest.approx(known.side_px, rel=0.08), "squares have steps"
    assert face.center_x_px == pytest.approx(known.center_x_px, abs=6)
    assert face.center_y_px == pytest.approx(known.center_y_px, abs=6)
    assert portrait.image.size == (512, 512) and portrait.notices == usual.notices


def test_what_lies_beside_an_area_moves_into_it(pair: Path) -> None:
    """The picture goes on there: no continued edge comes in when the head moves."""
    portrait = portrait_for(pair, TINY, area=Area(0.58, 0.2, 0.3))
    usual = portrait_for(pair, TINY).framed
    assert usual is not None and portrait.framed is not None and portrait.moving is not None
    away = np.abs(np.asarray(portrait.framed).astype(int) - np.asarray(usual))
    assert away.mean() < 6, "the networks see the same picture"
    assert portrait.large is not None and portrait.large.shape[2:] == portrait.moving.size[::-1]


def test_far_inside_a_face_the_networks_see_what_is_shown(pair: Path) -> None:
    portrait = portrait_for(pair, TINY, area=Area(0.68, 0.4, 0.1))
    assert portrait.square is None and portrait.finding is not None
    assert portrait.finding.crop.width == pytest.approx(0.1)


def test_an_area_without_a_face_is_a_sentence(pair: Path) -> None:
    for without_face in (False, True):
        with pytest.raises(FlashTalkError) as refused:
            portrait_for(pair, TINY, area=Area(0.0, 0.0, 0.1), without_face=without_face)
        assert str(refused.value) == NOBODY


def test_a_whole_picture_has_no_area(pair: Path) -> None:
    with pytest.raises(FlashTalkError, match="leave area or framing out"):
        portrait_for(pair, TINY, framing="picture", area=Area(0.0, 0.0, 0.5))


def test_readers_of_strangers_pictures_cut_the_same(pair: Path) -> None:
    area, aspect = Area(0.45, 0.05, 0.5), FOURTEEN_B.with_size((640, 640))
    for preset in (TINY, aspect):
        there = PictureReader(preset).read(pair, Wanted(area=area))
        assert there.image.tobytes() == portrait_for(pair, preset, area=area).image.tobytes()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--area", "0.1,0.2"], "An area is LEFT,TOP,WIDTH"),
        (["--area", "0,0,0.5", "--framing", "picture"], "Give one of them."),
        (["--area", "0,0,0.5", "--no-crop"], "Give one of them."),
    ],
)
def test_the_command_refuses_what_is_no_area(
    pair: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, more: list[str], said: str
) -> None:
    given = ["--portrait", str(pair), "--say", "Hello.", "--out", str(tmp_path / "a.mp4")]
    assert main(["generate", *given, *more]) == 2
    assert said in capsys.readouterr().err


def test_the_command_shows_the_area(pair: Path, tmp_path: Path) -> None:
    import av
    import soundfile

    soundfile.write(tmp_path / "voice.wav", np.zeros(1_280), 16_000)
    out = tmp_path / "out.mp4"
    given = ["--portrait", str(pair), "--audio", str(tmp_path / "voice.wav"), "--out", str(out)]
    assert main(["generate", *given, "--area", "0.04,0.333,0.3", "--size", "256x256"]) == 0
    with av.open(io.BytesIO(out.read_bytes())) as film:
        frame = next(film.decode(video=0)).to_ndarray(format="rgb24")
    wanted = Image.open(pair).crop((40, 200, 340, 500)).resize((256, 256))
    assert np.abs(frame.astype(int) - np.asarray(wanted)).mean() < 12
