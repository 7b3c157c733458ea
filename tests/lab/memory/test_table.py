"""The committed plan: counted again at the published sizes, and compared to the byte."""

from __future__ import annotations

from itertools import pairwise

import pytest

from flashtalk.config import FOURTEEN_B, PRESETS
from flashtalk.placement import ALL_RESIDENT, OFFLOAD_ENCODERS, STREAMED
from flashtalk.placement.plan import RESERVE_BYTES, TABLE, Footprint, footprints
from lab.memory import Parts, activation_peaks, parts_of
from lab.memory.__main__ import PAGE
from lab.memory.page import page
from lab.memory.placed import placed_weights
from lab.memory.table import as_json, count_presets, lines_through

LARGEST = max(FOURTEEN_B.sizes, key=lambda size: size[0] * size[1])


@pytest.fixture(scope="module")
def counted() -> dict[str, Footprint]:
    return count_presets(PRESETS.values())


@pytest.fixture(scope="module")
def parts() -> Parts:
    return parts_of(FOURTEEN_B)


def test_the_committed_table_and_page_are_what_is_counted(counted: dict[str, Footprint]) -> None:
    remedy = "python -m lab.memory makes it again"
    assert TABLE.read_text(encoding="utf-8") == as_json(counted), remedy
    pages = {name: (PRESETS[name], each) for name, each in counted.items()}
    assert PAGE.read_text(encoding="utf-8") == page(pages), remedy


@pytest.mark.parametrize("size", [(768, 448), (640, 640), (64, 64), (480, 832), (1024, 1024)])
def test_every_size_is_planned_to_the_byte(
    counted: dict[str, Footprint], size: tuple[int, int]
) -> None:
    preset = FOURTEEN_B.with_size(size)  # (768, 448) was counted as (448, 768)
    peaks = activation_peaks(parts_of(FOURTEEN_B), preset)
    planned: dict[str, int] = {}
    for name, weights in footprints()[FOURTEEN_B.name].placements.items():
        budget = footprints()[FOURTEEN_B.name].budget(name, preset.geometry)
        keys = weights.gpu_bytes
        planned |= {key: phase.activations for key, phase in zip(keys, budget.phases, strict=True)}
    assert planned == peaks


def test_budgets_add_up(parts: Parts) -> None:
    size = {part.name: part.bytes for part in parts.parts}
    geometry = FOURTEEN_B.with_size(LARGEST).geometry
    planned = footprints()[FOURTEEN_B.name]
    resident = planned.budget(ALL_RESIDENT.name, geometry)
    assert {phase.weights for phase in resident.phases} == {sum(size.values())}
    assert resident.peak.name == "decode"
    activations = {phase.name: phase.activations for phase in resident.phases}
    assert resident.gpu_bytes == sum(size.values()) + activations["decode"] + RESERVE_BYTES

    blocks = parts.blocks
    saved = blocks.count * (blocks.plain - blocks.fp8)
    packed = size["transformer"] - saved
    stay = packed + size["autoencoder"] + size["speech_encoder"]
    leave = placed_weights(parts, OFFLOAD_ENCODERS).gpu_bytes
    assert leave["text"] == stay + size["text_encoder"]
    assert leave["image"] == stay + size["image_encoder"]
    assert leave["decode"] == leave["denoise fp8"] == stay
    assert "denoise" not in leave

    streamed = placed_weights(parts, STREAMED)
    kept = STREAMED.resident_blocks + 2  # one runs, the next one arrives
    away = (blocks.count - kept) * blocks.fp8
    assert streamed.gpu_bytes["decode"] == stay - away
    converted = size["text_encoder"] + size["image_encoder"] + size["autoencoder"]
    converted += size["speech_encoder"] if "speech_encoder" in parts.converted else 0
    waiting = (blocks.count - STREAMED.resident_blocks) * blocks.fp8
    assert streamed.host_bytes == converted + waiting


def test_scores_of_attention_are_not_counted() -> None:
    geometry = FOURTEEN_B.with_size(LARGEST).geometry
    scores = 40 * geometry.tokens**2 * 2  # bytes, of one layer: 16.6 GB
    budget = footprints()[FOURTEEN_B.name].budget(ALL_RESIDENT.name, geometry)
    denoise = next(phase for phase in budget.phases if phase.name == "denoise")
    assert denoise.activations < scores / 8


def test_the_fewest_lines_go_through_all_points() -> None:
    assert lines_through([(16, 700)]) == ((700, 0),)
    assert lines_through([(1, 5), (2, 7), (4, 11)]) == ((3, 2),)
    bent = [(1, 105), (2, 107), (10, 123), (50, 500), (60, 600), (90, 900)]
    assert lines_through(bent) == ((103, 2), (0, 10))
    alone = lines_through([(1, 105), (2, 107), (5, 121)])  # 14 bytes over 3 tokens: 5 for each
    for (left, low), (right, high) in pairwise([(1, 105), (2, 107), (5, 121)]):
        assert max(base + slope * left for base, slope in alone) >= low
        assert max(base + slope * right for base, slope in alone) >= high
