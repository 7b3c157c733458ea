"""2 and 4 processes over gloo: a talk that is shared out is the talk of one process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan
from processes import together
from published_toy import PUBLISHED_TOY, build_published_toy, states
from scenes import scene_of
from torch import Tensor

from flashtalk.acceleration.compiled import compile_networks, compile_shared
from flashtalk.conditions import gather_conditions
from flashtalk.config import FOURTEEN_B, MODES
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.models.published.wan_vae import WanAutoencoder
from flashtalk.parallel.autoencoder import SharedAutoencoder
from flashtalk.parallel.denoiser import SharedDenoiser, shareable
from flashtalk.parallel.mesh import mesh_of, ulysses_degree
from flashtalk.parallel.ranks import Ranks, rank_count, rank_device, shares
from flashtalk.parallel.ring import attention_with_lse, merged, require_lse
from flashtalk.parallel.team import Team
from flashtalk.stream.chunk import advance
from flashtalk.stream.state import opening_state

TOLERANCE = 1e-4
"""Root mean square in pictures of -1 .. 1; random weights make more of it in single pixels."""
SIZES = ((80, 32), (112, 16))
"""Height and width: 5 and 7 rows of patches, which neither 2 nor 4 processes divide."""
HEADS = 5
CELLS_PX = 8
GRIDS = sorted(
    {size[0] for mode in MODES.values() for size in mode.sizes}
    | {size[0] for size in FOURTEEN_B.sizes}
)
"""Heights in pixels of every picture that the 14B makes: its rows are shared, its columns not."""


def networks() -> Networks:
    """The toy with heads that no process count divides.

    Of the sampler's steps, one has fresh noise after it and the last one none; more are alike.
    """
    config = replace(PUBLISHED_TOY.transformer, dim=40, heads=HEADS)
    return build_published_toy(replace(PUBLISHED_TOY, transformer=config).with_sampler(steps=2))


@torch.inference_mode()
def videos_of(made: Networks) -> list[Tensor]:
    """Two chunks at each size."""
    videos = []
    for size in SIZES:
        geometry = made.preset.geometry.sized(*size)
        sized = replace(made, preset=replace(made.preset, geometry=geometry))
        coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(2)) * 2 - 1
        portrait = torch.nn.functional.interpolate(coarse, size, mode="bilinear")
        conditions = gather_conditions(sized, portrait, **states(0))
        scene, state = scene_of(sized, conditions), opening_state(conditions, 3)
        speech = sized.preset.transformer.speech
        shape = (1, 13, speech.window_frames, speech.layers, speech.width)
        heard = torch.randn(shape, generator=torch.Generator().manual_seed(4))
        for _ in range(2):
            video, state = advance(scene, state, heard)
            videos.append(video)
    return videos


def close(found: list[Tensor], expected: list[Tensor]) -> None:
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        away = (one - other).abs()
        assert away.square().mean().sqrt() < TOLERANCE and away.max() < 10 * TOLERANCE


@pytest.fixture(scope="module")
def alone() -> list[Tensor]:
    return videos_of(networks())


@pytest.mark.parametrize("count", [2, 4])
def test_a_talk_on_shared_tokens_and_a_shared_autoencoder(
    count: int, alone: list[Tensor], tmp_path: Path
) -> None:
    """Heads exchanged by all (Ulysses), by none (ring) and, of four, by pairs in two rings."""
    degrees = [degree for degree in (1, 2, 4) if count % degree == 0]

    def work(ranks: Ranks) -> None:
        for degree in degrees:
            made, team = networks(), Team(ranks)
            shared = SharedDenoiser(made.transformer, team, mesh_of(ranks, degree))
            coder = SharedAutoencoder(made.autoencoder, team, CELLS_PX)
            team.watch(60)
            if degree == 2 == count:  # graphs that break where ranks exchange
                compile_networks(made, backend="eager")
                compile_shared(made, backend="eager")
                assert all(block._compiled_call_impl for block in made.transformer.blocks)
            if not ranks.leads:
                team.follow()
                continue
            # how heads are exchanged is nothing to the autoencoder: elsewhere rank 0 alone decodes
            decodes = coder if degree == 2 else networks().autoencoder
            shown = replace(made, transformer=shared, autoencoder=decodes)
            torch.save(videos_of(shown), tmp_path / f"{degree}.pt")
            team.end()

    together(count, work)
    for degree in degrees:
        close(torch.load(tmp_path / f"{degree}.pt"), alone)


def autoencoder() -> WanAutoencoder:
    """The published layers at toy width; in float64, so that only a wrong border could be seen."""
    torch.manual_seed(1)
    sizes = {"base_dim": 4, "z_dim": 4, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 1}
    statistics = {"latents_mean": [0.1] * 4, "latents_std": [0.9] * 4}
    vae = AutoencoderKLWan(**sizes, **statistics).double()
    return WanAutoencoder(vae).eval().requires_grad_(False)


@pytest.mark.parametrize("count", [2, 4])
def test_no_border_is_seen_in_any_grid_of_the_14b(count: int, tmp_path: Path) -> None:
    """Motion frames are encoded, and the latents of five frames decoded, as by one process."""
    whole = autoencoder()
    draw = torch.Generator().manual_seed(5)
    given = [
        (
            torch.rand(1, 3, 5, height, 16, generator=draw) * 2 - 1,
            torch.randn(cells, generator=draw),
        )
        for height in GRIDS
        for cells in [(1, 4, 2, height // CELLS_PX, 2)]
    ]

    def work(ranks: Ranks) -> None:
        team = Team(ranks)
        shared = SharedAutoencoder(autoencoder(), team, CELLS_PX)
        if not ranks.leads:
            team.follow()
            return
        with torch.inference_mode():
            made = [(shared.encode(video), shared.decode(latents)) for video, latents in given]
        torch.save(made, tmp_path / "made.pt")
        team.end()

    together(count, work)
    for height, (video, latents), (encoded, decoded) in zip(
        GRIDS, given, torch.load(tmp_path / "made.pt"), strict=True
    ):
        with torch.inference_mode():
            for one, other in ((encoded, whole.encode(video)), (decoded, whole.decode(latents))):
                assert one.shape == other.shape, height
                assert (one - other).abs().max() < 1e-6, height


def test_partial_softmaxes_merge_to_the_whole() -> None:
    """Blocks of different lengths, one of a single key, with weights far apart."""
    draw = torch.Generator().manual_seed(0)
    q, k, v = (8 * torch.randn(2, length, 3, 8, generator=draw) for length in (6, 11, 11))
    whole, whole_lse = attention_with_lse(q, k, v)
    blocks = zip(k.split([7, 1, 3], dim=1), v.split([7, 1, 3], dim=1), strict=True)
    first, *others = [attention_with_lse(q, *block) for block in blocks]
    found, lse = first
    for other in others:
        found, lse = merged(found, lse, *other)
    # products reach 500, where float32 has steps of 3e-5
    torch.testing.assert_close(found, whole, atol=1e-4, rtol=1.3e-6)
    torch.testing.assert_close(lse, whole_lse)


def test_how_many_ranks_exchange_heads() -> None:
    assert [ulysses_degree(count, 40) for count in (1, 2, 3, 8, 12, 16, 40, 41, 48)] == [
        *(1, 2, 3, 8),
        *(4, 8, 40, 1, 8),
    ]
    assert ulysses_degree(4, 40, asked=2) == 2
    for asked in (0, 3, 8):
        with pytest.raises(FlashTalkError, match=rf"divisor.* \(4\).*\(40\), got {asked}\. Leave"):
            ulysses_degree(4, 40, asked)
    require_lse("flash3")
    with pytest.raises(FlashTalkError, match=r"attention=sage .*Use attention=sdpa or"):
        require_lse("sage")


def test_what_cannot_be_shared_is_a_sentence(toy_networks: Networks) -> None:
    transformer = networks().transformer
    shareable(transformer, 5, 5)
    with pytest.raises(FlashTalkError, match=r"4 processes.* 3 rows.*node 3 or less"):
        shareable(transformer, 4, 3)
    with pytest.raises(FlashTalkError, match="flashtalk-tiny runs in one process"):
        shareable(toy_networks.transformer, 2, 8)


@pytest.mark.parametrize(("count", "parts"), [(7, 3), (4, 4), (48, 8), (9, 2)])
def test_shares_are_contiguous_and_even(count: int, parts: int) -> None:
    found = shares(count, parts)
    assert [number for start, stop in found for number in range(start, stop)] == [*range(count)]
    sizes = [stop - start for start, stop in found]
    assert len(found) == parts and max(sizes) - min(sizes) <= 1


def test_variables_that_torchrun_would_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert rank_count() == 1
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(FlashTalkError, match="number from 1 up, got 'two'"):
        rank_count()
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(FlashTalkError, match="torchrun --nproc-per-node 4"):
        rank_count()
    monkeypatch.setenv("LOCAL_RANK", "3")
    with pytest.raises(FlashTalkError, match=r"GPUs \(\d+\)"):
        rank_device("cuda")
    assert rank_device("cpu") == "cpu"
