"""Modes: sizes that the networks can make, words that exist, and the work that a chunk then is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from published_toy import PUBLISHED_TOY
from torch.utils.flop_counter import FlopCounterMode

from flashtalk.acceleration.settings import VARIABLE, acceleration_of
from flashtalk.cli.chunk_work import chunk_work
from flashtalk.cli.main import main
from flashtalk.cli.options import MODE_VARIABLE
from flashtalk.cli.serve_options import ServeOptions
from flashtalk.config import FOURTEEN_B, MODES, TINY
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.framing import closest_size
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.weights.empty import PUBLISHED


@pytest.mark.parametrize("name", MODES)
def test_a_mode_fits_the_networks_and_every_aspect(name: str) -> None:
    preset = FOURTEEN_B.with_mode(name)
    assert preset.title == f"flashtalk-14b ({name})" and FOURTEEN_B.title == "flashtalk-14b"
    assert preset.sampler.steps == MODES[name].steps
    assert preset.network_size == preset.sizes[0]
    areas = [height * width for height, width in preset.sizes]
    assert max(areas) < 1.05 * min(areas)  # no aspect is slower than the others
    made = {closest_size(*size, preset.sizes) for size in ((90, 160), (160, 90), (99, 99))}
    assert made == set(preset.sizes)
    assert acceleration_of(MODES[name].acceleration).compiled


def test_each_mode_computes_less_than_the_one_before() -> None:
    flop = [
        chunk_work(replace(PUBLISHED_TOY, geometry=preset.geometry, sampler=preset.sampler), SMALL)
        for preset in map(FOURTEEN_B.with_mode, MODES)
    ]
    assert [each.steps for each in flop] == [4, 4, 2]
    assert flop[0].prediction > flop[1].prediction == flop[2].prediction
    assert flop[0].flop > 1.4 * flop[1].flop > 1.4 * flop[2].flop


SMALL = replace(
    PUBLISHED, autoencoder={**PUBLISHED.autoencoder, "base_dim": 4, "z_dim": 4, "num_res_blocks": 1}
)


def test_the_count_of_two_blocks_is_that_of_all() -> None:
    config = replace(PUBLISHED_TOY.transformer, layers=5)
    preset = replace(PUBLISHED_TOY, transformer=config)
    cells = (preset.geometry.latent_height, preset.geometry.latent_width)
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as count:
        VideoTransformer(config)(
            torch.empty(1, 4, 4, *cells),
            torch.empty(1),
            torch.empty(1, 8, 4, *cells),
            torch.empty(1, 4, config.audio_tokens, config.audio_width),
            torch.empty(1, config.text_tokens, config.text_dim),
            torch.empty(1, config.image_tokens, config.image_dim),
        )
    assert chunk_work(preset, SMALL).prediction == count.get_total_flops() > 0


def test_words_of_a_mode_give_way_to_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (VARIABLE, MODE_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    assert ServeOptions().accelerated is None
    monkeypatch.setenv(MODE_VARIABLE, "realtime")
    assert ServeOptions().accelerated == acceleration_of(MODES["realtime"].acceleration)
    assert ServeOptions(acceleration="none").accelerated == acceleration_of("none")
    assert ServeOptions(mode="quality").accelerated.fp8_products is False


def test_what_has_no_modes_says_so() -> None:
    with pytest.raises(FlashTalkError, match="flashtalk-tiny has no mode 'realtime'"):
        Engine.from_pretrained("flashtalk-tiny", mode="realtime")
    with pytest.raises(FlashTalkError, match=r"Unknown mode 'fast'\. Known modes: quality"):
        TINY.with_mode("fast")
    with pytest.raises(FlashTalkError, match="do not fit the networks of flashtalk-14b"):
        coarse = replace(FOURTEEN_B.geometry.sized(768, 768), spatial_stride=128)
        replace(FOURTEEN_B, geometry=coarse, sizes=((768, 768),)).with_mode("quality")


def test_a_size_takes_the_place_of_the_modes() -> None:
    preset = FOURTEEN_B.with_mode("realtime").with_size((320, 576))
    assert preset.network_size == (320, 576) and preset.sizes == () and preset.sampler.steps == 2


def test_the_plan_knows_modes(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["plan", "--preset", "flashtalk-14b", "--gpu-memory-gib", "80", "--mode"]
    assert main([*asked, "realtime"]) == 0
    out = capsys.readouterr().out
    for words in ("flashtalk-14b (realtime) at 640x384", "702 TFLOP: 2 x 313.1", "fp8-products"):
        assert words in out
    assert main([*asked, "fast"]) == 2
    assert "Unknown mode 'fast'" in capsys.readouterr().err
