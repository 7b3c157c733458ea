"""Lids that shut have the lashes of their portrait."""

import math

import pytest
import torch
from faces import face

from flashtalk.models.tiny.crops import BlendedCrops
from flashtalk.models.tiny.lashes import STRENGTH, Lashes, draw_lashes
from flashtalk.models.tiny.maps import identity_grid
from flashtalk.models.tiny.origin import ORIGIN_CHANNELS, SHARE

SIDE = 256
LIDS = 0.08  # apart, picture units
LOWER = (0.21, -0.2 + LIDS / 2)  # middle of the right lower lid


def turned(points: torch.Tensor, degrees: float) -> torch.Tensor:
    """Points [..., 2] turned about the middle of the picture."""
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return points @ turn


def lashes_of(portrait: torch.Tensor | None = None, degrees: float = 0.0) -> Lashes:
    portrait = torch.zeros(1, 3, SIDE, SIDE) if portrait is None else portrait
    return Lashes.of(portrait, turned(face(lids=LIDS), degrees))


def dark_at(*xy: tuple[float, float], degrees: float = 0.0) -> list[float]:
    """The right eye's line at places of an upright face that is turned."""
    places = turned(torch.tensor([xy]), degrees).permute(0, 2, 1)[..., None]
    eye = lashes_of(degrees=degrees).of_frames(1)
    return eye.line(places.expand(2, -1, -1, -1))[1, 0, :, 0].tolist()


@pytest.mark.parametrize("degrees", [0.0, 30.0, -60.0])
def test_lids_come_to_rest_on_the_lower_one(degrees: float) -> None:
    lower, upper, beyond, cheek = dark_at(
        LOWER, (0.21, -0.24), (0.33, -0.2), (0.21, -0.08), degrees=degrees
    )
    assert lower == pytest.approx(STRENGTH, abs=0.02)
    assert max(upper, beyond, cheek) < 0.01


def test_the_line_is_bent_like_the_lower_lid() -> None:
    on_arch, level = dark_at((0.21 + 0.072, -0.2 + 0.6 * LIDS / 2), (0.21 + 0.072, -0.2 + LIDS / 2))
    assert on_arch == pytest.approx(STRENGTH * (1.0 - 0.8**6), abs=0.01)
    assert level < on_arch / 2


def test_lashes_are_as_dark_as_those_of_the_open_eye() -> None:
    portrait = torch.full((1, 3, SIDE, SIDE), 0.4)
    ink = torch.tensor([-0.6, -0.7, -0.8])
    x, y = identity_grid(portrait)[0].unbind(-1)
    upper_lid = -0.2 - LIDS / 2 * (1.0 - ((x.abs() - 0.21) / 0.09).square()).clamp(min=0.0).sqrt()
    line = ((y - upper_lid).abs() < 0.008) & ((x.abs() - 0.21).abs() < 0.09)
    portrait[0] = torch.where(line, ink[:, None, None], portrait[0])
    colors = lashes_of(portrait).color
    assert torch.allclose(colors, ink.expand(1, 2, 3), atol=0.02)


def test_open_eyes_stay_to_the_byte_and_shut_ones_are_no_longer_the_portrait() -> None:
    crops = BlendedCrops(
        torch.rand(2, 3, 32, 48), torch.rand(2, ORIGIN_CHANNELS, 32, 48), torch.zeros(2, 4)
    )
    eye = lashes_of().of_frames(1)
    places = eye.middle[..., None, None] + 0.4 * identity_grid(crops.picture).permute(0, 3, 1, 2)
    same = draw_lashes(crops, eye, places, torch.zeros(2))
    assert torch.equal(same.picture, crops.picture)
    assert torch.equal(same.origin, crops.origin)
    shut = draw_lashes(crops, eye, places, torch.ones(2))
    kept = shut.origin[:, SHARE] / crops.origin[:, SHARE]
    assert kept.amin(dim=(1, 2, 3)).tolist() == pytest.approx([1.0 - STRENGTH] * 2, abs=0.05)
    assert kept.amax() == 1.0
