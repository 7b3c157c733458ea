"""Framing: the head ends up where the model expects it, whatever the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import Drawn, draw_head, drawn
from PIL import Image

from flashtalk.config import FOURTEEN_B, TINY
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.faces import Face, find_faces
from flashtalk.inputs.framing import EYES_IN_FACE, Crop, Framing, cover, frame_face
from flashtalk.inputs.portrait import NO_FACE, cut, load_portrait, portrait_for


def landed(drawing: Drawn, size: int = 256) -> tuple[float, float, float]:
    """Where the detector sees the head in the finished portrait: center, top and side, 0..1."""
    portrait = load_portrait(drawing.image, TINY.geometry)
    (face,) = find_faces(np.asarray(portrait.image))
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


def test_without_a_face_the_middle_and_a_notice() -> None:
    noise = np.random.default_rng(1).integers(100, 140, (200, 400, 3), dtype=np.uint8)
    portrait = load_portrait(noise, TINY.geometry)
    assert len(portrait.notices) == 1 and "No face" in portrait.notices[0]
    middle = Image.fromarray(noise[:, 100:300]).resize((256, 256), Image.LANCZOS)
    assert (np.asarray(portrait.image) == np.asarray(middle)).all()


def test_of_several_faces_the_largest_with_a_notice() -> None:
    drawing = drawn(1200, 600, 300, 280, 160)
    draw_head(drawing.image, 850, 280, 240)
    portrait = load_portrait(drawing.image, TINY.geometry)
    assert "2 faces" in portrait.notices[0] and "largest" in portrait.notices[0]
    alone = load_portrait(drawing.image.crop((500, 0, 1200, 600)), TINY.geometry)
    difference = np.asarray(alone.image).astype(int) - np.asarray(portrait.image)
    assert np.abs(difference).mean() < 12


def test_a_tight_picture_is_continued_at_its_edge() -> None:
    tight = drawn(220, 220, 110, 100, 200)
    portrait = load_portrait(tight.image, TINY.geometry)
    assert any("continued" in notice for notice in portrait.notices)
    assert torch.isfinite(portrait.tensor).all()
    corner = np.asarray(portrait.image)[:8, :8].astype(int)
    assert np.abs(corner - np.asarray(tight.image)[:8, :8].mean((0, 1))).max() < 40


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
    assert (
        NO_FACE
        in load_portrait(Image.new("RGB", (300, 300), "gray"), TINY.geometry, crop="whole").notices
    )


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
    framing, rng = Framing(), np.random.default_rng(7)
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
        assert abs(eyes - framing.eyes) <= framing.shift + 0.03


def test_a_crop_moves_and_shrinks_before_it_leaves_the_picture() -> None:
    inside = frame_face(1000, 1000, Face(400, 300, 120), 1.0)
    assert inside.missing_px(1000, 1000) == (0, 0, 0, 0)
    near_the_top = frame_face(1000, 1000, Face(400, 40, 120), 1.0)
    assert near_the_top.top_px == 0 and near_the_top.height_px == inside.height_px
    in_a_narrow_picture = frame_face(230, 1000, Face(55, 300, 120), 1.0)
    assert in_a_narrow_picture.width_px == 230
    assert in_a_narrow_picture.missing_px(230, 1000) == (0, 0, 0, 0)


@pytest.mark.parametrize("degrees", [-25, 25])
def test_a_tilted_head_is_found(degrees: int) -> None:
    drawing = drawn(700, 700, 350, 350, 250)
    turned = drawing.image.rotate(degrees, Image.BILINEAR)
    (face,) = find_faces(np.asarray(turned))
    assert face.center_x_px == pytest.approx(350, abs=50)
    assert face.side_px == pytest.approx(215, abs=45)
