"""What covers a mouth moves with the head alone."""

import torch
from faces import face

from flashtalk.models.tiny.covered_mouth import hold_covered, similarity_flow
from flashtalk.models.tiny.maps import cell_centers

SIDE = 64


def head(x: float, y: float, turn: float) -> torch.Tensor:
    """The flow [1, 2, 64, 64] of a head that moves and turns a little."""
    places = cell_centers(SIDE, torch.zeros(1))
    across, down = torch.meshgrid(places, places, indexing="xy")
    return torch.stack((x - turn * down, y + turn * across))[None]


def test_a_shift_and_a_turn_are_found_from_a_part_of_them() -> None:
    flow, mask = head(0.03, -0.02, 0.1), torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    mask[:, 10:30, 20:44] = True
    assert torch.allclose(similarity_flow(flow, mask), flow, atol=1e-5)


def test_a_jaw_under_a_cover_does_not_bend_it() -> None:
    still = head(0.03, -0.02, 0.1)
    talking = still.clone()
    talking[:, 1, 40:58, 20:44] -= 0.1  # mouth and chin are lower than in the portrait
    held = hold_covered(talking, face(), torch.tensor([1.0]))
    assert (held - still)[:, :, 40:50, 24:40].abs().max() < 2e-3
    assert torch.allclose(held[:, :, :8], talking[:, :, :8], atol=1e-3), "far away nothing changes"
    half = hold_covered(talking, face(), torch.tensor([0.5]))
    assert torch.allclose(half, (held + talking) / 2, atol=1e-6)


def test_a_mouth_that_is_seen_moves_as_it_did_to_the_byte() -> None:
    flow = torch.randn(1, 2, SIDE, SIDE)
    assert torch.equal(hold_covered(flow, face(), torch.tensor([0.0])), flow)
