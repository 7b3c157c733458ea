from dataclasses import replace

import pytest
import torch
from faces import face

from flashtalk.models.tiny.face_code import LANDMARKS, UNITS, mouth_middle, paint
from flashtalk.models.tiny.painter import (
    EYE_NUMBERS,
    MOUTH_NUMBERS,
    POSE,
    TEETH_CODE,
    CloseUp,
    Jaws,
    Opening,
    Slit,
    eyes,
    filled,
    follow,
    from_edges,
    lens,
    mouths,
    soft_edges,
)

WINDOW = (1 / 4, 3 / 8)


def slit(gap: float, slope: float = 0.0, bend: float = 0.0) -> Slit:
    """A mouth 0.36 wide with lips ``gap`` apart."""
    middle = torch.tensor([[0.0, 0.2]])
    return Slit(middle, *(torch.tensor([each]) for each in (0.18, gap / 2, slope, bend)))


def place(gap: float, own_gap: float = 0.0) -> Opening:
    """The same of a frame, and of its portrait."""
    return Opening(slit(gap), slit(own_gap), torch.zeros(1, MOUTH_NUMBERS))


def points(*xy: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = torch.tensor(xy).T
    return x[None, None], y[None, None]


def test_the_lens_lies_between_the_lips() -> None:
    x, y = points((0.0, 0.2), (0.0, 0.23), (0.0, 0.26), (0.17, 0.23), (0.3, 0.2))
    inside = lens(*from_edges(slit(gap=0.08), x, y))[0, 0]  # 0.08 apart in the middle
    assert inside[0] > 0
    assert inside[1] > 0
    assert inside[2] < 0, "below the lower lip"
    assert inside[3] < 0, "lips come together toward the corners"
    assert inside[4] < 0, "beyond the corner"


def test_the_lens_tilts_and_bends_with_the_corners() -> None:
    x, y = points((0.0, 0.2), (0.16, 0.2), (0.16, 0.16), (-0.16, 0.16))
    level, smiling, tilted = (
        lens(*from_edges(slit(0.04, slope, bend), x, y))[0, 0]
        for slope, bend in ((0.0, 0.0), (0.0, -0.05), (-0.25, 0.0))
    )
    assert (level > 0).tolist() == [True, True, False, False]
    assert (smiling > 0).tolist() == [True, False, True, True], "corners higher than the middle"
    assert (tilted > 0).tolist() == [True, False, True, False], "the right corner alone is higher"


def test_misread_corners_bend_and_tilt_a_lens_no_further_than_a_mouth_can() -> None:
    x, y = points((0.0, 0.2), (0.1, 0.16), (-0.16, 0.1))
    folded, bent = (torch.stack(from_edges(slit(0.04, 0.0, bend), x, y)) for bend in (-5.0, -0.18))
    assert torch.equal(folded, bent)
    upright, steep = (torch.stack(from_edges(slit(0.04, slope), x, y)) for slope in (50.0, 0.7))
    assert torch.equal(upright, steep)


def test_a_closed_mouth_has_no_opening() -> None:
    x, y = points(*((0.02 * i - 0.2, 0.02 * j) for i in range(20) for j in range(20)))
    assert lens(*from_edges(slit(gap=0.0), x, y)).max() <= 0.0


def test_a_place_is_followed_along_the_flow() -> None:
    torch.manual_seed(0)
    across = torch.linspace(-1, 1, 32)
    offset = torch.stack((0.1 + 0.05 * across.expand(32, 32), torch.full((32, 32), -0.07)))[None]
    targets = torch.tensor([[[0.1, 0.3], [-0.4, 0.0]]])
    found = follow(offset, targets)
    assert found.shape == (1, 2, 2)
    for (x, y), (target_x, target_y) in zip(found[0].tolist(), targets[0].tolist(), strict=True):
        assert abs(x + 0.1 + 0.05 * x * 32 / 31 - target_x) < 2e-3
        assert abs(y - target_y - 0.07) < 1e-4


def test_windows_stay_inside_the_picture() -> None:
    centers = torch.tensor([[0.0, 0.0], [-1.0, -1.0], [1.0, 1.0]])
    painter = CloseUp(16, MOUTH_NUMBERS, WINDOW, lens_gain=3.0)
    assert painter.window_of(256, 256) == (64, 96)
    windows = painter.windows(centers, 256, 256)
    assert windows[:, :2].tolist() == [[96, 80], [0, 0], [192, 160]]
    assert windows[:, 2:].tolist() == [[64, 96]] * 3


def test_what_the_codes_say_opens_a_mouth_and_shuts_an_eye() -> None:
    """Read where the flow takes the portrait's own features."""
    moved = (0.06, -0.04)
    points, wide = face(gap=0.0), face(moved, gap=0.08)
    for name, y in (("left_eye_upper", -0.205), ("left_eye_lower", -0.2)):
        wide[0, LANDMARKS.index(name), 1] = y + moved[1]
    still = torch.zeros(1, 2)
    codes = paint(wide, still, (8, 8)), paint(points, still, (8, 8))
    offset = -torch.tensor(moved).view(1, 2, 1, 1).expand(1, 2, 32, 32)
    mouth = mouths(codes[0], offset, points, codes[1])
    assert (mouth.slit.center - torch.tensor([[0.06, 0.265]])).abs().max() < 0.02
    assert mouth.slit.bend.abs().item() < 0.01
    assert abs(mouth.slit.half_gap.item() - 0.04) < 0.004
    assert abs(mouth.numbers[0, MOUTH_NUMBERS // 2].item()) < 0.2, "the portrait's lips are shut"
    eye = eyes(codes[0], offset, points, codes[1])
    assert eye.numbers.shape == (2, EYE_NUMBERS)
    assert (eye.slit.center[:, 0] - torch.tensor([-0.15, 0.27])).abs().max() < 1e-3
    assert eye.slit.half_gap[0] < 0.3 * eye.slit.half_gap[1], "only the left one is shut"
    assert abs(eye.slit.half_gap[1].item() - 0.02) < 0.2 * UNITS["lid"][1]


def test_a_mouth_that_is_its_portraits_is_where_the_portraits_inner_lips_are() -> None:
    """Smiling, and on a head that is tilted."""
    points = face(gap=0.04)
    for name, lower in (("left_mouth_corner", -0.07), ("right_mouth_corner", -0.03)):
        points[0, LANDMARKS.index(name), 1] += lower
    code = paint(points, torch.zeros(1, 2), (8, 8))
    found = mouths(code, torch.zeros(1, 2, 32, 32), points, code)
    at = {name: points[0, index] for index, name in enumerate(LANDMARKS)}
    middle = (at["inner_upper_lip"] + at["inner_lower_lip"]) / 2
    along = at["right_mouth_corner"] - at["left_mouth_corner"]
    for mouth, near in ((found.own, 1e-2), (found.slit, 2e-2)):
        assert torch.allclose(mouth.center[0], middle, atol=near)
        corners = mouth.center[0, 1] + mouth.bend[0]
        high = (at["left_mouth_corner"][1] + at["right_mouth_corner"][1]) / 2
        assert corners.item() == pytest.approx(high.item(), abs=5e-3)
        assert mouth.slope.item() == pytest.approx((along[1] / along[0]).item(), rel=0.1)


def test_jaws_follow_nose_and_chin_wherever_the_lips_are() -> None:
    """Upper teeth move with the nose alone, lower ones with the chin alone."""
    points = face(gap=0.0)
    still = torch.zeros(1, 2)
    code = paint(points, still, (8, 8))
    offset = torch.zeros(1, 2, 64, 64)
    offset[:, 1, 40:] = -0.08  # from y = 0.25 on: mouth and chin are lower than in the portrait
    found = mouths(code, offset, points, code)
    assert found.jaws is not None
    home = mouth_middle(points)
    assert torch.allclose(found.jaws.upper, home, atol=1e-3), "the nose is where it was"
    assert torch.allclose(found.jaws.lower, home + torch.tensor([0.0, 0.08]), atol=1e-3)
    pose, own = (found.numbers[:, start : start + len(POSE)] for start in (5, 5 + len(POSE) + 5))
    apart = found.jaws.size.item()
    assert apart == pytest.approx(0.42)
    moved = dict(zip(POSE, (pose - own)[0].tolist(), strict=True))
    assert moved["nose_y"] == pytest.approx(-0.08 / apart / POSE["nose_y"][1], rel=0.02)
    assert moved["chin_y"] == pytest.approx(0.0, abs=0.02)
    assert moved["eyes_y"] == pytest.approx(-0.08 / apart / POSE["eyes_y"][1], rel=0.02)
    assert own[0, list(POSE).index("nose_y")].item() == pytest.approx(
        ((0.1 - 0.305) / apart - POSE["nose_y"][0]) / POSE["nose_y"][1], rel=0.05
    )


def test_prints_of_teeth_move_with_their_jaw() -> None:
    torch.manual_seed(0)
    painter = CloseUp(16, MOUTH_NUMBERS, WINDOW, lens_gain=3.0, teeth=True)
    side = 64
    steps = (torch.arange(side) + 0.5) * 2 / side - 1
    here = torch.stack(torch.meshgrid(steps, steps, indexing="xy"))[None]
    told = torch.zeros(1, MOUTH_NUMBERS + TEETH_CODE)
    eight = 8 * 2 / side  # pixels

    def prints(upper_y: float, lower_y: float) -> tuple[torch.Tensor, torch.Tensor]:
        jaws = Jaws(*(torch.tensor([[0.0, y]]) for y in (upper_y, lower_y)), torch.tensor([0.5]))
        with torch.no_grad():
            return painter.standing(jaws, here, told)[0].chunk(2)

    upper, lower = prints(0.0, 0.0)
    lowered_upper, lowered_lower = prints(0.0, eight)
    assert torch.equal(lowered_upper, upper)
    assert torch.allclose(lowered_lower[:, 8:], lower[:, :-8], atol=1e-4)
    assert lower.std() > 0.1


def test_a_mouth_is_told_whose_teeth_it_has() -> None:
    torch.manual_seed(0)
    painter = CloseUp(16, MOUTH_NUMBERS, WINDOW, lens_gain=3.0, teeth=True)
    windows = torch.tensor([[20, 12, 16, 24]])
    portrait = torch.rand(1, 3, 64, 64) * 2 - 1
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 3, 64, 64), False)
    places = grid[:, 20:36, 12:36].permute(0, 3, 1, 2)
    jaws = Jaws(torch.tensor([[0.0, 0.2]]), torch.tensor([[0.0, 0.2]]), torch.tensor([0.5]))
    opening = replace(place(0.1), jaws=jaws)

    def painted(teeth: torch.Tensor | None) -> torch.Tensor:
        with torch.no_grad():
            return painter(opening, places, portrait, windows, (64, 64), teeth).color

    theirs = torch.randn(1, TEETH_CODE)
    assert not torch.allclose(painted(theirs), painted(None), atol=1e-5)
    painter.usual.copy_(theirs[0])
    assert torch.equal(painted(theirs), painted(None)), "the usual teeth are those by default"


def test_the_window_fades_into_the_picture() -> None:
    share = soft_edges(64, 96, torch.zeros(1))
    assert share[0, 0, 32, 48] == 1.0
    assert share[0, 0, 0].max() < 0.1
    assert share[0, 0, :, -1].max() < 0.1


def test_a_veil_shows_its_color_and_no_veil_the_portrait() -> None:
    torch.manual_seed(0)
    painter = CloseUp(16, MOUTH_NUMBERS, WINDOW, lens_gain=3.0)
    portrait = torch.rand(1, 3, 64, 64) * 2 - 1
    windows = torch.tensor([[20, 12, 16, 24]])
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 3, 64, 64), False)
    positions = grid[:, 20:36, 12:36].permute(0, 3, 1, 2)
    with torch.no_grad():
        painter.color.weight.zero_()
        painter.flow.weight.zero_()
        painter.color.bias.copy_(torch.tensor([0.5, 0.5, 0.5, 40.0]))
        veiled = painter(place(0.0), positions, portrait, windows, (64, 64))
        painter.color.bias[3] = -40.0
        bare = painter(place(0.0), positions, portrait, windows, (64, 64))
    assert torch.allclose(veiled.picture, torch.full((1, 3, 16, 24), 0.5), atol=1e-5)
    assert torch.allclose(bare.picture, portrait[:, :, 20:36, 12:36], atol=1e-5)


def test_lips_are_painted_over_the_teeth_of_a_portrait() -> None:
    """Where the portrait's own mouth is open and the frame's is not."""
    torch.manual_seed(0)
    painter = CloseUp(16, MOUTH_NUMBERS, WINDOW, lens_gain=3.0)
    portrait = torch.rand(1, 3, 64, 64) * 2 - 1
    windows = torch.tensor([[30, 20, 16, 24]])
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 3, 64, 64), False)
    positions = grid[:, 30:46, 20:44].permute(0, 3, 1, 2)

    def veil(gap: float, own_gap: float) -> torch.Tensor:
        with torch.no_grad():
            opening = place(gap, own_gap)
            return painter(opening, positions, portrait, windows, (64, 64)).veil[0, 0]

    row = 38 - 30  # the mouth's middle, (0, 0.2)
    assert veil(gap=0.0, own_gap=0.0).max() < 0
    assert veil(gap=0.08, own_gap=0.0)[row, 12] > 0
    shut = veil(gap=0.0, own_gap=0.08)
    assert shut[row, 12] > 0, "teeth would show through shut lips"
    assert shut[0].max() < 0 and shut[-1].max() < 0
    same = veil(gap=0.08, own_gap=0.08) - veil(gap=0.08, own_gap=0.0)
    assert same.abs().max() < 0.1, "what the frame shows, too, is not hidden"


@pytest.mark.parametrize("row", [38, 35])  # the middle between the portrait's lips, and above them
@pytest.mark.parametrize("covers", [None, 0.0, 1.0])
def test_a_painter_that_covers_neither_sees_nor_shows_what_it_hides(
    covers: float | None, row: int
) -> None:
    """However white teeth are, the lips over them look the same, and so with dark lashes."""
    torch.manual_seed(0)
    windows = torch.tensor([[30, 20, 16, 24]])
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 3, 64, 64), False)
    positions = grid[:, 30:46, 20:44].permute(0, 3, 1, 2)
    dark = torch.rand(1, 3, 64, 64) * 0.5 - 1
    white = dark.clone()
    white[:, :, row, 31:33] = 1.0  # lips are apart by 5 pixels
    painter = CloseUp(16, MOUTH_NUMBERS, WINDOW, lens_gain=3.0, covers=covers)
    torch.nn.init.normal_(painter.color.weight)
    torch.nn.init.zeros_(painter.flow.weight)
    with torch.no_grad():
        shut, same = (
            painter(place(gap=0.0, own_gap=0.16), positions, teeth, windows, (64, 64))
            for teeth in (dark, white)
        )
        opened, shining = (
            painter(place(gap=0.16, own_gap=0.16), positions, teeth, windows, (64, 64))
            for teeth in (dark, white)
        )
    hidden = covers is not None and (row == 38 or covers > 0.5)
    for name in ("color", "veil", "picture"):
        assert ((getattr(shut, name) - getattr(same, name)).abs().max() < 1e-4) == hidden, name
        shown = (getattr(opened, name) - getattr(shining, name)).abs().max()
        assert shown > 1e-3, "what the frame shows, too, is not hidden"


def test_lips_cover_teeth_as_far_as_they_are_more_shut_than_the_portrait() -> None:
    assert place(gap=0.0, own_gap=0.0).covered == 0.0
    assert place(gap=0.12, own_gap=0.08).covered == 0.0
    assert place(gap=0.0, own_gap=0.08).covered == 1.0
    assert 0.0 < place(gap=0.05, own_gap=0.08).covered.item() < 1.0
    # a smile that shows little of its teeth: they are covered where lips meet, not before
    assert place(gap=0.0, own_gap=0.018).covered == 1.0
    assert place(gap=0.014, own_gap=0.018).covered == 0.0
    assert place(gap=0.0, own_gap=0.006).covered == 0.0


def test_what_is_hidden_takes_the_colors_around_it() -> None:
    pictures = torch.rand(1, 3, 32, 48) * 2 - 1
    hidden = torch.zeros(1, 1, 32, 48)
    hidden[..., 12:20, 16:32] = 1.0
    pictures[..., :12, :], pictures[..., 20:, :] = -0.5, 0.5
    pictures[..., 12:20, :16] = pictures[..., 12:20, 32:] = 0.0
    found = filled(pictures, hidden)
    assert torch.equal(found[hidden.expand_as(found) == 0], pictures[hidden.expand_as(found) == 0])
    middle = found[0, 0, 12:20, 24]
    assert (middle.diff() > 0).all(), "darker above, brighter below"
    assert middle[0] < -0.1 and middle[-1] > 0.1
    eye = pictures.clone()
    eye[..., 12:20, 16:32] = 1.0
    assert torch.equal(filled(eye, hidden), found)
    assert filled(eye, torch.ones_like(hidden)).abs().max() == 0.0, "nothing is around it"
