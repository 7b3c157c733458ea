"""A picture made by a known warp: is the warp found again?"""

import pytest
import torch
import torch.nn.functional as F

from flashtalk.models.tiny.maps import identity_grid, warp
from flashtalk.models.tiny.registration import displacement_grid, gauss_newton_step, image_gradient

NODES, SIZE = (4, 4), (32, 32)


def textured() -> torch.Tensor:
    """A smooth random gray picture [1, 1, 32, 32]."""
    torch.manual_seed(3)
    noise = torch.randn(1, 1, 9, 9)
    return F.interpolate(noise, size=SIZE, mode="bicubic", align_corners=True) / 2


def positions_for(flow: torch.Tensor) -> torch.Tensor:
    full = F.interpolate(flow, size=SIZE, mode="bilinear", align_corners=False)
    return identity_grid(full).permute(0, 3, 1, 2) + full


def found(target: torch.Tensor, portrait: torch.Tensor, steps: int = 6) -> torch.Tensor:
    seen = torch.cat((portrait, image_gradient(portrait)), dim=1)
    flow = torch.zeros(1, 2, *NODES)
    grid = displacement_grid(NODES, SIZE, torch.device("cpu"))
    for _ in range(steps):
        flow = flow + gauss_newton_step(target, seen, positions_for(flow), grid, -flow)
    return flow


def test_a_known_warp_is_found() -> None:
    portrait = textured()
    torch.manual_seed(1)
    true = 0.06 * torch.randn(1, 2, *NODES)  # about a pixel
    target = warp(portrait, positions_for(true))
    error = (found(target, portrait) - true).abs().mean()
    assert error < 0.25 * true.abs().mean()


@pytest.mark.parametrize("size", [(32, 24), (36, 20)])  # an even or odd number between two nodes
def test_sums_over_blocks_are_sums_over_bilinear_tents(size: tuple[int, int]) -> None:
    nodes = (4, 4)
    grid = displacement_grid(nodes, size, torch.device("cpu"))
    each = torch.eye(16).view(16, 1, *nodes)
    tents = F.interpolate(each, size=size, mode="bilinear", align_corners=False).flatten(1)
    values = torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    cut = grid.cut(values)
    sums = torch.zeros(16).index_add_(0, grid.nodes, (cut @ grid.corners.T).flatten())
    assert torch.allclose(sums, tents @ values.flatten(), atol=1e-4)
    sums = torch.zeros(256).index_add_(0, grid.pairs, (cut @ grid.products.T).flatten())
    assert torch.allclose(sums.view(16, 16), (tents * values.flatten()) @ tents.T, atol=1e-4)


def test_nothing_moves_where_nothing_moved() -> None:
    portrait = textured()
    assert found(portrait, portrait).abs().max() < 1e-5


def test_without_texture_the_guess_stays() -> None:
    flat = torch.full((1, 1, *SIZE), 0.3)
    assert found(flat + 0.2, flat).abs().max() < 1e-5


def test_gradients_are_per_picture_unit() -> None:
    ramp = torch.linspace(-1 + 1 / 32, 1 - 1 / 32, 32).expand(1, 1, 32, 32)
    inner = image_gradient(ramp)[..., 1:-1, 1:-1]
    assert torch.allclose(inner[:, 0], torch.ones(1, 30, 30), atol=1e-5)
    assert inner[:, 1].abs().max() < 1e-6
