"""How much is left of an error in motion latents."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from flashtalk.config import FOURTEEN_B
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import portrait_for, to_tensor
from flashtalk.inputs.speech import load_speech
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.flow_anchor import disable_flow_prior
from flashtalk.stream.state import opening_state
from flashtalk.weights.checkpoint import find_checkpoint
from lab.evaluation.studies.recovery import (
    PLOT,
    REPORT,
    error_grown,
    error_left,
    last_flow,
    main,
    portrait_code,
    spoken,
    unlike_a_face,
)
from lab.training.data.flow_augment import LARGEST, smooth_fields
from lab.training.data.talks import gather_talk
from lab.training.rollout import Talk

ASSETS = Path(__file__).parents[3] / "assets"
CHUNKS = 2


@pytest.fixture(scope="module")
def bends() -> torch.Tensor:
    torch.manual_seed(0)
    return LARGEST * smooth_fields(1, (8, 8))


@pytest.fixture
def networks() -> Networks:
    shipped = find_checkpoint("flashtalk-tiny").load(torch.device("cpu"))
    return replace(shipped, preset=shipped.preset.with_size(shipped.preset.network_size))


@pytest.fixture
def talk(networks: Networks) -> Talk:
    geometry = networks.preset.geometry
    portrait = portrait_for(ASSETS / "portraits/ada.jpg", networks.preset)
    heard = CHUNKS * geometry.new_samples + geometry.lookahead_samples
    samples = torch.from_numpy(load_speech(ASSETS / "voices/emma.flac").samples[:heard])
    return gather_talk(networks, to_tensor(portrait.image), samples[None])


def test_an_error_is_forgotten_unless_it_is_told_to_stay(
    networks: Networks, talk: Talk, bends: torch.Tensor
) -> None:
    judge = networks.transformer.flow_anchor.flow_prior
    forgotten, small = error_left(networks, talk, bends), error_grown(networks, talk, judge)
    disable_flow_prior(networks.transformer)
    stayed, grown = error_left(networks, talk, bends), error_grown(networks, talk, judge)
    assert forgotten.shape == stayed.shape == (CHUNKS - 1, 1)
    assert abs(forgotten[0, 0]) < 0.4
    assert stayed[0, 0] > forgotten[0, 0] + 0.3
    assert small.shape == grown.shape == (CHUNKS, 1)
    assert grown[-1, 0] > small[-1, 0]


def test_the_judge_takes_bends_for_errors_and_a_head_that_moves_for_none(
    networks: Networks, talk: Talk, bends: torch.Tensor
) -> None:
    judge, portrait = networks.transformer.flow_anchor.flow_prior, portrait_code(talk)
    with torch.inference_mode():
        state = spoken(networks, talk, opening_state(talk.conditions, 0), 0)
        moved = last_flow(state.motion_latents)
        bent, twice, own = (
            float(unlike_a_face(judge, flow, portrait))
            for flow in (moved + bends, moved + 2.0 * bends, moved)
        )
    assert twice > 1.5 * bent > 3.0 * own
    assert own < 0.5 * moved.square().mean().sqrt()


def test_figures_of_runs_are_written(clips_folder: Path, tmp_path: Path) -> None:
    arguments = ["--clips", clips_folder, "--run", "ours=flashtalk-tiny", "--out", tmp_path]
    assert main([*map(str, arguments), "--seeds", "0", "1", "--chunks", "1", "--alone", "2"]) == 0
    row = json.loads((tmp_path / REPORT).read_text())["runs"]["ours"]
    for figure, chunks in (("left", 1), ("grown", 2)):
        found = row[figure]
        assert found["lowest"][0] <= found["mean"][0] <= found["highest"][0]
        assert len(found["mean"]) == chunks and np.isfinite(found["mean"]).all()
    assert (tmp_path / PLOT).exists() == (find_spec("matplotlib") is not None)


def test_what_cannot_be_bent_is_refused(
    toy_networks: Networks, bends: torch.Tensor, clips_folder: Path, capsys
) -> None:
    with pytest.raises(FlashTalkError, match="without displacements"):
        error_left(replace(toy_networks, preset=FOURTEEN_B), None, bends)
    arguments = ["--clips", str(clips_folder), "--run", "ours=flashtalk-tiny"]
    for option in ("--chunks", "--alone"):
        with pytest.raises(SystemExit, match="2"):
            main([*arguments, option, "0"])
        assert f"{option[2:]} must be at least 1, got 0" in capsys.readouterr().err
