"""A picture made by a known warp: is the warp found again?"""

import torch
import torch.nn.functional as F

from flashtalk.models.maps import identity_grid
from flashtalk.models.registration import grid_of, slopes, step

NODES, SIZE = (4, 4), (32, 32)


def textured() -> torch.Tensor:
    """A smooth random gray picture [1, 1, 32, 32]."""
    torch.manual_seed(3)
    noise = torch.randn(1, 1, 9, 9)
    return F.interpolate(noise, size=SIZE, mode="bicubic", align_corners=True) / 2


def positions_for(flow: torch.Tensor) -> torch.Tensor:
    full = F.interpolate(flow, size=SIZE, mode="bilinear", align_corners=False)
    return identity_grid(full) + full.permute(0, 2, 3, 1)


def found(target: torch.Tensor, portrait: torch.Tensor, steps: int = 6) -> torch.Tensor:
    seen = torch.cat((portrait, slopes(portrait)), dim=1)
    flow = torch.zeros(1, 2, *NODES)
    grid = grid_of(NODES, SIZE, torch.device("cpu"))
    for _ in range(steps):
        flow = flow + step(target, seen, positions_for(flow), grid, -flow)
    return flow


def test_a_known_warp_is_found() -> None:
    portrait = textured()
    torch.manual_seed(1)
    true = 0.06 * torch.randn(1, 2, *NODES)  # about a pixel
    target = F.grid_sample(
        portrait, positions_for(true), padding_mode="border", align_corners=False
    )
    error = (found(target, portrait) - true).abs().mean()
    assert error < 0.25 * true.abs().mean()


def test_nothing_moves_where_nothing_moved() -> None:
    portrait = textured()
    assert found(portrait, portrait).abs().max() < 1e-5


def test_without_texture_the_guess_stays() -> None:
    flat = torch.full((1, 1, *SIZE), 0.3)
    assert found(flat + 0.2, flat).abs().max() < 1e-5


def test_slopes_are_per_picture_unit() -> None:
    ramp = torch.linspace(-1 + 1 / 32, 1 - 1 / 32, 32).expand(1, 1, 32, 32)
    inner = slopes(ramp)[..., 1:-1, 1:-1]
    assert torch.allclose(inner[:, 0], torch.ones(1, 30, 30), atol=1e-5)
    assert inner[:, 1].abs().max() < 1e-6
