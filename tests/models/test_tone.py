"""Paint is as light and as colorful as the face around it."""

import pytest
import torch
from faces import face

from flashtalk.models.tiny.tone import face_masks, face_tone, limit_tone, luma_of, no_limit

SIDE = 64
WHITE = (1.0, 1.0, 1.0)


Color = tuple[float, float, float]


def portrait(skin: Color, eyes: float, white: Color = WHITE) -> torch.Tensor:
    """A plain face [1, 3, 64, 64] with skin of a color, values in 0..1, on white.

    Its eyes are as light as ``eyes``, of the color ``white``.
    """
    picture = torch.ones(1, 3, SIDE, SIDE)
    skin_mask, *eye_masks = face_masks(face(), picture)
    picture = torch.where(skin_mask[:, None], torch.tensor(skin)[None, :, None, None], picture)
    for mask in eye_masks:
        color = eyes * torch.tensor(white)[None, :, None, None]
        picture = torch.where(mask[:, None], color, picture)
    return picture * 2 - 1


def bounds(lightest: float, share: float, light: Color = WHITE) -> torch.Tensor:
    """A tone [1, 5]."""
    return torch.tensor([[lightest, share, *light]])


def test_a_face_is_as_light_as_its_skin_or_the_whites_of_its_eyes() -> None:
    light, *_ = face_tone(portrait((0.8, 0.6, 0.5), eyes=0.5), face())[0]
    assert light.item() == pytest.approx(0.299 * 0.8 + 0.587 * 0.6 + 0.114 * 0.5, abs=1e-3)
    light, *_ = face_tone(portrait((0.3, 0.2, 0.15), eyes=0.7), face())[0]
    assert light.item() == pytest.approx(0.7, abs=1e-3)
    light, *_ = face_tone(portrait((0.08, 0.06, 0.05), eyes=0.05), face())[0]
    assert light.item() < 0.09, "a white wall behind a dark face is no skin"


def test_a_gray_face_has_no_color_and_one_in_color_all_of_it() -> None:
    assert face_tone(portrait((0.5, 0.5, 0.5), eyes=0.5), face())[0, 1] == 0.0
    assert face_tone(portrait((0.5, 0.4, 0.35), eyes=0.5), face())[0, 1] == 1.0


def test_paint_is_no_lighter_than_the_face_and_keeps_its_hue() -> None:
    teeth = torch.tensor([0.9, 0.8, 0.7]).view(1, 3, 1, 1).expand(1, 3, 4, 4) * 2 - 1
    bounded = (limit_tone(teeth, bounds(0.2, 1.0)) + 1) / 2
    assert torch.allclose(luma_of(bounded), torch.tensor(0.2), atol=1e-5)
    assert (bounded[0, 0] / bounded[0, 2]).mean().item() == pytest.approx(9 / 7, rel=1e-4)


def test_paint_in_a_gray_face_is_gray_and_as_light_as_it_was() -> None:
    color = torch.rand(2, 3, 4, 4) * 2 - 1
    bounded = limit_tone(color, bounds(1.0, 0.0).expand(2, -1))
    assert (bounded.amax(dim=1) - bounded.amin(dim=1)).max() < 1e-5
    assert torch.allclose(luma_of(bounded), luma_of(color), atol=1e-5)


def test_paint_that_is_dark_enough_stays_to_the_byte() -> None:
    color = torch.rand(2, 3, 4, 4) * 0.5 - 1
    assert torch.equal(limit_tone(color, bounds(0.5, 1.0).expand(2, -1)), color)
    bright = color + 1.5
    assert torch.equal(limit_tone(bright, no_limit(bright)), bright)


def test_the_whites_of_eyes_tell_the_color_of_the_light() -> None:
    warm = (1.1, 1.0, 0.9)
    light = face_tone(portrait((0.7, 0.5, 0.35), 0.6, warm), face())[0, 2:]
    luma = 0.299 * 1.1 + 0.587 + 0.114 * 0.9
    assert torch.allclose(light, torch.tensor(warm) / luma, atol=1e-4)
    light = face_tone(portrait((0.7, 0.5, 0.35), 0.6), face())[0, 2:]
    assert torch.allclose(light, torch.ones(3), atol=1e-4)


@pytest.mark.parametrize("iris", [(1.0, 0.5, 0.1), (0.2, 0.8, 1.0)])
def test_an_iris_does_not_color_teeth_beyond_half_of_the_skin(iris: Color) -> None:
    skin = torch.tensor([0.7, 0.5, 0.35])
    half = (skin / luma_of(skin[None, :, None, None]).item() - 1.0) / 2
    light = face_tone(portrait((0.7, 0.5, 0.35), 0.6, iris), face())[0, 2:]
    assert ((light - 1.0) * half.sign() >= -1e-5).all(), "no light of the other color"
    assert ((light - 1.0).abs() <= half.abs() + 1e-5).all()


def test_the_light_colors_teeth_and_leaves_lips_and_the_dark() -> None:
    teeth, lips, dark = (0.5, 0.5, 0.52), (0.6, 0.3, 0.3), (0.05, 0.02, 0.02)
    color = torch.tensor([teeth, lips, dark]).T[None, :, None] * 2 - 1
    shown = (limit_tone(color, bounds(1.0, 1.0, (1.15, 0.95, 0.85))) + 1) / 2
    red, green, blue = shown[0, :, 0, 0].tolist()
    assert red > green > blue
    assert torch.allclose(shown[..., 1:], (color[..., 1:] + 1) / 2, atol=1e-6)


def test_a_face_outside_of_its_picture_has_a_tone() -> None:
    assert face_tone(torch.zeros(1, 3, SIDE, SIDE), face() + 5.0).isfinite().all()
