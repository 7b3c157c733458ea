"""Mouths and eyes that are not to be seen are not believed in."""

from dataclasses import replace

import pytest
import torch
from faces import face

from flashtalk.models.tiny.confidence import (
    EYES_HIDDEN,
    MOUTH_HIDDEN,
    eye_light,
    feature_confidence,
    hidden_notices,
)
from flashtalk.models.tiny.face_code import LANDMARKS, eye_middle, mouth_middle
from flashtalk.models.tiny.landmark_refiner import REFINED
from flashtalk.models.tiny.landmarks import FaceMarks
from flashtalk.models.tiny.maps import identity_grid
from flashtalk.models.tiny.tone import face_masks

SIDE = 64
MOUTH, LEFT, RIGHT = slice(0, 6), slice(6, 10), slice(10, 14)


def marks(
    refined: slice | None = None,
    value: float = 0.0,
    coarse: float = 0.003,
    confirmed: bool = False,
    turn: float = 0.0,
) -> FaceMarks:
    """A plain face as renders are read, but for the crop whose variance is another ``value``."""
    variance = torch.full((1, len(REFINED)), 0.003)
    if refined is not None:
        variance[:, refined] = value
    return FaceMarks(
        points=face(),
        gaze=torch.zeros(1, 2),
        variance=torch.full((1, len(LANDMARKS)), coarse),
        refined_variance=variance,
        meshed=torch.tensor([False]),
        confirmed=torch.tensor([confirmed]),
        turn=torch.tensor([turn]),
    )


def portrait(left: float = 0.5, right: float = 0.5) -> torch.Tensor:
    """Skin of luma 0.5 and eyes of others, [1, 3, 64, 64]."""
    picture = torch.full((1, 3, SIDE, SIDE), 0.5)
    _, *eyes = face_masks(face(), picture)
    for mask, value in zip(eyes, (left, right), strict=True):
        picture = torch.where(mask[:, None], torch.tensor(value), picture)
    return picture * 2 - 1


def test_a_face_that_is_seen_is_believed_in() -> None:
    assert feature_confidence(portrait(), marks()).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(("turn", "shown"), [(0.36, 1.0), (0.6, 0.0)])
def test_in_profile_no_mouth_is_painted_beside_the_face(turn: float, shown: float) -> None:
    confidence = feature_confidence(portrait(), marks(confirmed=True, turn=turn))
    assert confidence.tolist() == [[shown, 1.0]]


def test_a_mouth_whose_heat_spreads_is_not_there() -> None:
    hand = marks(MOUTH, 0.034, coarse=0.0079)
    assert feature_confidence(portrait(), hand).tolist() == [[0.0, 1.0]]
    shout = marks(MOUTH, 0.012, coarse=0.0062)
    assert feature_confidence(portrait(), shout).tolist() == [[1.0, 1.0]]
    between = marks(MOUTH, 0.04, coarse=0.006)  # 0.0012
    assert feature_confidence(portrait(), between)[0].tolist() == pytest.approx([0.5, 1.0])


def test_a_mouth_that_the_mesh_finds_is_believed_in_unless_its_own_crop_shows_none() -> None:
    photo = marks(MOUTH, 0.02, coarse=0.3, confirmed=True)
    assert feature_confidence(portrait(), photo).tolist() == [[1.0, 1.0]]
    assert feature_confidence(portrait(), replace(photo, confirmed=~photo.confirmed))[0, 0] == 0.0
    hand = marks(MOUTH, 0.075, coarse=0.3, confirmed=True)
    assert feature_confidence(portrait(), hand).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    ("variance", "parted", "wide_open"), [(0.053, 0.35, 0.0), (0.045, 0.75, 0.5), (0.03, 1.0, 1.0)]
)
def test_a_wide_open_mouth_has_to_be_surer_than_parted_lips(
    variance: float, parted: float, wide_open: float
) -> None:
    """A tongue that is put out stays out: nothing that is painted there would be a mouth."""
    photo = marks(MOUTH, variance, coarse=0.3, confirmed=True)
    assert feature_confidence(portrait(), photo)[0, 0].item() == pytest.approx(parted)
    points = photo.points * torch.tensor([-1.0, 1.0])  # the person's left is on the right
    points[:, [LANDMARKS.index(f"{edge}_lower_lip") for edge in ("inner", "outer")], 1] += 0.2
    found = feature_confidence(portrait(), replace(photo, points=points))[0, 0].item()
    assert found == pytest.approx(wide_open, abs=1e-5)


def test_eyes_that_the_mesh_finds_are_judged_by_their_light_alone() -> None:
    photo = marks(LEFT, 0.1, confirmed=True)
    assert feature_confidence(portrait(), photo)[0, 1] == 1.0
    assert feature_confidence(portrait(left=0.1), photo)[0, 1] == 0.0


@pytest.mark.parametrize("eye", [LEFT, RIGHT])
def test_the_less_certain_eye_counts_for_both(eye: slice) -> None:
    assert feature_confidence(portrait(), marks(eye, 0.03)).tolist() == [[1.0, 0.0]]
    assert feature_confidence(portrait(), marks(eye, 0.023))[0, 1].item() == pytest.approx(0.5)


@pytest.mark.parametrize("lumas", [(0.1, 0.1), (0.1, 0.5), (0.5, 0.1)])
def test_eyes_much_darker_than_the_skin_are_glasses(lumas: tuple[float, float]) -> None:
    assert eye_light(portrait(*lumas), face()).item() == pytest.approx(0.2, abs=0.01)
    assert feature_confidence(portrait(*lumas), marks()).tolist() == [[1.0, 0.0]]


def test_eyes_in_a_dark_picture_are_eyes() -> None:
    dark = (portrait(0.4, 0.4) + 1) * 0.1 - 1
    assert feature_confidence(dark, marks()).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(
    ("confidence", "said"),
    [
        ([1.0, 1.0], ()),
        ([0.2, 0.9], ()),
        ([0.0, 1.0], (MOUTH_HIDDEN,)),
        ([1.0, 0.0], (EYES_HIDDEN,)),
        ([0.0, 0.0], (MOUTH_HIDDEN, EYES_HIDDEN)),
    ],
)
def test_what_cannot_be_seen_is_said(confidence: list[float], said: tuple[str, ...]) -> None:
    assert hidden_notices(torch.tensor([confidence])) == said


SKIN = (0.8, 0.55, 0.45)


def before_the_mouth(color: tuple[float, float, float], radius: float, skin=SKIN) -> torch.Tensor:
    """Skin with a disc of ``color``, whose ``radius`` is in distances of the eyes."""
    points = face()
    picture = torch.tensor(skin)[None, :, None, None].expand(1, 3, 256, 256)
    size = (eye_middle(points, "left") - eye_middle(points, "right")).norm()
    away = (identity_grid(picture) - mouth_middle(points)[:, None, None]).norm(dim=-1)
    disc = (away < radius * size)[:, None]
    return torch.where(disc, torch.tensor(color)[:, None, None], picture) * 2 - 1


@pytest.mark.parametrize("color", [(0.1, 0.1, 0.1), (0.6, 0.6, 0.6), (0.2, 0.2, 0.7)])
@pytest.mark.parametrize("skin", [SKIN, (0.35, 0.2, 0.14), (0.6, 0.6, 0.6)])
def test_a_microphone_hides_the_mouth(
    color: tuple[float, float, float], skin: tuple[float, float, float]
) -> None:
    found = feature_confidence(before_the_mouth(color, 0.3, skin), marks(confirmed=True))
    same = color == skin  # gray before gray says nothing
    assert found[0, 0] == (1.0 if same else 0.0)


@pytest.mark.parametrize(
    ("color", "radius"),
    [
        ((0.1, 0.05, 0.05), 0.2),  # a mouth that is wide open
        ((0.7, 0.2, 0.2), 0.2),  # lips with lipstick
        ((0.9, 0.9, 0.85), 0.2),  # teeth
        ((0.4, 0.275, 0.225), 0.5),  # a shadow
    ],
)
def test_what_mouths_have_hides_none(color: tuple[float, float, float], radius: float) -> None:
    found = feature_confidence(before_the_mouth(color, radius), marks(confirmed=True))
    assert found[0, 0] == 1.0
