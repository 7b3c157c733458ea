"""How much is left of an error that was handed over."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.recovery import REPORT, error_left, main
from flashtalk.inputs.portrait import portrait_for, to_tensor
from flashtalk.inputs.speech import load_speech
from flashtalk.models.hand_over import let_errors_stay
from flashtalk.stream.chunk import Networks
from flashtalk.training.bending import LARGEST, smooth_fields
from flashtalk.training.talks import gather_talk
from flashtalk.weights.checkpoint import find_checkpoint

ASSETS = Path(__file__).parents[2] / "assets"
CHUNKS = 2


@pytest.fixture(scope="module")
def bends() -> torch.Tensor:
    torch.manual_seed(0)
    return LARGEST * smooth_fields(1, (8, 8))


def test_an_error_is_forgotten_unless_it_is_told_to_stay(bends: torch.Tensor) -> None:
    networks = find_checkpoint("flashtalk-tiny").load(torch.device("cpu"))
    geometry = networks.preset.geometry
    portrait = portrait_for(ASSETS / "portraits/ada.jpg", networks.preset)
    heard = CHUNKS * geometry.new_samples + geometry.lookahead_samples
    samples = torch.from_numpy(load_speech(ASSETS / "voices/emma.flac").samples[:heard])
    talk = gather_talk(networks, to_tensor(portrait.image), samples[None])
    forgotten = error_left(networks, talk, bends)
    let_errors_stay(networks.transformer)
    stayed = error_left(networks, talk, bends)
    assert forgotten.shape == stayed.shape == (CHUNKS - 1, 1)
    assert abs(forgotten[0, 0]) < 0.4
    assert stayed[0, 0] > forgotten[0, 0] + 0.3


def test_rows_are_written(clips_folder: Path, tmp_path: Path) -> None:
    arguments = ["--clips", clips_folder, "--variant", "ours=flashtalk-tiny", "--out", tmp_path]
    assert main([*map(str, arguments), "--seeds", "0", "1", "--chunks", "1"]) == 0
    row = json.loads((tmp_path / REPORT).read_text())["rows"]["ours"]
    assert row["lowest"][0] <= row["mean"][0] <= row["highest"][0]
    assert len(row["mean"]) == 1 and np.isfinite(row["mean"][0])


def test_what_cannot_be_bent_is_refused(
    toy_networks: Networks, bends: torch.Tensor, clips_folder: Path, capsys
) -> None:
    with pytest.raises(FlashTalkError, match="without displacements"):
        error_left(toy_networks, None, bends)
    arguments = ["--clips", str(clips_folder), "--variant", "ours=flashtalk-tiny"]
    assert main([*arguments, "--chunks", "0"]) == 2
    assert "--chunks must be at least 1, got 0." in capsys.readouterr().err
