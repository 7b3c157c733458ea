"""Every technique computes what the plain path computes, on whole chunks of both families."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from published_toy import build_published_toy, states
from scenes import scene_of
from torch import Tensor

from flashtalk.acceleration.ahead import Packages, run_ahead
from flashtalk.acceleration.apply import apply_acceleration
from flashtalk.acceleration.compiled import compile_networks, compiled_color
from flashtalk.acceleration.fp8_products import Fp8Linear, multiply_in_fp8
from flashtalk.acceleration.fused_qkv import fuse_qkv
from flashtalk.acceleration.graphs import Run, recorded, unrecorded
from flashtalk.acceleration.settings import DEFAULT, PLAIN, Acceleration, acceleration_of
from flashtalk.conditions import Conditions, gather_conditions
from flashtalk.errors import FlashTalkError
from flashtalk.models.dit.attention import SelfAttention
from flashtalk.models.dit.softmax_attention import Attend
from flashtalk.models.networks import Networks
from flashtalk.placement.fp8 import store_as_fp8
from flashtalk.stream.chunk import advance
from flashtalk.stream.color import MatchFrame, match_frame
from flashtalk.stream.state import opening_state

CPU = torch.device("cpu")
ROUNDING = 2e-4
"""Of pictures in [-1, 1]: sums in another order, through three chunks."""


@pytest.fixture(scope="module", params=["tiny", "14B"])
def plain(request: pytest.FixtureRequest) -> tuple[Networks, Conditions]:
    published = request.param == "14B"
    networks = build_published_toy() if published else request.getfixturevalue("toy_networks")
    geometry = networks.preset.geometry
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(2)) * 2 - 1
    size = (geometry.height_px, geometry.width_px)
    portrait = torch.nn.functional.interpolate(coarse, size, mode="bilinear")
    given = states(0) if published else {}
    with torch.inference_mode():
        return networks, gather_conditions(networks, portrait, **given)


@pytest.fixture
def networks(plain: tuple[Networks, Conditions]) -> Iterator[Networks]:
    """A copy that a test may change; what is set for the whole process is set back."""
    yield copy.deepcopy(plain[0])
    apply_acceleration(plain[0], PLAIN, CPU)
    torch.compiler.reset()


@torch.inference_mode()
def video_of(
    networks: Networks, conditions: Conditions, frame_match: MatchFrame = match_frame
) -> Tensor:
    """Two chunks, the second of which continues the first."""
    scene = scene_of(networks, conditions, frame_match=frame_match)
    state, geometry = opening_state(conditions, 3), scene.geometry
    speech = networks.preset.transformer.speech
    draw = torch.Generator().manual_seed(4)
    shape = (1, geometry.chunk_frames, speech.window_frames, speech.layers, speech.width)
    videos = []
    for _ in range(2):
        video, state = advance(scene, state, torch.randn(shape, generator=draw))
        videos.append(video)
    return torch.cat(videos, dim=2)


def assert_rounded_alike(video: Tensor, expected: Tensor) -> None:
    """Random networks read their own frames wildly: after the first chunk only the mean counts."""
    first = video.shape[2] // 2
    away = (video - expected).abs()
    assert away[:, :, :first].max() < ROUNDING and away.mean() < ROUNDING


@pytest.mark.parametrize("words", [DEFAULT.words, "attention=math", "attention=flash", "fused-qkv"])
def test_what_rounds_alike(
    plain: tuple[Networks, Conditions], networks: Networks, words: str
) -> None:
    frame_match = apply_acceleration(networks, acceleration_of(words), CPU)
    assert_rounded_alike(video_of(networks, plain[1], frame_match), video_of(*plain))


def test_channels_last(plain: tuple[Networks, Conditions], networks: Networks) -> None:
    apply_acceleration(networks, acceleration_of("channels-last"), CPU)
    weights = [p for p in networks.autoencoder.parameters() if p.dim() in (4, 5) and p.shape[1] > 1]
    assert any(not weight.is_contiguous() for weight in weights)
    torch.testing.assert_close(
        video_of(networks, plain[1]), video_of(*plain), rtol=0, atol=ROUNDING
    )


def test_products_that_are_joined(networks: Networks) -> None:
    """Plain layers, and layers of 8 bits, where the rounded input is the same."""
    first, second = copy.deepcopy(networks.transformer.blocks), networks.transformer.blocks
    for blocks in (first, second):
        for block in blocks:  # a multiple of 16, as 8 bits need
            block.self_attn = SelfAttention(32, 2, 1e-6).requires_grad_(False)
    second.load_state_dict(first.state_dict())
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1, 6, 32, generator=draw)
    rotation = torch.polar(torch.ones(6, 1, 8), torch.randn(6, 1, 8, generator=draw))
    assert fuse_qkv(second.modules()) == len(second)
    assert fuse_qkv(second.modules()) == 0
    assert not hasattr(second[0].self_attn, "q")
    with torch.inference_mode():
        expected = first[0].self_attn(x, rotation)
        torch.testing.assert_close(second[0].self_attn(x, rotation), expected)
        for attention in (first[0].self_attn, eight := copy.deepcopy(first[0].self_attn)):
            for name in "qkv":
                setattr(attention, name, Fp8Linear(getattr(attention, name)))
        fuse_qkv([eight])
        assert isinstance(eight.qkv, Fp8Linear)
        torch.testing.assert_close(eight(x, rotation), first[0].self_attn(x, rotation))


def test_replayed_networks_compute_the_same_in_memory_of_their_own() -> None:
    """The recorder is a processor's: it runs again what a GPU would replay."""

    def recorder(run: Run) -> tuple[Tensor, Callable[[], None]]:
        result = run()
        made.append(tuple(result.shape))
        return result, partial(run_again, result, run)

    def run_again(result: Tensor, run: Run) -> None:
        result.copy_(run())

    made: list[tuple[int, ...]] = []
    networks = build_published_toy()
    geometry = networks.preset.geometry
    portrait = torch.rand(1, 3, geometry.height_px, geometry.width_px) * 2 - 1
    replayed = recorded(networks, recorder)
    with torch.inference_mode():
        conditions = gather_conditions(networks, portrait, **states(0))
        again = gather_conditions(replayed, portrait, **states(0))
        torch.testing.assert_close(again.reference_latents, conditions.reference_latents)
        first, second = torch.randn(2, *conditions.reference_latents.shape)
        kept = replayed.autoencoder.decode(first)
        before = kept.clone()
        replayed.autoencoder.decode(second)
        assert torch.equal(kept, before)  # a later call does not write into it
    torch.testing.assert_close(video_of(replayed, conditions), video_of(networks, conditions))
    # the portrait's clip and motion frames; two decodings; predictions, all of one shape
    assert len(made) == 5 and len(set(made)) == 4
    assert unrecorded(replayed) == networks


def test_kernels_are_really_exchanged(networks: Networks) -> None:
    def kernels() -> list[Attend]:
        return [each.attend for each in networks.transformer.modules() if hasattr(each, "attend")]

    before = kernels()
    apply_acceleration(networks, acceleration_of("attention=math"), CPU)
    after = kernels()
    layers = networks.preset.transformer.layers
    kinds = 3 if networks.preset.transformer.text_dim else 2
    assert len(after) == kinds * layers and not set(before) & set(after)
    apply_acceleration(networks, PLAIN, CPU)
    assert kernels() == before


def test_every_part_is_one_graph(plain: tuple[Networks, Conditions], networks: Networks) -> None:
    """``fullgraph`` raises where a graph would break; no kernels are built here."""
    compile_networks(networks, backend="eager")
    parts = (*networks.transformer.blocks, *networks.autoencoder.graphs())
    assert parts and all(part._compiled_call_impl is not None for part in parts)
    video = video_of(networks, plain[1], compiled_color(backend="eager"))
    torch.testing.assert_close(video, video_of(*plain), rtol=0, atol=ROUNDING)


def test_a_block_that_inductor_builds(toy_networks: Networks) -> None:
    """Of the family that is quicker to build; both have the same class of blocks."""
    networks = copy.deepcopy(toy_networks)
    block = networks.transformer.blocks[0]
    config, frames = networks.preset.transformer, 3
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1, frames * 2, config.dim, generator=draw)
    modulation = torch.randn(1, 6, config.dim, generator=draw)
    rotation = networks.transformer.rotary.of((frames, 1, 2), CPU)
    audio = torch.randn(1, frames, config.audio_tokens, config.audio_width, generator=draw)
    with torch.inference_mode():
        expected = block(x, modulation, rotation, audio, None, None)
        block.compile(fullgraph=True, dynamic=False)
        torch.testing.assert_close(block(x, modulation, rotation, audio, None, None), expected)


def test_a_block_that_is_compiled_ahead_runs_every_blocks_weights(
    toy_networks: Networks, tmp_path: Path
) -> None:
    networks = copy.deepcopy(toy_networks)
    transformer, config, frames = networks.transformer, networks.preset.transformer, 3
    draw = torch.Generator().manual_seed(0)
    given = (
        torch.randn(1, frames * 2, config.dim, generator=draw),
        torch.randn(1, 6, config.dim, generator=draw),
        transformer.rotary.of((frames, 1, 2), CPU),
        torch.randn(1, frames, config.audio_tokens, config.audio_width, generator=draw),
        None,
        None,
    )
    with torch.inference_mode():
        expected = [block(*given) for block in transformer.blocks]
        assert len(expected) > 1 and not torch.equal(expected[0], expected[1])
        run_ahead(transformer, Packages(tmp_path))
        found = [block(*given) for block in transformer.blocks for _ in range(2)]
        torch.testing.assert_close(found[::2], expected)
        torch.testing.assert_close(found[1::2], expected)
    assert len([*tmp_path.glob("*.pt2")]) == 1  # one package for all blocks
    elsewhere = Packages(tmp_path)
    elsewhere._process = -1  # as after a fork, where a GPU is lent
    block = transformer.blocks[0].block
    with torch.inference_mode():
        torch.testing.assert_close(elsewhere.run(block, given), expected[0])
        with pytest.raises(FlashTalkError, match="is for this size of picture"):
            elsewhere.run(block, (given[0][:, :4], *given[1:]))


def test_products_in_8_bits_are_near_and_leave_the_first_and_the_last_block() -> None:
    """Real layers and the real kernel, which PyTorch has for processors too."""
    torch.manual_seed(0)
    blocks = torch.nn.ModuleList(
        torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.GELU(), torch.nn.Linear(96, 64))
        for _ in range(4)
    ).requires_grad_(False)
    store_as_fp8(blocks[1])  # as a placement leaves it; the others are plain
    plain, x = copy.deepcopy(blocks), torch.randn(2, 7, 64)
    x[0, 3] = 0.0
    assert multiply_in_fp8(blocks) == 4
    for number, (block, same) in enumerate(zip(blocks, plain, strict=True)):
        away = (block(x) - same(x)).square().mean().sqrt() / same(x).std()
        assert away == 0 if number in (0, 3) else 0 < away < 0.06
    assert blocks[2](x.bfloat16()).dtype == torch.bfloat16


def test_a_talk_with_products_in_8_bits(
    plain: tuple[Networks, Conditions], networks: Networks
) -> None:
    """Two blocks are the first and the last one, so the toys get one between them."""
    transformer = networks.transformer
    transformer.blocks.insert(1, copy.deepcopy(transformer.blocks[0]))
    with_plain = video_of(networks, plain[1])
    apply_acceleration(networks, acceleration_of("fp8-products"), CPU)
    assert any(isinstance(layer, Fp8Linear) for layer in transformer.blocks[1].modules())
    away = (video_of(networks, plain[1]) - with_plain).abs().mean()
    assert 0 < away < 0.1


def test_convolutions_in_bfloat16_are_close_and_can_be_switched_off(
    plain: tuple[Networks, Conditions], networks: Networks
) -> None:
    on = Acceleration(bf16_convolutions=True)
    if networks.preset.name == "toy-published":
        with pytest.raises(FlashTalkError, match="are for flashtalk-tiny"):
            apply_acceleration(networks, on, CPU)
        return
    expected = video_of(*plain)
    apply_acceleration(networks, on, CPU)
    assert 0 < (video_of(networks, plain[1]) - expected).abs().mean() < 0.02
    apply_acceleration(networks, PLAIN, CPU)
    assert torch.equal(video_of(networks, plain[1]), expected)
