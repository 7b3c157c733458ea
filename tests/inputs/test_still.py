"""The whole picture: its own aspect, even sides, and a square around whoever speaks."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_heads import draw_head, drawn
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.config import FOURTEEN_B, TINY
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.cutting import cut
from flashtalk.inputs.faces import find_faces
from flashtalk.inputs.portrait import SMALL_FACE, WITHOUT_FACE, portrait_for
from flashtalk.inputs.still import FILLING, STEP_PX, Still


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((1_920, 1_080), (1_280, 720)),
        ((1_080, 1_920), (720, 1_280)),
        ((2_001, 1_501), (1_280, 960)),
        ((901, 700), (900, 700)),
    ],
)
def test_the_video_has_the_aspect_of_the_picture(
    size: tuple[int, int], shown: tuple[int, int]
) -> None:
    width, height = size
    picture = drawn(width, height, 0.4 * width, 0.45 * height, 0.3 * height).image
    portrait = portrait_for(picture, TINY, framing="picture")
    assert portrait.image.size == shown and portrait.notices == ()
    assert portrait.tensor.shape == (1, 3, 256, 256)
    square = portrait.square
    assert square is not None and square.width_px == square.height_px
    assert square.width_px % STEP_PX == 0
    assert portrait.large is not None
    assert portrait.large.shape == (1, 3, square.height_px, square.width_px)


def test_a_picture_that_is_small_enough_keeps_its_pixels() -> None:
    picture = drawn(900, 700, 300, 300, 260).image
    portrait = portrait_for(picture, TINY, framing="picture")
    assert (np.asarray(portrait.image) == np.asarray(picture)).all()
    square = portrait.square
    assert square is not None and portrait.large is not None
    pixels = ((portrait.large[0].permute(1, 2, 0) + 1) * 127.5).round().numpy().astype(np.uint8)
    inner = np.asarray(picture)[square.top_px : square.bottom_px, square.left_px : square.right_px]
    assert (pixels == inner).all()


def test_a_face_that_fills_the_picture_makes_it_smaller() -> None:
    portrait = portrait_for(drawn(1_600, 1_600, 800, 650, 1_100).image, TINY, framing="picture")
    most_px = TINY.whole_px[1]
    assert max(portrait.image.size) <= most_px
    assert portrait.still is not None and portrait.still.place == FILLING


@pytest.mark.parametrize("share", [0.12, 0.2, 0.5])
def test_the_square_is_around_the_face(share: float) -> None:
    head = share * 700 * 1.32
    portrait = portrait_for(drawn(1_200, 700, 800, 320, head).image, TINY, framing="picture")
    square = portrait.square
    assert square is not None
    assert square.left_px + square.width_px / 2 == pytest.approx(800, abs=0.09 * square.width_px)
    assert (320 - square.top_px) / square.height_px == pytest.approx(0.41, abs=0.09)
    small = any(notice.startswith(SMALL_FACE.split("{")[0]) for notice in portrait.notices)
    assert small == (square.width_px < 128)


def test_of_several_the_chosen_one_speaks() -> None:
    picture = drawn(1_200, 700, 300, 320, 250).image
    draw_head(picture, 850, 320, 220)
    squares = []
    for face in (None, 1, 2):
        portrait = portrait_for(picture, TINY, framing="picture", face=face)
        assert portrait.square is not None and portrait.finding is not None
        assert portrait.finding.crop.width == portrait.finding.crop.height == 1.0
        squares.append(portrait.square)
    assert squares[0] == squares[1]
    assert squares[1].right_px < squares[2].left_px + squares[2].width_px // 2


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_picture_that_lies_on_its_side_is_turned_as_a_whole(quarters: int) -> None:
    upright = drawn(1_000, 600, 600, 260, 300).image
    lying = upright.rotate(90 * quarters, expand=True)
    portrait = portrait_for(lying, TINY, framing="picture")
    assert portrait.image.size == (1_000, 600)
    assert (np.asarray(portrait.image) == np.asarray(upright)).all()
    assert any("turned upright" in notice for notice in portrait.notices)
    (face,) = find_faces(np.asarray(portrait.image))
    assert face.center_x_px == pytest.approx(600, abs=20)


@pytest.mark.parametrize("degrees", [-50, 40])
def test_a_tilted_face_stays_tilted_and_the_networks_see_it_upright(degrees: int) -> None:
    ada = Image.open(ASSETS / "portraits" / "ada.jpg").convert("RGB").resize((300, 300))
    scene = Image.new("RGB", (900, 600), (120, 130, 140))
    scene.paste(
        ada.rotate(degrees, Image.Resampling.BICUBIC, True, fillcolor=(120, 130, 140)), (300, 80)
    )
    portrait = portrait_for(scene, TINY, framing="picture")
    assert (np.asarray(portrait.image) == np.asarray(scene)).all() and portrait.notices == ()
    assert portrait.tilt_deg == pytest.approx(-degrees, abs=8)
    assert portrait.framed is not None and portrait.square is not None
    (seen,) = find_faces(np.asarray(portrait.framed))
    usual = portrait_for(scene, TINY).framed
    assert usual is not None
    (expected,) = find_faces(np.asarray(usual))
    assert abs(seen.roll_deg) < 12
    assert seen.overlap(expected) > 0.75, "as a head-and-shoulders framing has it"
    assert portrait.still is not None and portrait.still.place.pinned == (True,) * 4


def test_without_a_face_the_middle_speaks() -> None:
    noise = np.random.default_rng(1).integers(100, 140, (300, 500, 3), dtype=np.uint8)
    portrait = portrait_for(noise, TINY, framing="picture", without_face=True)
    assert portrait.notices == (WITHOUT_FACE,) and portrait.image.size == (500, 300)
    square = portrait.square
    assert square is not None and abs(square.left_px + square.width_px // 2 - 250) <= 1


def test_a_framing_that_is_not_there_is_refused() -> None:
    picture = drawn(600, 600, 300, 250, 300).image
    with pytest.raises(FlashTalkError, match="flashtalk-14b has no framing but its own"):
        portrait_for(picture, FOURTEEN_B, framing="picture")
    with pytest.raises(FlashTalkError, match="Framing is 'face' or 'picture', got 'body'"):
        portrait_for(picture, TINY, framing="body")  # type: ignore[arg-type]


# --- putting back ---------------------------------------------------------------------------------
def test_what_moves_is_put_back_and_all_else_stays() -> None:
    picture = drawn(220, 300, 110, 60, 150).image
    portrait = portrait_for(picture, TINY, framing="picture")
    still = portrait.still
    assert still is not None and portrait.square is not None
    square = portrait.square
    assert square.top_px < 0 or square.left_px < 0, "this one reaches beyond the picture"
    side = square.width_px
    own = np.asarray(cut(portrait.image, square, (side, side)))[still.place.shown(side, side)]
    assert any(still.place.beyond) and own.shape[0] < side, "what lies beyond is not made"
    assert (still.around(own[None])[0] == still.pixels).all(), "continued edges are left out"
    changed = still.around(255 - np.stack([own, own]))
    away = (changed != still.pixels).any(axis=(0, 3))
    rows, columns = np.nonzero(away)
    assert rows.max() < square.bottom_px and columns.max() < square.right_px
    assert changed.shape == (2, *still.pixels.shape)


def test_a_square_is_pinned_where_the_picture_goes_on() -> None:
    portrait = portrait_for(drawn(700, 400, 200, 170, 270).image, TINY, framing="picture")
    still = portrait.still
    assert still is not None
    square = still.square
    inside = (square.left_px > 0, square.top_px > 0, square.right_px < 700, square.bottom_px < 400)
    assert still.place.pinned == inside and still.place.pinned[2]
    assert Still(still.pixels[:, :100], square).place.pinned[2] is False
