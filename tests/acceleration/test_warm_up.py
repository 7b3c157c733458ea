"""Compiled networks are warmed up in every shape that a visitor may ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from published_toy import PUBLISHED_TOY, build_published_toy

from flashtalk.acceleration.compiled import CACHE_VARIABLE
from flashtalk.acceleration.settings import acceleration_of
from flashtalk.engine import Engine
from flashtalk.models.networks import Networks

SIZES = ((16, 32), (32, 16))


@pytest.fixture
def engine() -> Engine:
    preset = replace(PUBLISHED_TOY, sizes=SIZES, trained_chunk_frames=(13, 17))
    return Engine(build_published_toy(preset))


def test_one_shape_is_enough_for_the_plain_path(engine: Engine) -> None:
    assert engine.shapes == [((16, 32), 13)]


def test_compiled_networks_see_all_shapes_the_usual_one_first(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    engine.accelerate(acceleration_of("compile"))
    assert engine.shapes == [(size, frames) for frames in (13, 17) for size in SIZES]


def test_every_shape_is_talked_in_and_the_log_says_which(
    toy_networks: Networks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    preset = replace(toy_networks.preset, trained_chunk_frames=(33, 17))
    engine = Engine(replace(toy_networks, preset=preset))
    # as if compiled: building kernels takes a minute
    monkeypatch.setattr(Engine, "shapes", [((64, 64), 33), ((64, 64), 17)])
    with caplog.at_level("INFO", logger="flashtalk.stream.rehearsal"):
        assert engine.warm_up() > 0
    assert "Warm-up 2 of 2: 64x64 pixels, chunks of 17 frames" in caplog.text
