"""Other voices and gaps in log-mel pictures: what moves, what is hidden, and that time stays."""

import pytest
import torch

from flashtalk.training.hearing import GAP_FRAMES, hide, move_formants, other_voices


def peak_at(bin_: int, bins: int = 64, frames: int = 200) -> torch.Tensor:
    return torch.exp(-0.5 * ((torch.arange(bins) - bin_) / 2.0) ** 2)[None, :, None].expand(
        1, bins, frames
    )


def test_a_shorter_tract_moves_formants_up() -> None:
    for factor, wanted in ((1.1, 33), (1.0, 30), (0.9, 27)):
        moved = move_formants(peak_at(30), torch.tensor([factor]))
        assert moved[0, :, 0].argmax() == wanted
        assert moved.amax() == pytest.approx(1.0, abs=0.05)


def test_each_item_has_its_own_tract_and_time_stays() -> None:
    torch.manual_seed(0)
    said = torch.randn(2, 64, 30)
    moved = move_formants(said, torch.tensor([1.0, 1.1]))
    assert torch.equal(moved[0], said[0])
    assert not torch.allclose(moved[1], said[1])
    assert torch.equal(move_formants(said.flip(2), torch.tensor([1.0, 1.1])), moved.flip(2))


def test_hidden_bands_and_gaps_are_few_and_short() -> None:
    generator = torch.Generator().manual_seed(3)
    said = torch.arange(64 * 800.0).reshape(1, 64, 800).repeat(20, 1, 1)
    hidden = hide(said, generator) != said
    bands, gaps = hidden.all(dim=2), hidden.all(dim=1)
    assert 0.02 < bands.float().mean() < 0.4, "at most two fifths of all bins"
    assert 0.01 < gaps.float().mean() < 0.09
    assert torch.equal(hidden, bands[:, :, None] | gaps[:, None])
    assert len({tuple(row.tolist()) for row in bands}) > 10, "each item has bands of its own"
    first = gaps.int().diff(dim=1, prepend=torch.zeros(20, 1)) == 1
    assert gaps.sum() / first.sum() < GAP_FRAMES


def test_chance_is_the_generators() -> None:
    said = torch.randn(3, 64, 100)
    seeds = (torch.Generator().manual_seed(seed) for seed in (1, 1, 2))
    first, again, other = (other_voices(said, seed) for seed in seeds)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
