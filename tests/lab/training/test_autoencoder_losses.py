from dataclasses import replace

import pytest
import torch
from faces import face

from flashtalk.config import TINY
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.crops import paint_crops
from flashtalk.models.tiny.decoder import mouth_states, sampling_grid
from flashtalk.models.tiny.face_code import FEATURES, GROUP_FRAMES, LANDMARKS, mouth_middle, paint
from flashtalk.models.tiny.feature_state import read_mouths
from flashtalk.models.tiny.painter import IDENTITY_CHANNELS
from lab.training.data.codec_dataset import Batch
from lab.training.tiny.autoencoder import LOSSES
from lab.training.tiny.networks import trained_in_part
from lab.training.tiny.painter_losses import (
    TEETH_WEIGHT,
    mouths_by,
    painted_features,
    painting_losses,
    unpainted,
)
from lab.training.tiny.supervision import guidance_of

SIDE = 64


@pytest.fixture(scope="module")
def model() -> PortraitAutoencoder:
    torch.manual_seed(0)
    return PortraitAutoencoder(TINY.autoencoder)


@pytest.fixture
def batch() -> Batch:
    """A group of four frames that do not move, their lips shut."""
    points = face(gap=0.0)
    maps = torch.zeros(GROUP_FRAMES, 1, SIDE // 4, SIDE // 4)
    return Batch(
        frames=torch.zeros(1, GROUP_FRAMES, 3, SIDE, SIDE, dtype=torch.uint8),
        portraits=torch.zeros(1, 3, SIDE, SIDE),
        offset=maps.expand(-1, 2, -1, -1),
        known=maps,
        weight=maps + 1.0,
        inner=torch.zeros(GROUP_FRAMES, 1, SIDE, SIDE),
        portrait_inner=torch.zeros(1, 1, SIDE, SIDE),
        codes=torch.zeros(1, TINY.autoencoder.latent_channels, SIDE // 32, SIDE // 32),
        portrait_codes=torch.zeros(1, len(FEATURES), SIDE // 32, SIDE // 32),
        points=points,
        numbers=torch.tensor([3]),
    )


def test_shut_lips_have_nothing_to_paint(model, batch) -> None:
    assert painted_features(model, batch).inner.max() == 0.0


def test_lips_of_a_portrait_that_are_misread_have_a_wrong_gap_too(model, batch) -> None:
    """As in a session, where code and landmarks are one reading."""
    codes = torch.zeros(1, len(FEATURES), 8, 8)
    batch = replace(batch, portraits=torch.zeros(1, 3, 256, 256), portrait_codes=codes)
    for noise in (0.0, 0.02):
        torch.manual_seed(4)
        with torch.no_grad():
            guidance = guidance_of(model, batch, point_noise=noise)
        upper, lower = (LANDMARKS.index(f"inner_{lip}_lip") for lip in ("upper", "lower"))
        gap = (guidance.points[:, lower] - guidance.points[:, upper]).norm(dim=-1)
        own = read_mouths(codes, torch.zeros(1, 2, 32, 32), guidance.points, guidance.code).portrait
        assert (gap > 0.01).item() == (noise > 0)
        assert torch.allclose(2 * own.half_gap, gap, atol=1e-3)


def test_teeth_of_the_portrait_are_to_be_painted_over(model, batch) -> None:
    x, y = ((mouth_middle(batch.points)[0] + 1) / 2 * SIDE).round().int().tolist()
    teeth = batch.portrait_inner.clone()
    teeth[..., y - 2 : y + 2, x - 3 : x + 3] = 1.0
    made = painted_features(model, replace(batch, portrait_inner=teeth))
    assert made.inner.shape == made.weight.shape
    assert made.either.max() == 0.0, "the frame's lips are shut"
    assert made.inner.amax(dim=(1, 2, 3)).min() > 0.9
    assert 12 < made.inner[0].sum() < 40  # 24 pixels, moved by less than one
    opened = replace(batch, portrait_inner=teeth, inner=teeth.expand(GROUP_FRAMES, -1, -1, -1))
    assert painted_features(model, opened).either.amax(dim=(1, 2, 3)).min() > 0.9
    plain = painted_features(model, batch)
    assert (made.weight - plain.weight).max() == pytest.approx(TEETH_WEIGHT, rel=0.2)


def test_the_cover_learns_alone(model, batch) -> None:
    losses = painting_losses(mouths_by(model.decoder.cover, unpainted(model, batch), batch))
    assert set(losses) == {"mouth", "mouth_gradient", "opening", "inside"}
    model.zero_grad()
    sum(losses.values()).backward()
    learned = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert learned
    assert all(name.startswith("decoder.cover.") for name in learned)


def test_inside_of_others_mouths_nothing_is_learned(model, batch) -> None:
    """Teeth are learned from models; elsewhere lips count, and what lies between them does not."""
    x, y = ((mouth_middle(batch.points)[0] + 1) / 2 * SIDE).round().int().tolist()
    opening = torch.zeros(GROUP_FRAMES, 1, SIDE, SIDE)
    opening[..., y - 2 : y + 2, x - 3 : x + 3] = 1.0
    opened = replace(batch, inner=opening)
    seen = unpainted(model, opened)
    painter, teeth = model.decoder.mouth, torch.zeros(1, IDENTITY_CHANNELS)
    theirs = mouths_by(painter, seen, opened, teeth, torch.tensor([True]))
    others = mouths_by(painter, seen, opened, teeth, torch.tensor([False]))
    assert torch.equal(theirs.taught, theirs.inner)
    assert others.taught.max() == 0.0
    assert others.weight[theirs.inner > 0].max() == 0.0
    assert torch.equal(others.inner, theirs.inner), "how far a mouth opens is learned from all"
    beside = torch.nn.functional.max_pool2d(theirs.inner, 9, stride=1, padding=4) == 0
    assert torch.equal(others.weight[beside], theirs.weight[beside])


# --- the warp below the painters ------------------------------------------------------------------
@pytest.fixture
def pushed(batch) -> Batch:
    """The same before a portrait with a slope from dark to bright, all pixels moved by a tenth."""
    slope = torch.linspace(-0.8, 0.8, SIDE).expand(1, 3, SIDE, SIDE).contiguous()
    frames = ((slope + 0.08 + 1.0) * 127.5).round().to(torch.uint8)
    offset = batch.offset.clone()
    offset[:, 0] = 0.1  # where each place lies in the portrait: to the right, where it is brighter
    return replace(
        batch,
        portraits=slope,
        frames=frames.expand(1, GROUP_FRAMES, -1, -1, -1),
        offset=offset,
        known=batch.known + 1.0,
    )


@pytest.mark.parametrize("part", ["decoder", "warp"])
@pytest.mark.parametrize("term", ["flow", "square"])
def test_warps_move_to_where_the_pixels_are_from(pushed, part, term) -> None:
    torch.manual_seed(0)
    model = trained_in_part(part, None)
    losses = LOSSES[part](model, pushed)
    assert set(losses) == {"flow", "square"}
    losses[term].backward()
    assert model.decoder.flow.bias.grad[0] < 0, "more to the right is better"


def test_the_warp_learns_under_painters_that_stay(pushed) -> None:
    model = trained_in_part("warp", None)
    sum(LOSSES["warp"](model, pushed).values()).backward()
    learned = {name for name, weight in model.named_parameters() if weight.grad is not None}
    painters = ("decoder.mouth.", "decoder.cover.", "decoder.eye.", "decoder.lids.")
    assert not {
        name for name in learned if name.startswith((*painters, "reader.", "flow_guesser."))
    }
    assert {"decoder.flow.weight", "decoder.finer_flow.weight", "pyramid.stem.weight"} <= learned
    assert {"decoder.outline.flow.weight", "pyramid.finest_static.weight"} <= learned


def test_teeth_are_no_concern_of_the_warp_alone(pushed) -> None:
    opened = replace(pushed, inner=torch.ones_like(pushed.inner))
    model = trained_in_part("decoder", None)
    assert LOSSES["decoder"](model, opened)["square"] == 0.0
    assert LOSSES["warp"](model, opened)["square"] > 0.0


def test_polishing_moves_painters_and_nothing_else_toward_what_is_true(pushed) -> None:
    torch.manual_seed(0)
    model = trained_in_part("polish", None)
    half_open = paint(face(gap=0.03), torch.zeros(1, 2), (SIDE // 32, SIDE // 32))
    half_open = half_open.repeat(1, GROUP_FRAMES, 1, 1)
    # one painter draws it in part, one the rest
    pushed = replace(pushed, points=face(gap=0.06), codes=half_open)
    losses = LOSSES["polish"](model, pushed)
    assert set(losses) == {"mouth", "mouth_gradient"}
    sum(losses.values()).backward()
    learned = {name for name, weight in model.named_parameters() if weight.grad is not None}
    painters = ("decoder.mouth.", "decoder.cover.")
    assert all(any(name.startswith(each) for name in learned) for each in painters)
    assert all(name.startswith(painters) for name in learned)
    brighter = replace(pushed, frames=torch.full_like(pushed.frames, 255))
    model.zero_grad()
    LOSSES["polish"](model, brighter)["mouth"].backward()
    assert model.decoder.mouth.color.bias.grad[:3].max() < 0, "brighter paint is better"


def test_a_flow_learns_from_pixels_and_not_from_where_teeth_stand(model, batch) -> None:
    """Chins would bend for teeth to vanish."""
    guidance = guidance_of(model, batch)
    code = torch.zeros(1, len(FEATURES), SIDE // 32, SIDE // 32)
    flow = torch.zeros(1, 2, SIDE // 2, SIDE // 2, requires_grad=True)
    grid = sampling_grid(flow.detach())
    for paint_over in (model.decoder.paint_mouths, model.decoder.paint_eyes):
        pictures = paint_over(code, flow, grid, guidance).picture
        (gradient,) = torch.autograd.grad(pictures.sum(), flow, allow_unused=True)
        assert gradient is None
    portraits = torch.rand(1, 3, SIDE, SIDE)
    guidance = guidance_of(model, replace(batch, portraits=portraits))
    grid.requires_grad_()
    state = mouth_states(code, flow.detach(), guidance)
    painted, _ = paint_crops(model.decoder.mouth, state, grid, guidance.source)
    for part in (painted.color, painted.alpha_logits):
        assert torch.autograd.grad(part.sum(), grid, allow_unused=True)[0] is None
    drawn = model.decoder.render(code, flow, guidance)
    assert torch.autograd.grad(drawn.sum(), flow)[0].abs().max() > 0.0
