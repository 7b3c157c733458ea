"""Faces of every size, place, turn and light are found, and what is no face is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_heads import draw_head
from PIL import Image, ImageDraw

from flashtalk.assets import ASSETS
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.faces import DETECTOR, Face, _face, _network, find_faces, measured_roll

PEOPLE = sorted(path.stem for path in (ASSETS / "portraits").glob("*.jpg"))


def person(name: str) -> np.ndarray:
    """[512, 512, 3]"""
    return np.asarray(Image.open(ASSETS / "portraits" / f"{name}.jpg").convert("RGB"))


def room(width: int, height: int) -> np.ndarray:
    """A blurred wall."""
    noise = np.random.default_rng(0).integers(90, 170, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 8)


def one(picture: np.ndarray) -> Face:
    (face,) = find_faces(picture)
    return face


@pytest.mark.parametrize("name", PEOPLE)
def test_everybody_is_found_once_and_upright(name: str) -> None:
    face = one(person(name))
    assert face.center_x_px == pytest.approx(256, abs=30)
    assert 220 < face.side_px < 290 and abs(face.roll_deg) < 8 and face.score > 0.85


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize(("left", "top"), [(60, 80), (1_700, 500), (900, 20)])
def test_a_face_of_a_twentieth_of_the_side_is_found_anywhere(
    name: str, left: int, top: int
) -> None:
    wide = room(2_000, 800)
    wide[top : top + 200, left : left + 200] = cv2.resize(
        person(name), (200, 200), interpolation=cv2.INTER_AREA
    )
    face = one(wide)
    assert face.center_x_px == pytest.approx(left + 100, abs=15)
    assert face.side_px == pytest.approx(100, abs=20)


@pytest.mark.parametrize("name", PEOPLE[::3])
@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("side", [150, 512])
def test_turned_faces_are_found_with_their_turn(name: str, quarters: int, side: int) -> None:
    wall = room(900, 800)
    wall[200 : 200 + side, 300 : 300 + side] = cv2.resize(
        person(name), (side, side), interpolation=cv2.INTER_AREA
    )
    turned = np.ascontiguousarray(np.rot90(wall, quarters))
    face = one(turned)
    roll = measured_roll(turned, face)
    assert (roll + 90 * quarters + 180) % 360 - 180 == pytest.approx(0, abs=12)


@pytest.mark.parametrize("degrees", [-75, -60, -35, 35, 60, 110])
def test_the_roll_of_a_face_is_measured(degrees: int) -> None:
    wall = room(900, 900)
    wall[194:706, 194:706] = person("clara")
    turned = np.asarray(Image.fromarray(wall).rotate(-degrees, Image.BICUBIC))
    assert measured_roll(turned, one(turned)) == pytest.approx(degrees, abs=12)


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("light", [0.2, 0.08, 0.04])
def test_dark_faces_are_found(name: str, light: float) -> None:
    dark = (person(name) * light).astype(np.uint8)
    assert one(dark).side_px == pytest.approx(one(person(name)).side_px, rel=0.15)


@pytest.mark.parametrize("name", PEOPLE[::3])
def test_faces_at_the_edge_and_faces_that_fill_the_picture_are_found(name: str) -> None:
    whole = person(name)
    side = one(whole).side_px
    for part, beyond in (
        (whole[:, 215:], -215),
        (whole[:, :300], 0),
        (whole[100:400, 130:390], -130),
    ):
        face = one(np.ascontiguousarray(part))
        assert face.side_px == pytest.approx(side, rel=0.25)
        assert face.center_x_px == pytest.approx(256 + beyond, abs=50)


def test_several_faces_come_largest_first_and_passers_by_are_left_out() -> None:
    wall = room(1_600, 700)
    for name, size, left in (("ada", 512, 1_000), ("emil", 330, 500), ("mei", 90, 100)):
        wall[100 : 100 + size, left : left + size] = cv2.resize(
            person(name), (size, size), interpolation=cv2.INTER_AREA
        )
    first, second = find_faces(wall)
    assert first.center_x_px > 1_000 and 500 < second.center_x_px < 830


def test_what_is_no_face_is_not_found() -> None:
    cup = Image.new("RGB", (600, 400), (150, 110, 80))
    draw = ImageDraw.Draw(cup)
    draw.ellipse((150, 60, 450, 340), fill=(230, 230, 225))
    draw.ellipse((190, 100, 410, 300), fill=(70, 40, 25))
    stripes = np.zeros((400, 600, 3), np.uint8)
    stripes[:, ::40] = 200
    without_features = Image.new("RGB", (500, 500), (200, 200, 210))
    ImageDraw.Draw(without_features).ellipse((150, 80, 350, 380), fill=(215, 170, 145))
    noise = np.random.default_rng(3).integers(0, 256, (500, 700, 3), dtype=np.uint8)
    plain = np.full((300, 500, 3), 90, np.uint8)
    for nobody in (cup, stripes, without_features, noise, plain, 0 * plain, room(900, 700)):
        assert find_faces(np.asarray(nobody)) == []


def test_a_drawing_is_a_face_if_it_has_features() -> None:
    drawing = Image.new("RGB", (700, 700), (170, 175, 180))
    draw_head(drawing, 350, 320, 250)
    assert one(np.asarray(drawing)).center_x_px == pytest.approx(350, abs=25)


def test_the_turn_is_the_way_of_the_nose_along_the_eyes() -> None:
    eyes, mouth = [100, 100, 140, 130], [90, 150, 130, 180]  # tilted; the eyes are 50 apart
    front, left = (
        [120 - 9, 115 + 12],
        [120 - 9 - 24, 115 + 12 - 18],
    )  # below their middle, beside it
    turns = [
        _face(np.array([70, 70, 100, 130, *eyes, *nose, *mouth, 0.9], np.float32)).turn
        for nose in (front, left)
    ]
    assert turns == pytest.approx([0.0, 0.6], abs=1e-5)


def test_the_detector_is_checked(tmp_path: Path) -> None:
    with pytest.raises(FlashTalkError, match=r"detector is missing: no file at .*absent.onnx"):
        _network(tmp_path / "absent.onnx")
    (tmp_path / "short.onnx").write_bytes(DETECTOR.read_bytes()[:-1])
    with pytest.raises(FlashTalkError, match=r"short.onnx is not the file that ships"):
        _network(tmp_path / "short.onnx")
