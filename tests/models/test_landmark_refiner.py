from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from faces import face

from flashtalk.models.tiny.face_code import LANDMARKS, eye_middle, mouth_middle
from flashtalk.models.tiny.landmark_refiner import (
    EYE_CROP,
    MOUTH_CROP,
    REFINED,
    CropSpec,
    CropTransform,
    LandmarkRefiner,
    crop_transform,
    eye_names,
    heat_shares,
    sample_crop,
    soft_argmax,
)
from flashtalk.models.tiny.landmarks import FaceReader
from lab.training.data.codes import mirror_points


def upright() -> torch.Tensor:
    """A plain face as people show it, [1, L, 2]: their left is on the right of the picture."""
    return face() * torch.tensor([-1.0, 1.0])


def turned(angle: float, scale: float, shift: tuple[float, float]) -> torch.Tensor:
    """Matrix [2, 3] that turns by ``angle``, scales and then shifts places."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return torch.tensor([[cos, -sin, shift[0]], [sin, cos, shift[1]]], dtype=torch.float32)


def moved(points: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return points @ matrix[:, :2].T + matrix[:, 2]


def smooth_picture(size: int = 256) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 12, 12, generator=generator) * 2 - 1
    return F.interpolate(coarse, (size, size), mode="bicubic").clamp(-1, 1)


def test_a_face_that_is_turned_nearer_and_elsewhere_gives_the_same_crop() -> None:
    picture, points = smooth_picture(), upright()
    matrix = turned(0.3, 1.2, (0.05, -0.1))
    # what the moved picture shows at a place, the first shows at the place before
    back = torch.linalg.inv(torch.cat((matrix, torch.tensor([[0.0, 0.0, 1.0]]))))[:2]
    grid = F.affine_grid(back[None], list(picture.shape), align_corners=False)
    there = F.grid_sample(picture, grid, align_corners=False)
    crops = []
    for shown, marks in ((picture, points), (there, moved(points, matrix))):
        transform = crop_transform(marks, MOUTH_CROP, mouth_middle(marks))
        crops.append(sample_crop(shown, transform, MOUTH_CROP))
    assert crops[0].std() > 0.1
    assert (crops[0] - crops[1]).abs().mean() < 0.02


def test_both_eyes_are_seen_alike() -> None:
    picture, points = smooth_picture(), upright()
    picture = (picture + picture.flip(3)) / 2
    left, right = (
        sample_crop(
            picture, crop_transform(points, EYE_CROP, eye_middle(points, side), mirrored), EYE_CROP
        )
        for side, mirrored in (("left", False), ("right", True))
    )
    assert left.std() > 0.1
    assert torch.allclose(left, right, atol=1e-4)


def test_points_come_back_to_where_they_were_seen() -> None:
    points = moved(upright(), turned(-0.2, 0.9, (0.1, 0.0)))
    transform = crop_transform(points, MOUTH_CROP, mouth_middle(points))
    corner = points[:, LANDMARKS.index("left_mouth_corner")]
    axes = torch.stack((transform.across, transform.down), dim=2)
    inside = torch.linalg.solve(axes, corner - transform.center)
    assert inside.abs().max() < 1.0, "a mouth lies within its crop"
    assert torch.allclose(transform.to_picture(inside[:, None])[:, 0], corner, atol=1e-6)


def test_the_center_of_a_map_is_where_it_is_highest() -> None:
    heat = torch.zeros(1, 1, 20, 28)
    heat[0, 0, 5, 21] = 40.0
    point, variance = soft_argmax(heat_shares(heat), heat)
    assert point[0, 0].tolist() == pytest.approx([2 * 21.5 / 28 - 1, 2 * 5.5 / 20 - 1], abs=1e-4)
    assert variance.item() == pytest.approx(0.0, abs=1e-4)


def test_the_mirrored_face_is_read_as_the_mirror_image_around_the_eyes() -> None:
    torch.manual_seed(0)
    refiner = LandmarkRefiner(16).eval()
    for reader in (refiner.mouth, refiner.eye):
        torch.nn.init.normal_(reader.heat.weight, std=1.0)
    picture, points = smooth_picture(), upright()
    there, _ = refiner(picture, points)
    mirrored = torch.from_numpy(mirror_points(points.numpy()))
    back, _ = refiner(picture.flip(3), mirrored)
    eyes = [LANDMARKS.index(name) for name in eye_names("left") + eye_names("right")]
    expected = torch.from_numpy(mirror_points(there.detach().numpy()))
    assert (there - points)[:, eyes].abs().max() > 0.01, "it has to have read something"
    assert torch.allclose(back[:, eyes], expected[:, eyes], atol=1e-4)


def test_other_points_stay_and_crops_get_no_gradient() -> None:
    torch.manual_seed(0)
    refiner, points = LandmarkRefiner(16), upright().requires_grad_(True)
    found, variance = refiner(smooth_picture(), points)
    assert variance.shape == (1, len(REFINED))
    stay = [index for index, name in enumerate(LANDMARKS) if name not in REFINED]
    assert torch.equal(found[:, stay], points[:, stay])
    read = [LANDMARKS.index(name) for name in REFINED]
    (gradient,) = torch.autograd.grad(found[:, read].sum(), points, allow_unused=True)
    assert gradient is None or gradient.abs().max() == 0.0


def test_no_face_and_a_face_of_one_point_are_no_numbers_that_are_none() -> None:
    torch.manual_seed(0)
    reader = FaceReader(16).eval()
    reader.heat.weight.data.zero_()  # all landmarks in one place: no direction, no size
    points = reader(smooth_picture()).points
    assert points.isfinite().all() and points.abs().max() < 2.0


def test_a_crop_is_made_of_whole_places_of_the_network() -> None:
    with pytest.raises(ValueError, match="multiples of 8"):
        CropSpec(("outer",), half_size=(0.3, 0.4), size_px=(40, 50))


def test_a_crop_lies_where_it_is_told() -> None:
    transform = CropTransform(
        torch.tensor([[0.1, 0.2]]), torch.tensor([[0.5, 0.0]]), torch.tensor([[0.0, 0.4]])
    )
    edge = transform.to_picture(torch.tensor([[[1.0, 0.0], [0.0, -1.0]]]))
    assert torch.allclose(edge, torch.tensor([[[0.6, 0.2], [0.1, -0.2]]]))
