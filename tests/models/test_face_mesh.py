"""The face mesh finds faces where they are, and its file is checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.faces import Face, find_faces
from flashtalk.models.tiny.face_code import LANDMARKS
from flashtalk.models.tiny.face_mesh import (
    FACE_MESH,
    Square,
    _content,
    read_mesh,
    search_mesh,
    settle_mesh,
)

SIDE_PX = 256
FRAMED = Square(np.array([128.0, 140.0]), 220.0, 0.0)
PEOPLE = sorted(path.stem for path in (ASSETS / "portraits").glob("*.jpg"))


def person(name: str, turn_deg: float = 0.0) -> np.ndarray:
    """[256, 256, 3] float32, 0..1."""
    picture = Image.open(ASSETS / "portraits" / f"{name}.jpg").convert("RGB")
    turned = picture.rotate(turn_deg, Image.Resampling.BICUBIC)
    return np.asarray(turned.resize((SIDE_PX, SIDE_PX)), np.float32) / 255


def settled(picture: np.ndarray, square: Square, runs: int = 3) -> np.ndarray:
    """Landmarks [L, 2] in pixels, when the square has come to the face."""
    for _ in range(runs):
        seen = read_mesh(picture, square)
        assert seen.presence > 0.99
        around = Square.around(seen.points_px)
        assert around is not None
        square = around
    return seen.points_px


@pytest.mark.parametrize("name", PEOPLE)
def test_features_lie_in_the_order_of_a_face(name: str) -> None:
    points = settled(person(name), FRAMED)
    at = dict(zip(LANDMARKS, points, strict=True))
    down = [
        at[name][1]
        for name in (
            "left_brow",
            "left_eye_upper",
            "left_eye_lower",
            "nose_tip",
            "outer_upper_lip",
            "outer_lower_lip",
            "chin",
        )
    ]
    assert down == sorted(down)
    across = [
        at[name][0]
        for name in (
            "right_eye_outer",
            "right_eye_inner",
            "nose_tip",
            "left_eye_inner",
            "left_eye_outer",
        )
    ]
    assert across == sorted(across)


@pytest.mark.parametrize("shift_px", [(14.0, 0.0), (0.0, -14.0), (-10.0, 10.0)])
@pytest.mark.parametrize("scale", [0.85, 1.2])
def test_the_square_comes_to_the_face_from_places_and_sizes_that_are_off(
    shift_px: tuple[float, float], scale: float
) -> None:
    picture = person("ada")
    expected = settled(picture, FRAMED)
    off = Square(FRAMED.center_px + shift_px, FRAMED.side_px * scale, 0.0)
    assert np.linalg.norm(settled(picture, off) - expected, axis=1).mean() < 1.5


def test_a_face_that_is_tilted_is_read_where_it_is() -> None:
    turn_deg = 20.0
    upright = settled(person("henry"), FRAMED)
    cosine, sine = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    turned = (upright - 128.0) @ np.array([[cosine, -sine], [sine, cosine]]) + 128.0
    found = settled(person("henry", turn_deg), FRAMED)
    assert np.linalg.norm(found - turned, axis=1).mean() < 2.5


def test_a_wall_is_no_face() -> None:
    wall = np.random.default_rng(0).random((SIDE_PX, SIDE_PX, 3), dtype=np.float32)
    assert read_mesh(wall, FRAMED).presence < 0.1


def test_points_in_one_place_have_no_square() -> None:
    assert Square.around(np.full((len(LANDMARKS), 2), 7.0)) is None


def test_the_file_is_checked(tmp_path: Path) -> None:
    with pytest.raises(FlashTalkError, match=r"face mesh is missing: no file at .*absent.tflite"):
        _content(tmp_path / "absent.tflite")
    (tmp_path / "short.tflite").write_bytes(FACE_MESH.read_bytes()[:-1])
    with pytest.raises(FlashTalkError, match=r"short.tflite is not the file that ships"):
        _content(tmp_path / "short.tflite")


@pytest.mark.parametrize("larger", [1.25, 1.5])
def test_a_face_is_searched_where_the_detector_is_vague(larger: float) -> None:
    picture = person("ada")
    (face,) = find_faces((picture * 255).astype(np.uint8))
    exact = settle_mesh(picture, face)
    assert exact is not None
    vague = Face(
        face.left_px - (0.35 + (larger - 1.0) / 2) * face.side_px,
        face.top_px - (larger - 1.0) / 2 * face.side_px,
        larger * face.side_px,
    )
    assert settle_mesh(picture, vague) is None
    found = search_mesh(picture, vague)
    assert found is not None and np.abs(found - exact).mean() < 2.0
    assert search_mesh(np.full_like(picture, 0.5), face) is None
