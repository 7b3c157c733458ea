"""Who reads a portrait also reads its motion frames: the own network, or the face mesh."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from flashtalk.assets import ASSETS
from flashtalk.config import TINY
from flashtalk.inputs.faces import Face, find_faces
from flashtalk.inputs.portrait import to_tensor
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.confidence import MOUTH_HIDDEN
from flashtalk.models.tiny.landmark_choice import choose_marks, read_frames
from flashtalk.weights import load_networks

SIZE = (TINY.geometry.width_px, TINY.geometry.height_px)
PIXEL = 2 / SIZE[0]  # picture units


@pytest.fixture(scope="module")
def model() -> PortraitAutoencoder:
    return load_networks(ASSETS / TINY.weights, TINY).autoencoder


@pytest.fixture(scope="module")
def misled(model: PortraitAutoencoder) -> PortraitAutoencoder:
    """The same with an own network that reads all landmarks 20 pixels too low."""
    networks = load_networks(ASSETS / TINY.weights, TINY)
    autoencoder = networks.autoencoder
    reader = autoencoder.reader

    def too_low(_: object, __: object, marks: object) -> object:
        return replace(marks, points=marks.points + torch.tensor([0.0, 20 * PIXEL]))

    reader.register_forward_hook(too_low)
    return autoencoder


def portrait(name: str) -> Tensor:
    return to_tensor(Image.open(ASSETS / "portraits" / f"{name}.jpg").convert("RGB").resize(SIZE))


def tilted_close_up(name: str) -> Tensor:
    """A face that fills the picture and leans on a shoulder: too much for the detector."""
    picture = cv2.imread(str(ASSETS / "portraits" / f"{name}.jpg"))[..., ::-1]
    (face, *_) = find_faces(picture)
    middle = (face.center_x_px, face.center_y_px + 0.1 * face.side_px)
    turn = cv2.getRotationMatrix2D(middle, -35.0, SIZE[0] / (0.65 * face.side_px))
    turn[:, 2] += SIZE[0] / 2 - np.array(middle)
    return to_tensor(Image.fromarray(cv2.warpAffine(picture, turn, SIZE)))


def noise() -> Tensor:
    return torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1


@torch.inference_mode()
@pytest.mark.parametrize("name", ["amara", "mei"])
def test_a_face_that_fills_the_picture_is_found(model: PortraitAutoencoder, name: str) -> None:
    picture = tilted_close_up(name)
    pixels = ((picture[0].permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
    assert not find_faces(pixels)
    assert model.read_portrait(picture).confirmed.item()


@torch.inference_mode()
def test_rendered_people_are_read_by_the_own_network(model: PortraitAutoencoder) -> None:
    for path in sorted((ASSETS / "portraits").glob("*.jpg")):
        picture = portrait(path.stem)
        marks = model.read_portrait(picture)
        assert not marks.meshed.item(), path.name
        assert marks.confirmed.item(), path.name
        assert torch.equal(marks.points, model.reader(picture).points)


@torch.inference_mode()
def test_the_mesh_reads_whom_the_own_network_misreads(
    model: PortraitAutoencoder, misled: PortraitAutoencoder
) -> None:
    picture = portrait("omar")
    marks = misled.read_portrait(picture)
    assert marks.meshed.item()
    away = (marks.points - model.reader(picture).points).norm(dim=-1).mean()
    assert away < 4 * PIXEL
    assert marks.gaze.abs().max() == 0.0


@torch.inference_mode()
def test_each_of_several_portraits_has_its_own_reader(misled: PortraitAutoencoder) -> None:
    marks = choose_marks(misled.reader, torch.cat((portrait("ada"), noise())))
    assert marks.meshed.tolist() == [True, False]
    assert 0.0 < marks.turn[0] < 0.3 and marks.turn[1] == 0.0


@torch.inference_mode()
def test_who_is_seen_in_profile_is_told_that_no_mouth_moves(
    model: PortraitAutoencoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned(picture: np.ndarray) -> list[Face]:
        return [replace(face, turn=0.7) for face in find_faces(picture)]

    assert MOUTH_HIDDEN not in model.notices(model.begin(portrait("ada"))[1])
    monkeypatch.setattr("flashtalk.models.tiny.landmark_choice.find_faces", turned)
    assert MOUTH_HIDDEN in model.notices(model.begin(portrait("ada"))[1])


@torch.inference_mode()
def test_without_a_face_the_own_network_reads(model: PortraitAutoencoder) -> None:
    for picture in (noise(), torch.zeros(1, 3, *SIZE)):
        assert not model.read_portrait(picture).meshed.any()


@torch.inference_mode()
def test_an_autoencoder_that_reads_by_itself_asks_no_mesh(misled: PortraitAutoencoder) -> None:
    checked = misled.config
    misled.config = replace(checked, landmarks="own")
    try:
        assert not misled.read_portrait(portrait("ada")).meshed.item()
    finally:
        misled.config = checked


@torch.inference_mode()
def test_motion_frames_are_read_where_the_portrait_was(misled: PortraitAutoencoder) -> None:
    picture = portrait("mei")
    marks = misled.read_portrait(picture)
    moved = picture.roll((3, -2), dims=(-2, -1))
    frames = torch.stack((picture, moved), dim=1)
    points, gaze = read_frames(misled.reader, frames, marks.points, marks.meshed)
    shift = (points[1] - points[0]).mean(dim=0) / PIXEL
    assert shift.tolist() == pytest.approx([-2.0, 3.0], abs=0.5)
    assert (points[0] - marks.points[0]).norm(dim=-1).mean() < 1.5 * PIXEL
    assert gaze.shape == (2, 2) and gaze.abs().max() == 0.0


@torch.inference_mode()
def test_a_frame_without_a_face_has_it_where_the_portrait_has(misled: PortraitAutoencoder) -> None:
    marks = misled.read_portrait(portrait("mei"))
    points, _ = read_frames(misled.reader, noise()[:, None], marks.points, marks.meshed)
    assert torch.equal(points, marks.points)


@torch.inference_mode()
def test_two_encodings_of_a_meshed_person_are_the_same_bytes(misled: PortraitAutoencoder) -> None:
    picture = portrait("kenji")
    video = picture[:, :, None].expand(-1, -1, 5, -1, -1)
    first, second = (misled.encode(video, misled.prepare(picture)) for _ in range(2))
    assert torch.equal(first, second)


def test_an_unknown_way_to_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be 'checked' or 'own', got 'mesh'"):
        replace(TINY.autoencoder, landmarks="mesh")
