"""Framing: the head ends up where the model expects it, whatever the picture."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
import torch
from drawn_heads import Drawn, draw_head, drawn
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.config import FOURTEEN_B, TINY, Preset
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.cutting import cut
from flashtalk.inputs.faces import EYES_IN_FACE, Face, find_faces
from flashtalk.inputs.framing import FRAMING, Crop, cover, frame_face
from flashtalk.inputs.portrait import (
    CUT_FACE,
    DARK_FACE,
    PROFILE_FACE,
    WITHOUT_FACE,
    NoFaceError,
    _face_notices,
    load_portrait,
    portrait_for,
)


def ada() -> Image.Image:
    """A rendered face with skin, hair and light, 512 pixels wide."""
    return Image.open(ASSETS / "portraits" / "ada.jpg").convert("RGB")


def landed(drawing: Drawn, size: int = 256) -> tuple[float, float, float]:
    """Where the detector sees the head that networks see: center, top and side, 0..1."""
    portrait = load_portrait(drawing.image, TINY.geometry)
    (face,) = find_faces(np.asarray(portrait.framed or portrait.image))
    return face.center_x_px / size, face.top_px / size, face.side_px / size


# --- pixels ---------------------------------------------------------------------------------------
def test_the_portrait_has_the_size_and_range_of_the_geometry(head_and_room: Drawn) -> None:
    for preset in (TINY, FOURTEEN_B):
        geometry = preset.geometry
        portrait = load_portrait(head_and_room.image, geometry)
        assert portrait.image.size == (geometry.width_px, geometry.height_px)
        assert portrait.tensor.shape == (1, 3, geometry.height_px, geometry.width_px)
        assert portrait.tensor.dtype == torch.float32
        assert -1 <= portrait.tensor.min() < portrait.tensor.max() <= 1
        again = ((portrait.tensor[0].permute(1, 2, 0) + 1) * 127.5).round().numpy()
        assert (again == np.asarray(portrait.image)).all()


@pytest.mark.parametrize("center_x", [150, 300, 620])
@pytest.mark.parametrize("head", [120, 200, 260])
def test_every_head_lands_in_the_same_place(center_x: int, head: int) -> None:
    center, top, side = landed(drawn(900, 700, center_x, 300, head))
    assert center == pytest.approx(0.5, abs=0.04 + (0.08 if center_x == 150 else 0))
    assert top + 0.42 * side == pytest.approx(0.41, abs=0.04)  # eyes
    assert 0.44 < side < 0.56


def test_a_picture_that_is_framed_already_is_left_alone() -> None:
    picture = drawn(512, 512, 256, 0.40 * 512, 0.62 * 512).image
    portrait = load_portrait(picture, TINY.geometry)
    assert portrait.notices == ()
    assert (np.asarray(portrait.image) == np.asarray(picture.resize((256, 256), 1))).all()


def test_without_a_face_a_refusal_unless_asked_to_go_on() -> None:
    noise = np.random.default_rng(1).integers(100, 140, (200, 400, 3), dtype=np.uint8)
    for crop in ("face", "whole"):
        with pytest.raises(NoFaceError, match=r"No face was found .* pass without_face=True"):
            load_portrait(noise, TINY.geometry, crop=crop)
    portrait = load_portrait(noise, TINY.geometry, without_face=True)
    assert portrait.notices == (WITHOUT_FACE,)
    middle = Image.fromarray(noise[:, 100:300]).resize((256, 256), Image.LANCZOS)
    assert (np.asarray(portrait.image) == np.asarray(middle)).all()


def test_a_part_without_any_detail_is_refused_in_any_case() -> None:
    plain = np.full((300, 900, 3), (230, 120, 20), np.uint8)
    plain[:, :200] = np.random.default_rng(1).integers(0, 255, (300, 200, 3), dtype=np.uint8)
    with pytest.raises(FlashTalkError, match="one even color"):
        load_portrait(plain, TINY.geometry, without_face=True)


def test_of_several_faces_the_largest_with_a_notice() -> None:
    drawing = drawn(1200, 600, 300, 280, 160)
    draw_head(drawing.image, 850, 280, 240)
    portrait = load_portrait(drawing.image, TINY.geometry)
    assert (
        "2 faces" in portrait.notices[0] and "largest one speaks, number 2" in portrait.notices[0]
    )
    alone = load_portrait(drawing.image.crop((500, 0, 1200, 600)), TINY.geometry)
    difference = np.asarray(alone.image).astype(int) - np.asarray(portrait.image)
    assert np.abs(difference).mean() < 12


def test_another_face_by_its_number_from_the_left() -> None:
    drawing = drawn(1200, 600, 300, 280, 160)
    draw_head(drawing.image, 850, 280, 240)
    left = load_portrait(drawing.image, TINY.geometry, face=1)
    assert "2 faces" in left.notices[0] and "number 1 from the left speaks" in left.notices[0]
    alone = load_portrait(drawing.image.crop((0, 0, 650, 600)), TINY.geometry)
    difference = np.asarray(alone.image).astype(int) - np.asarray(left.image)
    assert np.abs(difference).mean() < 12
    right = load_portrait(drawing.image, TINY.geometry, face=2)
    largest = load_portrait(drawing.image, TINY.geometry)
    assert (np.asarray(right.image) == np.asarray(largest.image)).all()
    for number in (0, 3, -1):
        with pytest.raises(FlashTalkError, match=f"no face number {number}. Faces found: 2"):
            load_portrait(drawing.image, TINY.geometry, face=number)


@pytest.mark.parametrize("kind", ["overshoot", "12 bits", "12 bits, color"])
def test_a_deep_picture_gives_the_portrait_of_the_same_in_eight_bits(kind: str) -> None:
    """White is 1.0 in floats that reach just above it, and 4095 in twelve bits."""
    color = np.asarray(ada())
    if kind == "overshoot":  # more contrast than there is room for, clipped just above white
        gray = np.asarray(ada().convert("L")) / 255.0 * 1.25
        deep, same = np.minimum(gray, 1.003).astype(np.float32), np.minimum(gray, 1.0)
    else:
        same = color / 255.0 if "color" in kind else color[..., 1] / 255.0
        deep = np.rint(same * 4_095).astype(np.uint16)
    content = cv2.imencode(".tiff", deep[..., ::-1] if deep.ndim == 3 else deep)[1].tobytes()
    portrait = load_portrait(content, TINY.geometry)
    expected = load_portrait(np.rint(same * 255).astype(np.uint8), TINY.geometry)
    means = [np.asarray(each.image).mean((0, 1)) for each in (portrait, expected)]
    assert np.abs(means[0] - means[1]).max() < 1
    assert portrait.notices == expected.notices == ()


# --- which way up ---------------------------------------------------------------------------------
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_picture_on_its_side_or_upside_down_gives_the_portrait_of_the_upright_one(
    degrees: int,
) -> None:
    upright = ada()
    portrait = load_portrait(upright.rotate(-degrees, expand=True), TINY.geometry)
    (notice,) = portrait.notices
    told = int(notice.split("turned by ")[1].split(" ")[0])
    assert told == pytest.approx(180 - abs(180 - degrees), abs=8) and "turned upright" in notice
    expected = load_portrait(upright, TINY.geometry)
    difference = np.asarray(portrait.image).astype(int) - np.asarray(expected.image)
    assert np.abs(difference).mean() < 1


@pytest.mark.parametrize("degrees", [-130, -60, -45, 45, 60, 150])
def test_a_face_at_any_angle_is_turned_upright(degrees: int) -> None:
    room = Image.new("RGB", (900, 900), (190, 180, 170))
    room.paste(ada(), (194, 194))
    portrait = load_portrait(room.rotate(-degrees, Image.BICUBIC), TINY.geometry)
    assert any("turned upright" in notice for notice in portrait.notices)
    (face,) = find_faces(np.asarray(portrait.image))
    assert abs(face.roll_deg) < 15
    assert face.center_x_px / 256 == pytest.approx(0.5, abs=0.08)
    assert (face.top_px + EYES_IN_FACE * face.side_px) / 256 == pytest.approx(0.41, abs=0.06)
    assert 0.4 < face.side_px / 256 < 0.6


@pytest.mark.parametrize("degrees", [-15, 15])
def test_a_head_held_to_one_side_stays_so(degrees: int) -> None:
    portrait = load_portrait(ada().rotate(degrees, Image.BICUBIC), TINY.geometry)
    assert not any("upright" in notice for notice in portrait.notices)


def test_the_orientation_of_a_telephone_is_no_turned_face() -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    ada().rotate(90, expand=True).save(file, "JPEG", exif=exif, quality=95)
    assert load_portrait(file.getvalue(), TINY.geometry).notices == ()


# --- what else is said ----------------------------------------------------------------------------
def test_a_profile_is_said_and_a_three_quarter_view_is_not() -> None:
    picture = ada().convert("RGB")
    whole = Crop(0, 0, *picture.size)
    said = {
        turn: _face_notices(picture, Face(150, 120, 200, turn=turn), whole, least_face=0.1)
        for turn in (0.0, 0.45, 0.7, 5.0)
    }
    assert said == {0.0: (), 0.45: (), 0.7: (PROFILE_FACE,), 5.0: (PROFILE_FACE,)}


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ((0, 0, 512, 266), True),
        ((0, 0, 512, 290), True),
        ((0, 0, 512, 370), False),
        ((0, 170, 512, 512), False),
        ((0, 0, 512, 512), False),
    ],
)
def test_a_mouth_that_is_not_in_the_picture_is_said(box: tuple[int, ...], cut: bool) -> None:
    portrait = load_portrait(ada().crop(box), TINY.geometry)
    assert (CUT_FACE in portrait.notices) is cut


def test_a_dark_face_is_found_and_said() -> None:
    dark = Image.fromarray((np.asarray(ada()) * 0.12).astype(np.uint8))
    portrait = load_portrait(dark, TINY.geometry)
    assert portrait.notices == (DARK_FACE,)
    for path in sorted((ASSETS / "portraits").iterdir()):
        assert load_portrait(path, TINY.geometry).notices == (), path.name


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_with_a_face(kind: str) -> None:
    empty = Image.new("RGB", (512, 512), (120, 130, 140))
    file = io.BytesIO()
    empty.save(file, kind, save_all=True, append_images=[ada(), empty], duration=100)
    portrait = load_portrait(file.getvalue(), TINY.geometry)
    assert len(portrait.notices) == 1 and "3 frames; number 2 is used" in portrait.notices[0]
    expected = load_portrait(ada(), TINY.geometry)
    difference = np.asarray(portrait.image).astype(int) - np.asarray(expected.image)
    assert np.abs(difference).mean() < 12


@pytest.mark.parametrize("preset", [TINY, TINY.with_size((256, 256))])
def test_a_tight_picture_is_continued_for_the_networks_alone(preset: Preset) -> None:
    """The networks see room around the head; visitors see their picture, and nothing beyond it."""
    tight = drawn(220, 220, 110, 100, 200).image
    portrait = portrait_for(tight, preset)
    assert portrait.notices == () and portrait.framing == "face"
    expected = tight.resize(portrait.image.size, Image.Resampling.LANCZOS)
    assert portrait.image.size == (preset.picture_size or (256, 256))[::-1]
    away = np.abs(np.asarray(portrait.image).astype(int) - np.asarray(expected))
    assert away.mean() < 2, "whole pixels of what is enlarged are cut"
    assert portrait.framed is not None and portrait.square is not None
    (face,) = find_faces(np.asarray(portrait.framed))
    assert 0.4 < face.side_px / portrait.framed.width < 0.6, "as in every other picture"


def test_a_tight_picture_that_is_wide_is_shown_as_far_as_its_height_goes() -> None:
    wide = drawn(900, 260, 820, 120, 230).image
    portrait = portrait_for(wide, TINY)
    finding = portrait.finding
    assert finding is not None and portrait.image.size == (512, 512)
    crop = finding.crop
    assert crop.height == pytest.approx(1.0) and crop.top == pytest.approx(0.0)
    assert crop.width * 900 == pytest.approx(260, abs=1) and crop.left + crop.width <= 1.0
    assert crop.left * 900 < 820 < (crop.left + crop.width) * 900, "the head is in it"


@pytest.mark.parametrize("side", [900, 3_000])
def test_a_large_picture_gives_the_portrait_of_a_small_one(side: int) -> None:
    """The continued edge, too, is computed at the portrait's size."""
    tight = drawn(220, 220, 110, 100, 200).image
    area = Crop(-33, -22, 265, 265)
    expected = np.asarray(cut(tight, area, (256, 256))).astype(int)
    scale = side / 220
    grown = Crop(*(round(scale * length) for length in (-33, -22, 265, 265)))
    found = cut(tight.resize((side, side), Image.BICUBIC), grown, (256, 256))
    assert found.size == (256, 256)
    assert np.abs(np.asarray(found) - expected).mean() < 2


@pytest.mark.parametrize("area", [Crop(-400, -10, 500, 500), Crop(199, 199, 40, 40)])
def test_a_crop_that_hardly_meets_the_picture_is_filled(area: Crop) -> None:
    picture = Image.new("RGB", (200, 200), (90, 120, 30))
    found = np.asarray(cut(picture, area, (64, 64)))
    assert (found == (90, 120, 30)).all()


def test_a_small_face_gets_a_notice() -> None:
    portrait = load_portrait(drawn(300, 300, 150, 120, 45).image, TINY.geometry)
    assert any("small" in notice for notice in portrait.notices)


def test_cover_does_not_look_for_faces(head_and_room: Drawn) -> None:
    portrait = load_portrait(head_and_room.image, TINY.geometry, crop="cover")
    middle = head_and_room.image.crop((150, 0, 750, 600)).resize((256, 256), Image.LANCZOS)
    assert portrait.notices == ()
    assert (np.asarray(portrait.image) == np.asarray(middle)).all()
    with pytest.raises(FlashTalkError, match="'face', 'whole' or 'cover'"):
        load_portrait(head_and_room.image, TINY.geometry, crop="none")


def test_whole_keeps_the_picture_but_looks_for_a_face(head_and_room: Drawn) -> None:
    whole = load_portrait(head_and_room.image, TINY.geometry, crop="whole")
    cover = load_portrait(head_and_room.image, TINY.geometry, crop="cover")
    assert (np.asarray(whole.image) == np.asarray(cover.image)).all()


def test_a_far_face_that_is_not_framed_gets_a_notice() -> None:
    far = drawn(600, 600, 300, 250, 150).image
    (notice,) = portrait_for(far, TINY, crop="whole").notices
    told = int(notice.split("takes up ")[1].split(" %")[0])
    assert told < 35 and "35 %" in notice and "framed" in notice
    assert portrait_for(far, TINY).notices == ()
    near = drawn(600, 600, 300, 250, 330).image
    assert portrait_for(near, TINY, crop="whole").notices == ()


# --- arithmetic -----------------------------------------------------------------------------------
def test_cover_is_the_largest_rectangle_of_the_aspect() -> None:
    assert cover(900, 600, 1.0) == Crop(150, 0, 600, 600)
    assert cover(600, 900, 1.0) == Crop(0, 100, 600, 600)
    assert cover(700, 700, 448 / 768) == Crop(146, 0, 408, 700)
    assert cover(64, 64, 448 / 768).height_px == 64


@pytest.mark.parametrize("aspect", [1.0, 448 / 768, 16 / 9])
def test_crops_keep_the_aspect_and_the_limits(aspect: float) -> None:
    rng = np.random.default_rng(7)
    for _ in range(300):
        width, height = rng.integers(64, 2000, 2)
        side = rng.uniform(0.08, 1.0) * min(width, height)
        face = Face(rng.uniform(0, width - side), rng.uniform(0, height - side), side)
        crop = frame_face(int(width), int(height), face, aspect)
        assert crop.width_px / crop.height_px == pytest.approx(aspect, rel=0.05)
        # The face itself is never lost from the crop.
        assert crop.left_px <= face.left_px + 1 and face.left_px + side <= crop.right_px + 1
        assert crop.top_px <= face.top_px + 1 and face.top_px + side <= crop.bottom_px + 1
        if crop == cover(int(width), int(height), aspect):
            continue
        eyes = (face.top_px + EYES_IN_FACE * side - crop.top_px) / crop.height_px
        assert abs(eyes - FRAMING.eyes) <= FRAMING.shift + 0.03


def test_a_crop_moves_and_shrinks_before_it_leaves_the_picture() -> None:
    inside = frame_face(1000, 1000, Face(400, 300, 120), 1.0)
    assert inside.missing_px(1000, 1000) == (0, 0, 0, 0)
    near_the_top = frame_face(1000, 1000, Face(400, 40, 120), 1.0)
    assert near_the_top.top_px == 0 and near_the_top.height_px == inside.height_px
    in_a_narrow_picture = frame_face(230, 1000, Face(55, 300, 120), 1.0)
    assert in_a_narrow_picture.width_px == 230
    assert in_a_narrow_picture.missing_px(230, 1000) == (0, 0, 0, 0)
