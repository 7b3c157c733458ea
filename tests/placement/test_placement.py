"""Placements: the right one for a GPU, and the plain path's results under each."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parametrize

from flashtalk.conditions import gather_conditions
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.placement import (
    ALL_RESIDENT,
    OFFLOAD_ENCODERS,
    PLACEMENTS,
    STREAMED,
    Placement,
    apply_placement,
    choose,
    placement_named,
)
from flashtalk.stream.chunk import Scene, advance
from flashtalk.stream.state import opening_state
from flashtalk.weights.published import ON_CPU, load_published
from flashtalk.weights.sizes import PublishedFiles, published_preset

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def networks(checkpoint: Path) -> Networks:
    files = PublishedFiles.of(checkpoint)
    preset = published_preset(files).with_size((64, 48))
    short = replace(preset.geometry, chunk_frames=13, speech_window_frames=13)
    preset = replace(preset, geometry=short, sampler=replace(preset.sampler, steps=2))
    return replace(load_published(files, preset, ON_CPU), preset=preset)


@pytest.fixture(scope="module")
def expected(networks: Networks) -> Tensor:
    return chunk(networks)


def chunk(networks: Networks) -> Tensor:
    """Conditioning and one chunk, everything but the speech encoder."""
    preset = networks.preset
    config = preset.transformer
    torch.manual_seed(0)
    portrait = torch.rand(1, 3, 64, 48) * 2 - 1
    speech = torch.randn(1, 13, 5, config.speech.layers, config.speech.width)
    with torch.inference_mode():
        conditions = gather_conditions(
            networks,
            portrait,
            text=networks.text_encoder("somebody talks"),
            image=networks.image_encoder(portrait),
        )
        state = opening_state(conditions, seed=3)
        return advance(Scene(networks, conditions, preset.sampler), state, speech)[0]


@pytest.mark.parametrize(
    ("gib", "expected"),
    [
        (139.8, ALL_RESIDENT),  # H200
        (79.1, ALL_RESIDENT),  # what an 80 GB card reports
        (44.4, OFFLOAD_ENCODERS),  # L40S
        (39.4, OFFLOAD_ENCODERS),  # A100 with 40 GB
        (23.6, STREAMED),  # RTX 4090
        (22.0, STREAMED),  # L4, A10G
    ],
)
def test_every_gpu_gets_the_fastest_that_fits(gib: float, expected: Placement) -> None:
    assert choose(gib) is expected


def test_a_small_gpu_and_an_unknown_name_are_sentences() -> None:
    with pytest.raises(FlashTalkError, match=r"15\.9 GiB is too small.*flashtalk-tiny"):
        choose(15.9)
    with pytest.raises(FlashTalkError, match=r"Unknown placement '12gb'.*80gb, 48gb, 24gb"):
        placement_named("12gb")
    assert placement_named("48gb") is OFFLOAD_ENCODERS


@pytest.mark.parametrize("values", [{"least_gib": 0}, {"least_gib": 1, "resident_blocks": -1}])
def test_impossible_placements_are_refused(values: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        Placement("x", **values)


@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
def test_placements_keep_the_result(
    networks: Networks, expected: Tensor, placement: Placement
) -> None:
    if placement.resident_blocks:
        placement = replace(placement, resident_blocks=1)  # of two
    networks = copy.deepcopy(networks)
    apply_placement(networks, placement, CPU)
    placed = chunk(networks)
    if placement.fp8:  # the whole chunk: two steps, decoding, color; pictures in [-1, 1]
        assert 0 < (placed - expected).square().mean().sqrt() < 0.05
    else:
        assert torch.equal(placed, expected)


def test_streaming_alone_changes_nothing(networks: Networks, expected: Tensor) -> None:
    networks = copy.deepcopy(networks)
    moving = Placement("moving", 1.0, offload_encoders=True, resident_blocks=0)
    apply_placement(networks, moving, CPU)
    assert torch.equal(chunk(networks), expected)


def test_models_without_encoders_can_be_placed(toy_networks: Networks) -> None:
    networks = copy.deepcopy(toy_networks)
    apply_placement(networks, STREAMED, CPU)
    assert all(parametrize.is_parametrized(block.ffn[0]) for block in networks.transformer.blocks)
