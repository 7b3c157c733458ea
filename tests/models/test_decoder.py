from copy import deepcopy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from faces import face

from flashtalk.config import TINY
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.crops import paint_crops
from flashtalk.models.tiny.decoder import mouth_states, sampling_grid
from flashtalk.models.tiny.face_code import paint
from flashtalk.models.tiny.guidance import Guidance

SIDE = 64


@pytest.fixture(scope="module")
def model() -> PortraitAutoencoder:
    torch.manual_seed(0)
    return PortraitAutoencoder(TINY.autoencoder).eval()


def guidance(model: PortraitAutoencoder, *gaps: float) -> Guidance:
    """Portraits with lips so far apart."""
    portraits = torch.rand(len(gaps), 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    points = torch.cat([face(gap=gap) for gap in gaps])
    code = paint(points, torch.zeros(len(gaps), 2), (2, 2))
    return model.guidance(portraits * 2 - 1, code, points)


def codes(*gaps: float) -> torch.Tensor:
    """Frames with lips so far apart."""
    return torch.cat([paint(face(gap=gap), torch.zeros(1, 2), (2, 2)) for gap in gaps])


@torch.no_grad()
def test_an_outline_is_corrected_by_what_the_flow_has_fetched(model) -> None:
    outline = deepcopy(model.decoder.outline)
    for weight in (outline.fetched.weight, outline.trunk.weight, outline.second.weight):
        weight.zero_()
    for layer in (outline.fetched, outline.second):
        layer.weight[:, :, 1, 1] = torch.eye(layer.weight.shape[0])
    for layer in (outline.fetched, outline.trunk, outline.second):
        layer.bias.zero_()
    outline.flow.weight[:, :, 1, 1] = 1.0  # each correction: the sum of what was fetched
    known = guidance(model, 0.0)
    known = replace(known, finest_static=torch.zeros_like(known.finest_static))
    fetched = known.finest.sum(dim=1, keepdim=True)
    cells = SIDE // 4
    x = torch.zeros(1, 48, cells // 2, cells // 2)
    moved = torch.zeros(1, 2, cells, cells)
    moved[:, 0] = 2 / cells  # one cell to the right
    for offset, expected in ((moved * 0, fetched), (moved, fetched.roll(-1, dims=3))):
        found = outline(x, offset, known)
        assert found.shape == (1, 2, 2 * cells, 2 * cells)
        change = F.avg_pool2d(found, 2) - offset
        assert torch.allclose(change[..., :-1], expected[..., :-1].expand(1, 2, -1, -1), atol=1e-4)


def test_an_untrained_outline_changes_nothing() -> None:
    fresh = PortraitAutoencoder(TINY.autoencoder).eval()
    offset = torch.rand(1, 2, SIDE // 4, SIDE // 4)
    found = fresh.decoder.outline(
        torch.rand(1, 48, SIDE // 8, SIDE // 8), offset, guidance(fresh, 0.0)
    )
    assert torch.allclose(
        found, F.interpolate(offset, scale_factor=2.0, mode="bilinear", align_corners=False)
    )


@torch.no_grad()
def drawn_by(model, painter: str, code: torch.Tensor, known: Guidance) -> list[bool]:
    """Which frames look different once ``painter`` has other colors."""
    spoiled = deepcopy(model)
    getattr(spoiled.decoder, painter).color.bias.add_(1.0)
    one, other = (each.decoder(code, known) for each in (model, spoiled))
    return [not torch.equal(a, b) for a, b in zip(one, other, strict=True)]


@torch.no_grad()
def test_the_cover_draws_shut_lips_of_portraits_with_teeth_and_nothing_else(model) -> None:
    code = codes(0.0, 0.16, 0.1)  # shut, open, and a little more shut than the portrait with teeth
    shut, teeth = guidance(model, 0.0), guidance(model, 0.12)
    for painter, known, changed in (
        ("cover", shut, [False, False, False]),
        ("cover", teeth, [True, False, True]),
        ("mouth", shut, [True, True, True]),
        ("mouth", teeth, [False, True, True]),
    ):
        found = drawn_by(model, painter, code, known)
        assert found == changed, (painter, found)


@torch.no_grad()
def test_shut_lids_have_a_painter_of_their_own(model) -> None:
    known = guidance(model, 0.0)  # eyes 0.04 open
    code = torch.cat(
        [paint(face(lids=lids), torch.zeros(1, 2), (2, 2)) for lids in (0.0, 0.04, 0.022)]
    )
    assert drawn_by(model, "lids", code, known) == [True, False, True]
    assert drawn_by(model, "eye", code, known) == [False, True, True]


@torch.no_grad()
def test_portraits_in_a_batch_are_drawn_as_alone(model) -> None:
    """Of which one shows teeth and the other does not."""
    both = guidance(model, 0.0, 0.12)
    code = codes(0.0, 0.06, 0.0, 0.06)
    together = model.decoder(code, both)
    for index in range(2):
        alone = replace(
            both,
            **{
                name: value[index : index + 1]
                for name, value in vars(both).items()
                if value is not None
            },
        )
        found = model.decoder(code[2 * index : 2 * index + 2], alone)
        assert torch.allclose(found, together[2 * index : 2 * index + 2], atol=1e-4)


@torch.no_grad()
def test_what_nobody_is_sure_of_is_not_painted(model) -> None:
    known = guidance(model, 0.0)
    code = codes(0.0, 0.1)
    for painters, confidence in ((("mouth", "cover"), [0.0, 1.0]), (("eye", "lids"), [1.0, 0.0])):
        unsure = replace(known, confidence=torch.tensor([confidence]))
        assert not any(any(drawn_by(model, painter, code, unsure)) for painter in painters)
    half = replace(known, confidence=torch.tensor([[1.0, 0.5]]))
    none = replace(known, confidence=torch.tensor([[1.0, 0.0]]))
    whole, faded, bare = (model.decoder(code, each) for each in (known, half, none))
    # both eyes' crops overlap a little
    change, half_change = ((each - bare).abs().mean() for each in (whole, faded))
    assert half_change.item() == pytest.approx(change.item() / 2, rel=0.05)


@torch.no_grad()
def test_what_is_painted_in_a_mouth_keeps_the_tone_of_the_face(model) -> None:
    known = replace(guidance(model, 0.0), tone=torch.tensor([[0.0, 1.0, 1.0, 1.0, 1.0]]))
    code = codes(0.1)
    flow = model.decoder.flow_of(code, known)
    state = mouth_states(code, flow, known)
    painted, _ = paint_crops(
        model.decoder.mouth, state, sampling_grid(flow), known.source, tone=known.tone
    )
    assert painted.color.max() <= -1.0 + 1e-5
