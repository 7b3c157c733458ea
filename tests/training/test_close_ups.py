from dataclasses import replace

import pytest
import torch
from faces import face

from flashtalk.config import TINY
from flashtalk.models.autoencoder import PortraitAutoencoder
from flashtalk.models.face_code import FEATURES, GROUP_FRAMES, mouth_middle
from flashtalk.training.autoencoder import TEETH_WEIGHT, close_ups, painting_losses
from flashtalk.training.groups import Batch

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
        windows=torch.zeros(GROUP_FRAMES, 4, dtype=torch.long),
        codes=torch.zeros(1, TINY.autoencoder.latent_channels, SIDE // 32, SIDE // 32),
        portrait_codes=torch.zeros(1, len(FEATURES), SIDE // 32, SIDE // 32),
        points=points,
    )


def test_shut_lips_have_nothing_to_paint(model, batch) -> None:
    assert close_ups(model, batch).inner.max() == 0.0


def test_teeth_of_the_portrait_are_to_be_painted_over(model, batch) -> None:
    x, y = ((mouth_middle(batch.points)[0] + 1) / 2 * SIDE).round().int().tolist()
    teeth = batch.portrait_inner.clone()
    teeth[..., y - 2 : y + 2, x - 3 : x + 3] = 1.0
    made = close_ups(model, replace(batch, portrait_inner=teeth))
    assert made.inner.shape == made.weight.shape
    assert made.either.max() == 0.0, "the frame's lips are shut"
    assert made.inner.amax(dim=(1, 2, 3)).min() > 0.9
    assert 12 < made.inner[0].sum() < 40  # 24 pixels, moved by less than one
    opened = replace(batch, portrait_inner=teeth, inner=teeth.expand(GROUP_FRAMES, -1, -1, -1))
    assert close_ups(model, opened).either.amax(dim=(1, 2, 3)).min() > 0.9
    plain = close_ups(model, batch)
    assert (made.weight - plain.weight).max() == pytest.approx(TEETH_WEIGHT, rel=0.2)


def test_the_cover_learns_alone(model, batch) -> None:
    losses = painting_losses(close_ups(model, batch, cover=True))
    assert set(losses) == {"mouth", "mouth_gradient", "opening", "inside"}
    model.zero_grad()
    sum(losses.values()).backward()
    learned = {name for name, weight in model.named_parameters() if weight.grad is not None}
    assert learned
    assert all(name.startswith("decoder.cover.") for name in learned)
