"""Lips of photographs are opened further; those of rendered people as far as codes say."""

import pytest
import torch

from flashtalk.models.tiny.face_code import FEATURES, LANDMARKS, UNITS, index_of, paint
from flashtalk.models.tiny.lip_gain import GAIN, open_wider

GAP, LOWER = 0.05, LANDMARKS.index("inner_lower_lip")


def code_of(gap: float) -> torch.Tensor:
    """The code [1, D, 8, 8] of a mouth in the middle whose lips are ``gap`` picture units apart."""
    points = torch.zeros(1, len(LANDMARKS), 2)
    points[0, LOWER, 1] = gap
    return paint(points, torch.zeros(1, 2), (8, 8))


def added(name: str, gap: float, meshed: bool) -> float:
    """What is added to a value of the mouth, in picture units."""
    code = code_of(gap)
    change = open_wider(code, torch.tensor([meshed])) - code
    others = [FEATURES.index(each) for each in FEATURES if each not in SHARES]
    assert not change[:, others].any()
    brushed = code_of(1.0)[:, index_of("lip_gap")].amax() * UNITS["lip_gap"][1]
    return float(change[:, index_of(name)].amax() * UNITS[name][1] / brushed)


SHARES = {"lip_gap": 1.0, "lip_height": 1.0, "jaw": 0.7}


@pytest.mark.parametrize("name", SHARES)
def test_a_photograph_opens_its_lips_further_the_less_they_are_open(name: str) -> None:
    small, wide = (added(name, gap, meshed=True) / gap for gap in (0.001, 0.1))
    assert small == pytest.approx(GAIN * SHARES[name], rel=0.05)
    assert 0.2 * small < wide < 0.5 * small


def test_shut_lips_stay_shut_and_rendered_ones_as_they_are() -> None:
    for name in SHARES:
        assert added(name, 0.0, meshed=True) == 0.0
        assert added(name, GAP, meshed=False) == 0.0


def test_each_frame_is_its_own_persons() -> None:
    codes = code_of(GAP).expand(2, -1, -1, -1)
    wider = open_wider(codes, torch.tensor([True, False]))
    assert (wider[0] - codes[0]).amax() > 0.0
    assert torch.equal(wider[1], codes[1])
