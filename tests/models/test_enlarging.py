"""Pictures larger than the networks' frames: the portrait's own detail, and none under paint."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scenes import scene_of

from flashtalk.conditions import Conditions, gather_conditions
from flashtalk.inputs.framing import Crop
from flashtalk.inputs.portrait import to_tensor
from flashtalk.inputs.still import Place, cut_turned
from flashtalk.models.networks import Networks
from flashtalk.models.pixels import to_pixels
from flashtalk.models.tiny.enlarging import enlarge, painted_box
from flashtalk.models.tiny.large_portrait import LargePortrait, placed
from flashtalk.models.tiny.maps import flow_to_grid, warp
from flashtalk.models.tiny.origin import SHARE, origin_of
from flashtalk.models.tiny.warpable import warpable, warpable_pixels
from flashtalk.stream.chunk import advance, carry, fragment_bounds, sample, show
from flashtalk.stream.finisher import finish
from flashtalk.stream.state import opening_state

SIDE, LARGE = 64, 128
COVERED = (slice(20, 36), slice(24, 44))  # rows and columns of a frame
SHIFT_PX = 3.0  # of a frame


@pytest.fixture(scope="module")
def portrait() -> torch.Tensor:
    """Soft colors with stripes of one pixel, [1, 3, 128, 128]: a frame of 64 cannot show them."""
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(3)) - 0.5
    soft = F.interpolate(coarse, (LARGE, LARGE), mode="bicubic")
    stripes = 0.3 * (torch.arange(LARGE) % 2 * 2.0 - 1.0)
    return (soft + stripes).clamp(-1.0, 1.0)


def moved(portrait: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A frame of ``portrait`` moved to the left [1, 3, 1, 64, 64], and its origins."""
    small = F.avg_pool2d(portrait, 2)
    flow = torch.zeros(1, 2, SIDE, SIDE)
    flow[:, 0] = SHIFT_PX * 2 / SIDE
    places = flow_to_grid(flow)
    frame = warp(warpable(small), places)
    return frame[:, :, None], origin_of(frame, places, torch.ones(1, 1, SIDE, SIDE))


def stripes_of(picture: np.ndarray) -> float:
    """Mean difference of neighbors along rows."""
    return float(np.abs(np.diff(picture.astype(np.float32), axis=1)).mean())


def of_picture(box: tuple[slice, slice], margin_px: int = 4) -> tuple[slice, slice]:
    """The same place in a picture, less a rim."""
    rows, columns = (slice(2 * part.start + margin_px, 2 * part.stop - margin_px) for part in box)
    return rows, columns


def test_an_unpainted_picture_has_the_detail_of_the_portrait_where_it_has_moved(portrait) -> None:
    video, origins = moved(portrait)
    (picture,) = enlarge(video, origins, LargePortrait.of(portrait))
    expected = np.roll(to_pixels(portrait[0][:, None])[0], -round(2 * SHIFT_PX), axis=1)
    inner = (slice(8, -8), slice(16, -16))
    away = np.abs(picture[inner].astype(int) - expected[inner])
    assert away.mean() < 12.0, "stripes are 76 apart; a source of twice the size sharpens them"
    assert stripes_of(picture[inner]) > 0.8 * stripes_of(expected[inner])


def test_what_paint_covers_has_no_detail(portrait) -> None:
    video, origins = moved(portrait)
    video[..., COVERED[0], COVERED[1]] = 0.2
    origins[:, SHARE, COVERED[0], COVERED[1]] = 0.0
    (picture,) = enlarge(video, origins, LargePortrait.of(portrait))
    lid = picture[of_picture(COVERED)]
    assert stripes_of(lid) < 1.0 and abs(lid.mean() - 127.5 * 1.2) < 1.0
    assert stripes_of(picture[8:32, 16:-16]) > 30.0, "the rest keeps its own"


def test_paint_that_hides_by_color_alone_takes_the_detail_too(portrait) -> None:
    """A painter may leave the portrait a share, and paint its opposite over it."""
    video, origins = moved(portrait)
    video[..., COVERED[0], COVERED[1]] += 0.8
    origins[:, SHARE, COVERED[0], COVERED[1]] = 0.9
    (picture,) = enlarge(video, origins, LargePortrait.of(portrait))
    assert stripes_of(picture[of_picture(COVERED, 8)]) < 12.0


def test_pixels_to_be_warped_are_the_same_by_both_ways() -> None:
    picture = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    smooth = F.interpolate(picture, scale_factor=2.0, mode="bicubic").clamp(-1.0, 1.0)
    one, unsharpened = (
        to_pixels(each.transpose(0, 1))[0].astype(int) for each in (warpable(picture), smooth)
    )
    away = np.abs(warpable_pixels(picture) - one)
    assert away[8:-8, 8:-8].max() <= 1 and away.max() <= 8  # of noise; sides are replicated later
    assert np.abs(unsharpened - one).max() > 10


def test_the_match_reaches_the_picture(portrait) -> None:
    video, origins = moved(portrait)
    large = LargePortrait.of(portrait)
    lighter = enlarge(video + 0.04, origins, large).astype(int) - enlarge(video, origins, large)
    assert np.abs(lighter - 0.04 * 127.5).max() <= 1.0


@pytest.mark.parametrize("side", [32, 96, 128, 160])
def test_a_painted_place_is_whole_pixels_of_both(side: int) -> None:
    painted = np.zeros((SIDE, SIDE), bool)
    painted[21:35, 3:62] = True
    small, large = painted_box(painted, (side, side))
    for part, same, (start, stop) in zip(small, large, ((21, 35), (3, 62)), strict=True):
        assert part.start <= start and part.stop >= stop
        assert (same.start * SIDE, same.stop * SIDE) == (part.start * side, part.stop * side)
    assert painted_box(np.zeros_like(painted), (side, side))[0] == (slice(0, 0), slice(0, 0))


@pytest.mark.parametrize("side", [96, 128])
@torch.inference_mode()
def test_motion_is_the_same_at_every_size(
    toy_networks: Networks, toy_portrait: torch.Tensor, side: int
) -> None:
    """Pictures are made beside the chunk step: what the next chunk continues, knows no size."""
    larger = F.interpolate(toy_portrait, (side, side), mode="bicubic").clamp(-1.0, 1.0)
    rows = torch.randn(1, 33, 5, 2, 8, generator=torch.Generator().manual_seed(1))

    def begun(large: torch.Tensor | None) -> Conditions:
        return gather_conditions(toy_networks, toy_portrait, large)

    plain, enlarged = (scene_of(toy_networks, begun(large)) for large in (None, larger))
    states = [
        advance(scene, opening_state(scene.conditions, 0), rows)[1] for scene in (plain, enlarged)
    ]
    assert torch.equal(states[0].motion_latents, states[1].motion_latents)
    latents = sample(enlarged, states[1], rows)
    (shown,) = show(enlarged, states[1], latents, fragment_bounds(enlarged.geometry))
    pictures = finish(enlarged, shown)
    assert pictures.shape == (28, side, side, 3)
    frames = to_pixels(shown.video[0])
    small = F.interpolate(
        torch.from_numpy(pictures).permute(0, 3, 1, 2).float(), (64, 64), mode="area"
    )
    assert (small.permute(0, 2, 3, 1) - torch.from_numpy(frames)).abs().mean() < 6.0


@torch.inference_mode()
def test_the_frame_that_is_continued_makes_the_picture_that_was_shown(
    toy_networks: Networks, toy_portrait: torch.Tensor
) -> None:
    """Nothing is lost between two chunks, so pictures join at any size."""
    larger = F.interpolate(toy_portrait, (128, 128), mode="bicubic").clamp(-1.0, 1.0)
    conditions = gather_conditions(toy_networks, toy_portrait, larger)
    rows = torch.randn(1, 33, 5, 2, 8, generator=torch.Generator().manual_seed(1))
    scene, state = scene_of(toy_networks, conditions), opening_state(conditions, 0)
    latents = sample(scene, state, rows)
    (shown,) = show(scene, state, latents, fragment_bounds(scene.geometry))
    state = carry(scene, state, latents, shown.video)
    (again,) = show(scene, state, sample(scene, state, rows), ((0, 5),))
    last, pictures = (finish(scene, each).astype(int) for each in (shown, again))
    away, moved = np.abs(pictures - last[-5:]), np.abs(np.diff(last[-5:], axis=0))
    assert torch.allclose(again.video, shown.video[:, :, -5:], atol=1e-4)
    assert away.mean() < 0.2 * moved.mean()  # which pixels count as painted depends on all frames


# --- a part of a larger picture -------------------------------------------------------------------
@pytest.mark.parametrize("side", [48, 96, 128])
def test_pinned_sides_keep_the_pixels_of_the_portrait(portrait, side: int) -> None:
    """Motion fades toward them, and so does what paint and match have added."""
    video, origins = moved(portrait)
    portrait = F.interpolate(portrait, (side, side), mode="area")
    (picture,) = enlarge(
        video + 0.2, origins, LargePortrait.of(portrait, Place((True, True, False, True)))
    )
    own = to_pixels(portrait[0][:, None])[0]
    assert (picture[0] == own[0]).all() and (picture[-1] == own[-1]).all()
    assert (picture[:, 0] == own[:, 0]).all()
    away = np.abs(picture.astype(int) - own)
    middle = slice(side // 4, -side // 4)
    assert away[middle, -1].mean() > 5.0, "the fourth side is not pinned"
    assert away[1].mean() < 0.2 * away[middle, middle].mean()


@pytest.mark.parametrize("pinned", [(False,) * 4, (False, True, True, False)])
def test_what_lies_beyond_the_picture_is_left_out_and_the_rest_stays(portrait, pinned) -> None:
    video, origins = moved(portrait)
    video[..., COVERED[0], COVERED[1]] = 0.2
    origins[:, SHARE, COVERED[0], COVERED[1]] = 0.0
    (whole,) = enlarge(video, origins, LargePortrait.of(portrait, Place(pinned)))
    place = Place(pinned, beyond=(2, 0, 0, 3))
    (shown,) = enlarge(video, origins, LargePortrait.of(portrait, place))
    expected = whole[place.shown(LARGE, LARGE)]
    assert shown.shape == expected.shape == (LARGE - 24, LARGE - 16, 3)
    away = np.abs(shown.astype(int) - expected)
    assert away[:-4, 4:].max() <= 1, "an enlargement looks at neighbors, which a cut takes away"
    assert away.mean() < 1.0


def test_inside_of_pinned_sides_all_is_as_without(portrait) -> None:
    video, origins = moved(portrait)
    video[..., COVERED[0], COVERED[1]] = 0.2
    origins[:, SHARE, COVERED[0], COVERED[1]] = 0.0
    free, pinned = (
        enlarge(video, origins, LargePortrait.of(portrait, Place((way,) * 4)))[0]
        for way in (False, True)
    )
    inner = (slice(26, -26), slice(26, -26))
    assert (free[inner] == pinned[inner]).all() and (free != pinned).any()


@pytest.mark.parametrize("degrees", [-35.0, 50.0])
def test_frames_of_a_tilted_face_move_it_the_tilted_way(degrees: float) -> None:
    coarse = np.random.default_rng(4).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (208, 208), interpolation=cv2.INTER_CUBIC)
    square = Crop(0, 0, 208, 208)
    portrait = to_tensor(Image.fromarray(picture))
    small = to_tensor(cut_turned(Image.fromarray(picture), square, degrees, (SIDE, SIDE)))
    flow = torch.zeros(1, 2, SIDE, SIDE)
    flow[:, 0] = SHIFT_PX * 2 / SIDE  # a frame shows what is to the right in the portrait
    places = flow_to_grid(flow)
    frame = warp(warpable(small), places)
    share = torch.ones(1, 1, SIDE, SIDE)
    share[..., 28:36, 28:36] = 0.5
    origins = origin_of(frame, places, share)
    place = Place((True,) * 4, degrees)
    (moved,) = enlarge(frame[:, :, None], origins, LargePortrait.of(portrait, place))
    turn, side = (
        np.radians(degrees),
        208 / (abs(np.cos(np.radians(degrees))) + abs(np.sin(np.radians(degrees)))),
    )
    way = SHIFT_PX / SIDE * side * np.array([np.cos(turn), np.sin(turn)])
    expected = cv2.warpAffine(picture, np.array([[1, 0, -way[0]], [0, 1, -way[1]]]), (208, 208))
    inner = (slice(80, 128), slice(80, 128))
    away = np.abs(moved[inner].astype(int) - expected[inner]).mean()
    assert away < 4.0 and away < 0.2 * np.abs(picture[inner].astype(int) - expected[inner]).mean()
    assert (moved[0] == picture[0]).all() and (moved[:, -1] == picture[:, -1]).all()
    assert (moved[:20, :20] == picture[:20, :20]).all(), "beside the frame nothing has changed"


def test_landmarks_of_a_turned_frame_are_where_its_pixels_are() -> None:
    place, points = Place(turn_deg=40.0), torch.tensor([[[-0.5, 0.25], [0.75, 1.0]]])
    found = (placed(points, place).numpy()[0] + 1) * 100 - 0.5  # of 200 pixels
    pixels = (points.numpy()[0] + 1) * 32 - 0.5  # of 64
    expected = place.matrix((64, 64), (200, 200)) @ np.column_stack((pixels, np.ones(2))).T
    np.testing.assert_allclose(found, expected.T, atol=1e-4)
    assert np.abs(place.rotation).sum(axis=1).max() == pytest.approx(1.0), "its corners touch sides"
