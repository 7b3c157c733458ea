"""Where the frames of a chunk begin."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError
from flashtalk.models.tiny.denoiser import TinyDenoiser
from flashtalk.models.tiny.face_code import FEATURES, FLOW_PLACE, GROUP_FRAMES
from flashtalk.models.tiny.flow_anchor import FlowAnchor, FlowPrior, disable_flow_prior, remaining
from lab.training.data.flow_augment import unbending_error

VALUES = len(FEATURES)


def codes_of(latents: Tensor) -> Tensor:
    """[B, 4 D, T, h, w] -> frame by frame [B, 4 T, D, h, w]."""
    return latents.unflatten(1, (GROUP_FRAMES, -1)).permute(0, 3, 1, 2, 4, 5).flatten(1, 2)


@pytest.fixture
def latents() -> Tensor:
    return torch.randn(
        2, GROUP_FRAMES * VALUES, 9, 8, 8, generator=torch.Generator().manual_seed(1)
    )


def test_all_frames_begin_at_the_last_given_one(latents: Tensor) -> None:
    anchor = FlowAnchor(replace(TINY.transformer, flow_prior_cells=None))
    anchor.share[2:] = 0.5
    begin = codes_of(anchor(latents, torch.zeros(2, 44, 8, 8), num_motion=2))
    last = codes_of(latents)[:, 7]
    assert begin.shape == (2, 36, VALUES, 8, 8)
    assert torch.equal(begin[:, 20, :2], last[:, :2])
    assert torch.equal(begin[:, 35, 2:], 0.5 * last[:, 2:])


def test_displacements_return_to_those_of_a_face_within_the_chunk(latents: Tensor) -> None:
    anchor = FlowAnchor(TINY.transformer).requires_grad_(False)
    with torch.no_grad():
        anchor.flow_prior.last.bias.fill_(0.7)  # "every displacement is 0.7 too large"
    begin = codes_of(anchor(latents, torch.zeros(2, 44, 8, 8), num_motion=2))
    last = codes_of(latents)[:, 7]
    assert torch.equal(begin[:, :, FLOW_PLACE.stop :], last[:, None, 2:].expand(-1, 36, -1, -1, -1))
    moved = (last[:, None] - begin)[:, :, FLOW_PLACE].mean(dim=(0, 2, 3, 4))
    assert torch.allclose(moved[:8], torch.zeros(8), atol=1e-5)
    assert (moved[8:].diff() > 0).all()
    assert 0.6 < moved[-1] < 0.7
    assert torch.allclose(moved[8], 0.7 * (1 - remaining(4, 9, 2, latents.device)[0, 2]), atol=1e-4)


def test_its_weights_may_have_sixteen_bits(latents: Tensor) -> None:
    """So they are where a sharded training gathers them."""
    anchor = FlowAnchor(TINY.transformer).requires_grad_(False)
    torch.nn.init.normal_(anchor.flow_prior.last.weight, std=0.02)
    begin = [anchor.to(dtype)(latents, latents[:, :, 0], 2) for dtype in (None, torch.bfloat16)]
    assert begin[1].dtype == torch.float32
    assert 0 < (begin[0] - begin[1]).abs().max() < 0.1


def test_the_prior_can_be_left_out(latents: Tensor) -> None:
    torch.manual_seed(3)
    transformer = TinyDenoiser(TINY.transformer).eval()
    torch.nn.init.normal_(transformer.flow_anchor.flow_prior.last.weight, std=0.1)
    with torch.no_grad():
        returning = transformer.flow_anchor(latents, latents[:, :, 0], 2)
        disable_flow_prior(transformer)
        staying = transformer.flow_anchor(latents, latents[:, :, 0], 2)
    assert torch.equal(staying[:, :, -1], staying[:, :, 0])
    assert torch.equal(returning[:, :, 0], staying[:, :, 0])
    assert not torch.allclose(returning[:, :, -1], staying[:, :, -1], atol=1e-2)
    without = TinyDenoiser(replace(TINY.transformer, flow_prior_cells=None))
    with pytest.raises(FlashTalkError, match="have no flow prior"):
        disable_flow_prior(without)


def test_the_network_learns_what_no_face_does() -> None:
    """Faces that only ever shift as a whole: whatever bends them is noise."""
    torch.manual_seed(0)
    network = FlowPrior(VALUES, (8, 8))
    portraits = torch.randn(1, VALUES, 8, 8).expand(256, -1, -1, -1)

    def faces() -> Tensor:
        codes = torch.zeros(256, VALUES, 8, 8)
        codes[:, FLOW_PLACE] = torch.randn(256, 2, 1, 1)
        return codes

    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    before = unbending_error(network, faces(), portraits).item()
    for _ in range(200):
        optimizer.zero_grad()
        unbending_error(network, faces(), portraits).backward()
        optimizer.step()
    after = unbending_error(network, faces(), portraits).item()
    assert after < 0.5 * before
