"""Pictures of the gallery, which are rendered, read and drawn by the weights that ship."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from flashtalk.config import TINY
from flashtalk.inputs.faces import Face
from flashtalk.inputs.framing import Crop
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from lab.evaluation.measures.reading import load_autoencoder
from lab.evaluation.studies import photo
from lab.evaluation.studies.photo import (
    FACES,
    Motion,
    face_box,
    main,
    measure,
    psnr_in_motion,
    square_around,
)

ASSETS = Path(__file__).parents[3] / "assets"


@pytest.fixture(scope="module")
def autoencoder() -> PortraitAutoencoder:
    return load_autoencoder(ASSETS / TINY.name)


def test_a_square_holds_the_face_as_large_as_asked() -> None:
    square = square_around(Face(left_px=100, top_px=80, side_px=60), 0.3)
    assert square.width_px == square.height_px == 200
    assert square.left_px + 100 == 130
    assert square.top_px + 0.41 * 200 == pytest.approx(80 + 0.413 * 60, abs=1)


def test_portraits_survive_and_a_warp_that_is_off_shows(
    autoencoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = dict(measure(autoencoder, ASSETS / "portraits" / "emil.jpg"))
    assert list(found) == list(FACES)
    assert min(found[share].rest_db for share in FACES if share > 0.35) > 37.0
    moved = found[0.48].moved
    assert moved.face_db > moved.face_copy_db + 6.0
    assert moved.whole_db > moved.whole_copy_db
    with torch.no_grad():
        autoencoder.config = replace(autoencoder.config, landmarks="own")
        autoencoder.reader.heat.weight.mul_(0.0)  # sees nothing anywhere: paints mouths beside
        monkeypatch.setattr(photo, "FACES", (0.48,))
        ((_, spoiled),) = measure(autoencoder, ASSETS / "portraits" / "emil.jpg")
    assert spoiled.rest_db < found[0.48].rest_db - 3.0


def test_a_motion_is_small_smooth_and_ends_at_rest() -> None:
    places = Motion().places(64, 64)
    rest = places[0]
    middle = (torch.arange(64) + 0.5) / 32 - 1
    assert torch.allclose(rest[0, :, 0], middle, atol=1e-6)
    assert torch.allclose(rest[:, 0, 1], middle, atol=1e-6)
    assert torch.allclose(places[-1], rest, atol=1e-5)
    steps = places.diff(dim=0).norm(dim=-1)
    assert 0.0 < steps.amax() < 0.08
    turned = places[4, 32, 63] - places[4, 32, 0]  # a quarter of the way: the largest turn
    assert torch.atan2(turned[1], turned[0]).item() == pytest.approx(0.06, abs=1e-4)


def test_the_truth_is_drawn_perfectly_and_a_copy_is_not() -> None:
    class Perfect:
        def prepare(self, portrait: torch.Tensor) -> None:
            return None

        def encode(self, video: torch.Tensor, guidance: None) -> torch.Tensor:
            return video

        def decode(self, latents: torch.Tensor, guidance: None) -> torch.Tensor:
            return latents

    portrait = torch.zeros(1, 3, 64, 64)
    portrait[..., 16:48, 16:48] = torch.rand(1, 3, 32, 32)  # all that moves is in the face
    found = psnr_in_motion(Perfect(), portrait, (-0.5, -0.5, 0.5, 0.5))
    assert found.whole_db == found.face_db == pytest.approx(90.0)
    assert found.face_copy_db < found.whole_copy_db < 40.0


def test_a_face_is_found_again_in_its_square() -> None:
    face = Face(left_px=100, top_px=80, side_px=60)
    left, top, right, bottom = face_box(face, Crop(70, 40, 120, 120))
    assert (left, right) == pytest.approx((-0.5, 0.5))
    assert (top, bottom) == pytest.approx((-1 / 3, 2 / 3))


def test_pictures_without_a_face_are_refused(tmp_path: Path, capsys) -> None:
    Image.new("RGB", (300, 300), "gray").save(tmp_path / "wall.png")
    weights = str(ASSETS / TINY.name)
    assert main([str(tmp_path / "wall.png"), "--weights", weights]) == 2
    assert "No face was found" in capsys.readouterr().err
