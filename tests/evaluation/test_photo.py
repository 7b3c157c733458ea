"""Photographs at rest, read and drawn by the weights that ship."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from flashtalk.config import TINY
from flashtalk.evaluation.photo import FACES, main, measure, square_around
from flashtalk.evaluation.reading import load_autoencoder
from flashtalk.inputs.faces import Face
from flashtalk.models.autoencoder import PortraitAutoencoder

ASSETS = Path(__file__).parents[2] / "assets"


@pytest.fixture(scope="module")
def autoencoder() -> PortraitAutoencoder:
    return load_autoencoder(ASSETS / TINY.name)


def test_a_square_holds_the_face_as_large_as_asked() -> None:
    square = square_around(Face(left_px=100, top_px=80, side_px=60), 0.3)
    assert square.width_px == square.height_px == 200
    assert square.left_px + 100 == 130
    assert square.top_px + 0.41 * 200 == pytest.approx(80 + 0.413 * 60, abs=1)


def test_portraits_survive_and_a_warp_that_is_off_shows(autoencoder) -> None:
    found = dict(measure(autoencoder, ASSETS / "portraits" / "emil.jpg"))
    assert list(found) == list(FACES)
    assert min(found[share] for share in FACES if share > 0.35) > 37.0
    with torch.no_grad():
        autoencoder.reader.heat.weight.mul_(0.0)  # sees nothing anywhere: paints mouths beside
        spoiled = dict(measure(autoencoder, ASSETS / "portraits" / "emil.jpg"))
    assert spoiled[0.48] < found[0.48] - 3.0


def test_pictures_without_a_face_are_refused(tmp_path: Path, capsys) -> None:
    Image.new("RGB", (300, 300), "gray").save(tmp_path / "wall.png")
    weights = str(ASSETS / TINY.name)
    assert main([str(tmp_path / "wall.png"), "--weights", weights]) == 2
    assert "No face was found" in capsys.readouterr().err
