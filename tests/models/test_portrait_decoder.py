from dataclasses import replace

import pytest
import torch
from faces import face

from flashtalk.config import TINY
from flashtalk.models.autoencoder import PortraitAutoencoder
from flashtalk.models.face_code import paint
from flashtalk.models.guidance import Guidance

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
def test_the_cover_draws_shut_lips_of_portraits_with_teeth_and_nothing_else(model) -> None:
    code = codes(0.0, 0.16, 0.1)  # shut, open, and a little more shut than the portrait with teeth
    shut, teeth = guidance(model, 0.0), guidance(model, 0.12)
    for painter, known, changed in (
        ("cover", shut, [False, False, False]),
        ("cover", teeth, [True, False, True]),
        ("mouth", shut, [True, True, True]),
        ("mouth", teeth, [False, True, True]),
    ):
        spoiled = PortraitAutoencoder(TINY.autoencoder).eval()
        spoiled.load_state_dict(model.state_dict())
        getattr(spoiled.decoder, painter).color.bias.add_(1.0)
        one, other = (each.decoder.pictures(code, known) for each in (model, spoiled))
        found = [not torch.equal(a, b) for a, b in zip(one, other, strict=True)]
        assert found == changed, (painter, found)


@torch.no_grad()
def test_portraits_in_a_batch_are_drawn_as_alone(model) -> None:
    """Of which one shows teeth and the other does not."""
    both = guidance(model, 0.0, 0.12)
    code = codes(0.0, 0.06, 0.0, 0.06)
    together = model.decoder.pictures(code, both)
    for index in range(2):
        alone = replace(
            both, **{name: value[index : index + 1] for name, value in vars(both).items()}
        )
        found = model.decoder.pictures(code[2 * index : 2 * index + 2], alone)
        assert torch.allclose(found, together[2 * index : 2 * index + 2], atol=1e-4)
