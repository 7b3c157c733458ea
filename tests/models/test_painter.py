from dataclasses import replace

import pytest
import torch
from faces import face

from flashtalk.models.tiny.crops import crop_fade
from flashtalk.models.tiny.face_code import LANDMARKS, UNITS, mouth_middle, paint
from flashtalk.models.tiny.feature_state import (
    EYE_VALUES,
    HEAD_POSE,
    MOUTH_VALUES,
    FeatureState,
    JawPlacement,
    read_eyes,
    read_mouths,
    trace_flow,
)
from flashtalk.models.tiny.maps import inpaint
from flashtalk.models.tiny.opening import Aperture, edge_distances, opening_sdf, skew_of
from flashtalk.models.tiny.painter import IDENTITY_CHANNELS, FeaturePainter, PainterConfig
from flashtalk.models.tiny.textures import jaw_textures

CONFIG = PainterConfig(16, MOUTH_VALUES, crop_size=(1 / 4, 3 / 8), sdf_gain=3.0)
TEETH = replace(CONFIG, has_jaws=True)


def aperture(gap: float, slope: float = 0.0, bend: float = 0.0, skew: float = 0.0) -> Aperture:
    """A mouth 0.36 wide with lips ``gap`` apart."""
    middle = torch.tensor([[0.0, 0.2]])
    return Aperture(middle, *(torch.tensor([each]) for each in (0.18, gap / 2, slope, bend, skew)))


def state(gap: float, portrait_gap: float = 0.0) -> FeatureState:
    """The same of a frame, and of its portrait."""
    return FeatureState(aperture(gap), aperture(portrait_gap), torch.zeros(1, MOUTH_VALUES))


def field(mouth: Aperture, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The opening's field at points of one line."""
    return opening_sdf(edge_distances(mouth, x, y))[0, 0, 0]


def points(*xy: tuple[float, float]) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = torch.tensor(xy).T
    return x[None, None], y[None, None]


def test_the_field_lies_between_the_lips() -> None:
    x, y = points((0.0, 0.2), (0.0, 0.23), (0.0, 0.26), (0.17, 0.23), (0.3, 0.2))
    inside = field(aperture(gap=0.08), x, y)  # 0.08 apart in the middle
    assert inside[0] > 0
    assert inside[1] > 0
    assert inside[2] < 0, "below the lower lip"
    assert inside[3] < 0, "lips come together toward the corners"
    assert inside[4] < 0, "beyond the corner"


def test_the_field_tilts_and_bends_with_the_corners() -> None:
    x, y = points((0.0, 0.2), (0.16, 0.2), (0.16, 0.16), (-0.16, 0.16))
    level, smiling, tilted = (
        field(aperture(0.04, slope, bend), x, y)
        for slope, bend in ((0.0, 0.0), (0.0, -0.05), (-0.25, 0.0))
    )
    assert (level > 0).tolist() == [True, True, False, False]
    assert (smiling > 0).tolist() == [True, False, True, True], "corners higher than the middle"
    assert (tilted > 0).tolist() == [True, False, True, False], "the right corner alone is higher"


def test_the_field_ends_at_the_corners_of_a_turned_mouth() -> None:
    center, left, right = torch.tensor([[[0.0, 0.2]], [[-0.24, 0.2]], [[0.12, 0.2]]])
    skew = skew_of(center, left, right)
    assert skew.item() == pytest.approx(-1 / 3)
    assert torch.equal(skew_of(center, right, left), skew)
    assert skew_of(center, left, right + 0.1).item() == 0.0, "painters know small turns"
    turned = aperture(0.08, skew=skew.item())
    x, y = points((-0.25, 0.2), (-0.23, 0.2), (0.0, 0.2), (0.11, 0.2), (0.13, 0.2))
    assert (field(turned, x, y) > 0).tolist() == [False, True, True, True, False]
    assert turned.across(x)[0, 0].tolist() == pytest.approx(
        [-25 / 24, -23 / 24, 0, 11 / 12, 13 / 12]
    )


def test_misread_corners_bend_and_tilt_a_field_no_further_than_a_mouth_can() -> None:
    x, y = points((0.0, 0.2), (0.1, 0.16), (-0.16, 0.1))
    folded, bent = (edge_distances(aperture(0.04, 0.0, bend), x, y) for bend in (-5.0, -0.18))
    assert torch.equal(folded, bent)
    upright, steep = (edge_distances(aperture(0.04, slope), x, y) for slope in (50.0, 0.7))
    assert torch.equal(upright, steep)


def test_a_closed_mouth_has_no_opening() -> None:
    x, y = points(*((0.02 * i - 0.2, 0.02 * j) for i in range(20) for j in range(20)))
    assert field(aperture(gap=0.0), x, y).max() <= 0.0


def test_a_place_is_followed_along_the_flow() -> None:
    torch.manual_seed(0)
    across = torch.linspace(-1, 1, 32)
    offset = torch.stack((0.1 + 0.05 * across.expand(32, 32), torch.full((32, 32), -0.07)))[None]
    targets = torch.tensor([[[0.1, 0.3], [-0.4, 0.0]]])
    found = trace_flow(offset, targets)
    assert found.shape == (1, 2, 2)
    for (x, y), (target_x, target_y) in zip(found[0].tolist(), targets[0].tolist(), strict=True):
        assert abs(x + 0.1 + 0.05 * x * 32 / 31 - target_x) < 2e-3
        assert abs(y - target_y - 0.07) < 1e-4


def test_crops_stay_inside_the_picture() -> None:
    centers = torch.tensor([[0.0, 0.0], [-1.0, -1.0], [1.0, 1.0]])
    painter = FeaturePainter(CONFIG)
    assert painter.crop_px(256, 256) == (64, 96)
    boxes = painter.boxes(centers, 256, 256)
    assert boxes[:, :2].tolist() == [[96, 80], [0, 0], [192, 160]]
    assert boxes[:, 2:].tolist() == [[64, 96]] * 3


def test_what_the_codes_say_opens_a_mouth_and_shuts_an_eye() -> None:
    """Read where the flow takes the portrait's own features."""
    moved = (0.06, -0.04)
    points, wide = face(gap=0.0), face(moved, gap=0.08)
    for name, y in (("left_eye_upper", -0.205), ("left_eye_lower", -0.2)):
        wide[0, LANDMARKS.index(name), 1] = y + moved[1]
    still = torch.zeros(1, 2)
    codes = paint(wide, still, (8, 8)), paint(points, still, (8, 8))
    offset = -torch.tensor(moved).view(1, 2, 1, 1).expand(1, 2, 32, 32)
    mouth = read_mouths(codes[0], offset, points, codes[1])
    assert (mouth.frame.center - torch.tensor([[0.06, 0.265]])).abs().max() < 0.02
    assert mouth.frame.bend.abs().item() < 0.01
    assert abs(mouth.frame.half_gap.item() - 0.04) < 0.004
    assert abs(mouth.values[0, MOUTH_VALUES // 2].item()) < 0.2, "the portrait's lips are shut"
    eye = read_eyes(codes[0], offset, points, codes[1])
    assert eye.values.shape == (2, EYE_VALUES)
    assert (eye.frame.center[:, 0] - torch.tensor([-0.15, 0.27])).abs().max() < 1e-3
    assert eye.frame.half_gap[0] < 0.3 * eye.frame.half_gap[1], "only the left one is shut"
    assert abs(eye.frame.half_gap[1].item() - 0.02) < 0.2 * UNITS["lid"][1]


def test_a_mouth_that_is_its_portraits_is_where_the_portraits_inner_lips_are() -> None:
    """Smiling, and on a head that is tilted."""
    points = face(gap=0.04)
    for name, lower in (("left_mouth_corner", -0.07), ("right_mouth_corner", -0.03)):
        points[0, LANDMARKS.index(name), 1] += lower
    code = paint(points, torch.zeros(1, 2), (8, 8))
    found = read_mouths(code, torch.zeros(1, 2, 32, 32), points, code)
    at = {name: points[0, index] for index, name in enumerate(LANDMARKS)}
    middle = (at["inner_upper_lip"] + at["inner_lower_lip"]) / 2
    along = at["right_mouth_corner"] - at["left_mouth_corner"]
    for mouth, near in ((found.portrait, 1e-2), (found.frame, 2e-2)):
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
    found = read_mouths(code, offset, points, code)
    assert found.jaws is not None
    home = mouth_middle(points)
    assert torch.allclose(found.jaws.upper, home, atol=1e-3), "the nose is where it was"
    assert torch.allclose(found.jaws.lower, home + torch.tensor([0.0, 0.08]), atol=1e-3)
    pose, own = (
        found.values[:, start : start + len(HEAD_POSE)] for start in (5, 5 + len(HEAD_POSE) + 5)
    )
    apart = found.jaws.scale.item()
    assert apart == pytest.approx(0.42)
    moved = dict(zip(HEAD_POSE, (pose - own)[0].tolist(), strict=True))
    assert moved["nose_y"] == pytest.approx(-0.08 / apart / HEAD_POSE["nose_y"][1], rel=0.02)
    assert moved["chin_y"] == pytest.approx(0.0, abs=0.02)
    assert moved["eyes_y"] == pytest.approx(-0.08 / apart / HEAD_POSE["eyes_y"][1], rel=0.02)
    assert own[0, list(HEAD_POSE).index("nose_y")].item() == pytest.approx(
        ((0.1 - 0.305) / apart - HEAD_POSE["nose_y"][0]) / HEAD_POSE["nose_y"][1], rel=0.05
    )


def test_textures_of_teeth_move_with_their_jaw() -> None:
    torch.manual_seed(0)
    textures = torch.randn(2, 8, 32, 64)
    side = 64
    steps = (torch.arange(side) + 0.5) * 2 / side - 1
    here = torch.stack(torch.meshgrid(steps, steps, indexing="xy"))[None]
    eight = 8 * 2 / side  # pixels

    def sampled(upper_y: float, lower_y: float) -> tuple[torch.Tensor, torch.Tensor]:
        jaws = JawPlacement(
            *(torch.tensor([[0.0, y]]) for y in (upper_y, lower_y)), torch.tensor([0.5])
        )
        upper, lower = jaw_textures(textures, here, jaws, torch.zeros(1, 2, 2, 3))
        return upper[0], lower[0]

    upper, lower = sampled(0.0, 0.0)
    lowered_upper, lowered_lower = sampled(0.0, eight)
    assert torch.equal(lowered_upper, upper)
    assert torch.allclose(lowered_lower[:, 8:], lower[:, :-8], atol=1e-4)
    assert lower.std() > 0.1


def test_a_mouth_is_told_whose_teeth_it_has() -> None:
    torch.manual_seed(0)
    painter = FeaturePainter(TEETH)
    boxes = torch.tensor([[20, 12, 16, 24]])
    portrait = torch.rand(1, 3, 64, 64) * 2 - 1
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 3, 64, 64), False)
    places = grid[:, 20:36, 12:36].permute(0, 3, 1, 2)
    jaws = JawPlacement(torch.tensor([[0.0, 0.2]]), torch.tensor([[0.0, 0.2]]), torch.tensor([0.5]))
    mouth = replace(state(0.1), jaws=jaws)

    def painted(code: torch.Tensor | None) -> torch.Tensor:
        with torch.no_grad():
            return painter(mouth, places, portrait, boxes, (64, 64), code).color

    theirs = torch.randn(1, IDENTITY_CHANNELS)
    assert not torch.allclose(painted(theirs), painted(None), atol=1e-5)
    painter.default_identity.copy_(theirs[0])
    assert torch.equal(painted(theirs), painted(None)), "the usual teeth are those by default"


def test_a_crop_fades_into_the_picture() -> None:
    share = crop_fade(64, 96, torch.zeros(1))
    assert share[0, 0, 32, 48] == 1.0
    assert share[0, 0, 0].max() < 0.1
    assert share[0, 0, :, -1].max() < 0.1


def test_alpha_shows_the_color_and_no_alpha_the_portrait() -> None:
    torch.manual_seed(0)
    painter = FeaturePainter(CONFIG)
    portrait = torch.rand(1, 3, 64, 64) * 2 - 1
    boxes = torch.tensor([[20, 12, 16, 24]])
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 3, 64, 64), False)
    positions = grid[:, 20:36, 12:36].permute(0, 3, 1, 2)
    with torch.no_grad():
        painter.color.weight.zero_()
        painter.flow.weight.zero_()
        painter.color.bias.copy_(torch.tensor([0.5, 0.5, 0.5, 40.0]))
        opaque = painter(state(0.0), positions, portrait, boxes, (64, 64))
        painter.color.bias[3] = -40.0
        bare = painter(state(0.0), positions, portrait, boxes, (64, 64))
    assert torch.allclose(opaque.picture, torch.full((1, 3, 16, 24), 0.5), atol=1e-5)
    assert torch.allclose(bare.picture, portrait[:, :, 20:36, 12:36], atol=1e-5)


def test_lips_are_painted_over_the_teeth_of_a_portrait() -> None:
    """Where the portrait's own mouth is open and the frame's is not."""
    torch.manual_seed(0)
    painter = FeaturePainter(CONFIG)
    portrait = torch.rand(1, 3, 64, 64) * 2 - 1
    boxes = torch.tensor([[30, 20, 16, 24]])
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 3, 64, 64), False)
    positions = grid[:, 30:46, 20:44].permute(0, 3, 1, 2)

    def logits(gap: float, portrait_gap: float) -> torch.Tensor:
        with torch.no_grad():
            mouth = state(gap, portrait_gap)
            return painter(mouth, positions, portrait, boxes, (64, 64)).alpha_logits[0, 0]

    row = 38 - 30  # the mouth's middle, (0, 0.2)
    assert logits(gap=0.0, portrait_gap=0.0).max() < 0
    assert logits(gap=0.08, portrait_gap=0.0)[row, 12] > 0
    shut = logits(gap=0.0, portrait_gap=0.08)
    assert shut[row, 12] > 0, "teeth would show through shut lips"
    assert shut[0].max() < 0 and shut[-1].max() < 0
    same = logits(gap=0.08, portrait_gap=0.08) - logits(gap=0.08, portrait_gap=0.0)
    assert same.abs().max() < 0.1, "what the frame shows, too, is not hidden"


@pytest.mark.parametrize("row", [38, 35])  # the middle between the portrait's lips, and above them
@pytest.mark.parametrize("margin", [None, 0.0, 1.0])
def test_a_painter_that_covers_neither_sees_nor_shows_what_it_hides(
    margin: float | None, row: int
) -> None:
    """However white teeth are, the lips over them look the same, and so with dark lashes."""
    torch.manual_seed(0)
    boxes = torch.tensor([[30, 20, 16, 24]])
    grid = torch.nn.functional.affine_grid(torch.eye(2, 3)[None], (1, 3, 64, 64), False)
    positions = grid[:, 30:46, 20:44].permute(0, 3, 1, 2)
    dark = torch.rand(1, 3, 64, 64) * 0.5 - 1
    white = dark.clone()
    white[:, :, row, 31:33] = 1.0  # lips are apart by 5 pixels
    painter = FeaturePainter(replace(CONFIG, cover_margin=margin))
    torch.nn.init.normal_(painter.color.weight)
    torch.nn.init.zeros_(painter.flow.weight)
    with torch.no_grad():
        shut, same = (
            painter(state(gap=0.0, portrait_gap=0.16), positions, teeth, boxes, (64, 64))
            for teeth in (dark, white)
        )
        opened, shining = (
            painter(state(gap=0.16, portrait_gap=0.16), positions, teeth, boxes, (64, 64))
            for teeth in (dark, white)
        )
    hidden = margin is not None and (row == 38 or margin > 0.5)
    for name in ("color", "alpha_logits", "picture"):
        assert ((getattr(shut, name) - getattr(same, name)).abs().max() < 1e-4) == hidden, name
        shown = (getattr(opened, name) - getattr(shining, name)).abs().max()
        assert shown > 1e-3, "what the frame shows, too, is not hidden"


def test_lips_cover_teeth_as_far_as_they_are_more_shut_than_the_portrait() -> None:
    assert state(gap=0.0, portrait_gap=0.0).cover_share == 0.0
    assert state(gap=0.12, portrait_gap=0.08).cover_share == 0.0
    assert state(gap=0.0, portrait_gap=0.08).cover_share == 1.0
    assert 0.0 < state(gap=0.05, portrait_gap=0.08).cover_share.item() < 1.0
    # a smile that shows little of its teeth: they are covered where lips meet, not before
    assert state(gap=0.0, portrait_gap=0.018).cover_share == 1.0
    assert state(gap=0.014, portrait_gap=0.018).cover_share == 0.0
    assert state(gap=0.0, portrait_gap=0.006).cover_share == 0.0


def test_what_is_hidden_takes_the_colors_around_it() -> None:
    pictures = torch.rand(1, 3, 32, 48) * 2 - 1
    hidden = torch.zeros(1, 1, 32, 48)
    hidden[..., 12:20, 16:32] = 1.0
    pictures[..., :12, :], pictures[..., 20:, :] = -0.5, 0.5
    pictures[..., 12:20, :16] = pictures[..., 12:20, 32:] = 0.0
    found = inpaint(pictures, hidden)
    assert torch.equal(found[hidden.expand_as(found) == 0], pictures[hidden.expand_as(found) == 0])
    middle = found[0, 0, 12:20, 24]
    assert (middle.diff() > 0).all(), "darker above, brighter below"
    assert middle[0] < -0.1 and middle[-1] > 0.1
    eye = pictures.clone()
    eye[..., 12:20, 16:32] = 1.0
    assert torch.equal(inpaint(eye, hidden), found)
    assert inpaint(eye, torch.ones_like(hidden)).abs().max() == 0.0, "nothing is around it"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"crop_size": (0.25, 1.5)}, r"crop_size must be shares in \(0, 1\], got \(0.25, 1.5\)"),
        ({"cover_margin": -0.1}, "cover_margin must not be negative, got -0.1"),
    ],
)
def test_a_painter_that_cannot_be_is_refused(change: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(CONFIG, **change)
