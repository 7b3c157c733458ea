"""Portraits that are dark, gray, covered or shouting, drawn over one that ships."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image, ImageDraw, ImageOps

from flashtalk.assets import ASSETS
from flashtalk.config import TINY
from flashtalk.inputs.portrait import to_tensor
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.confidence import feature_confidence
from flashtalk.models.tiny.face_code import LANDMARKS, paint
from flashtalk.models.tiny.guidance import Guidance
from flashtalk.models.tiny.tone import LIGHTEST_SKIN, face_masks, luma_of
from flashtalk.weights import load_networks

SIZE = (TINY.geometry.width_px, TINY.geometry.height_px)


@pytest.fixture(scope="module")
def model() -> PortraitAutoencoder:
    return load_networks(ASSETS / TINY.weights, TINY).autoencoder


@pytest.fixture(scope="module")
def person() -> Image.Image:
    return Image.open(ASSETS / "portraits" / "mei.jpg").convert("RGB").resize(SIZE)


@pytest.fixture(scope="module")
def marks(model: PortraitAutoencoder, person: Image.Image) -> dict[str, tuple[float, float]]:
    """Where the landmarks of the person are, in pixels."""
    with torch.inference_mode():
        points = model.reader(to_tensor(person)).points[0]
    return {
        name: tuple(((point + 1) / 2 * SIZE[0]).tolist())
        for name, point in zip(LANDMARKS, points, strict=True)
    }


@torch.inference_mode()
def prepared(model: PortraitAutoencoder, picture: Image.Image) -> Guidance:
    return model.begin(to_tensor(picture))[1]


@torch.inference_mode()
def drawn(
    model: PortraitAutoencoder, known: Guidance, lip_gap: float = 0.0, lids: float = 1.0
) -> torch.Tensor:
    """One frame [1, 3, H, W] with lips further apart and lids nearer to each other."""
    points = known.points.clone()
    points[:, [LANDMARKS.index(f"{lip}_lower_lip") for lip in ("inner", "outer")], 1] += lip_gap
    for side in ("left", "right"):
        upper, lower = (LANDMARKS.index(f"{side}_eye_{edge}") for edge in ("upper", "lower"))
        points[:, upper] = points[:, lower].lerp(points[:, upper], lids)
    code = paint(points, points.new_zeros(1, 2), known.code.shape[-2:])
    return model.decoder(code, known).clamp(-1.0, 1.0)


def around_mouth(frame: torch.Tensor, known: Guidance) -> torch.Tensor:
    x, y = ((known.points[0, LANDMARKS.index("inner_lower_lip")] + 1) / 2 * SIZE[0]).int().tolist()
    return frame[..., y - 16 : y + 24, x - 24 : x + 24]


@pytest.mark.parametrize("gain", [0.1, 0.3])
def test_teeth_are_no_lighter_than_the_lightest_skin_of_a_dark_face(model, person, gain) -> None:
    dark = person.point(lambda value: round(gain * value))
    known = prepared(model, dark)
    assert known.confidence[0, 0] == 1.0
    skin = luma_of((known.portrait + 1) / 2)[0, 0][face_masks(known.points, known.portrait)[0][0]]
    lightest = skin.quantile(LIGHTEST_SKIN)
    mouth = luma_of((around_mouth(drawn(model, known, lip_gap=0.1), known) + 1) / 2)
    assert mouth.max() <= lightest + 0.02
    unbounded = replace(known, tone=torch.ones(1, 5))
    glowing = luma_of((around_mouth(drawn(model, unbounded, lip_gap=0.1), known) + 1) / 2)
    assert glowing.max() > lightest + 0.05, "without the bound they would glow"


def test_a_mouth_in_a_gray_picture_is_gray(model, person) -> None:
    known = prepared(model, ImageOps.grayscale(person).convert("RGB"))
    frame = drawn(model, known, lip_gap=0.1)
    mouth = around_mouth(frame, known)
    assert (mouth.amax(dim=1) - mouth.amin(dim=1)).max() < 0.02


def test_a_hand_before_the_mouth_stays_whole(model, person, marks) -> None:
    hand = person.copy()
    draw = ImageDraw.Draw(hand)
    (left, top), (right, _) = marks["right_mouth_corner"], marks["left_mouth_corner"]
    _, low = marks["chin"]
    top -= 18
    height = (low - top) / 4
    for finger in range(4):
        box = (left - 24, top + finger * height, right + 24, top + (finger + 1) * height)
        draw.rounded_rectangle(box, radius=5, fill=(196, 140, 116), outline=(120, 70, 55), width=2)
    known = prepared(model, hand)
    assert known.confidence[0].tolist() == [0.0, 1.0]
    talking = replace(known, confidence=torch.ones(1, 2))
    held, talked = (
        (
            around_mouth(drawn(model, each, lip_gap=0.12), each)
            - around_mouth(drawn(model, each), each)
        ).abs()
        for each in (known, talking)
    )
    assert held.mean() < 0.2 * talked.mean()


def test_dark_glasses_stay_whole_in_a_blink(model, person, marks) -> None:
    glasses = person.copy()
    draw = ImageDraw.Draw(glasses)
    for side in ("left", "right"):
        (outer, y), (inner, _) = marks[f"{side}_eye_outer"], marks[f"{side}_eye_inner"]
        middle = (outer + inner) / 2
        box = (middle - 24, y - 15, middle + 24, y + 18)
        draw.rounded_rectangle(box, radius=8, fill=(12, 12, 16))
    known = prepared(model, glasses)
    assert known.confidence[0, 1] == 0.0
    opened, shut = (drawn(model, known, lids=lids) for lids in (1.0, 0.0))
    y = round(marks["left_eye_outer"][1])
    assert ((opened - shut)[..., y - 18 : y + 20, :].abs() * 127.5).mean() < 0.5


def test_a_shouting_mouth_begins_shut_and_opens_no_wider_than_it_is_asked(person, marks) -> None:
    # What is drawn here is no mouth to the face mesh, which knows photographs.
    own = replace(TINY, autoencoder=replace(TINY.autoencoder, landmarks="own"))
    model = load_networks(ASSETS / TINY.weights, own).autoencoder
    shouting = person.copy()
    draw = ImageDraw.Draw(shouting)
    x, y = marks["inner_lower_lip"]
    draw.ellipse((x - 19, y - 6, x + 19, y + 34), fill=(150, 70, 70))
    draw.ellipse((x - 16, y - 3, x + 16, y + 31), fill=(45, 15, 18))
    draw.rectangle((x - 11, y - 2, x + 11, y + 4), fill=(240, 238, 230))
    draw.ellipse((x - 10, y + 18, x + 10, y + 31), fill=(160, 70, 80))
    known = prepared(model, shouting)
    frame = around_mouth(drawn(model, known), known)
    light = luma_of((frame + 1) / 2)
    teeth, dark = (light > 0.85).float().mean(), (light < 0.2).float().mean()
    before = luma_of((around_mouth(to_tensor(shouting), known) + 1) / 2)
    assert dark < 0.1 * (before < 0.2).float().mean()
    assert teeth < 0.3 * (before > 0.85).float().mean()


def test_ordinary_portraits_are_left_as_they_are(model) -> None:
    for path in sorted((ASSETS / "portraits").glob("*.jpg")):
        portrait = to_tensor(Image.open(path).convert("RGB").resize(SIZE))
        with torch.inference_mode():
            assert model.begin(portrait)[0] is portrait
            confidence = feature_confidence(portrait, model.reader(portrait))
        assert confidence.tolist() == [[1.0, 1.0]], path.name


def test_shut_eyes_of_a_photograph_have_dark_lashes(model) -> None:
    picture = Image.open(ASSETS / "photographs" / "claire.jpg").convert("RGB").resize(SIZE)
    known = prepared(model, picture)
    shut, bare = (
        luma_of((drawn(model, each, lids=0.0) + 1) / 2)[0, 0]
        for each in (known, replace(known, lashes=None))
    )
    for side in ("left", "right"):
        x, y = known.points[0, LANDMARKS.index(f"{side}_eye_lower")]
        column, row = (round(float((each + 1) / 2 * SIZE[0])) for each in (x, y))
        lid = (slice(row - 3, row + 4), slice(column - 2, column + 3))
        assert shut[lid].amin() < bare[lid].amin() - 0.05, "the lid ends in a line of lashes"
    opened = drawn(model, known) - drawn(model, replace(known, lashes=None))
    assert not opened.any(), "open eyes have their own"
