"""Trainings that go on from what ships, and come back to it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError
from flashtalk.models.tiny.denoiser import TinyDenoiser
from flashtalk.models.tiny.speech_encoder import SpeechEncoder
from flashtalk.weights import load_networks, modules_of, save_weights
from lab.training.checkpoints.export import TRANSFORMER, trained_networks
from lab.training.checkpoints.import_checkpoint import import_checkpoint
from lab.training.loop import load_average, load_part, read_checkpoint, write_checkpoint
from lab.training.tiny.networks import TRAINED, trained_in_part

SHIPPED = Path(__file__).parents[3] / "assets" / "flashtalk-tiny"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    import_checkpoint(SHIPPED, folder)
    return folder


def test_what_is_imported_is_exported_as_it_was(runs: Path) -> None:
    shipped = load_networks(SHIPPED, TINY)
    again = modules_of(trained_networks(TINY, runs, runs / TRANSFORMER))
    for name, module in modules_of(shipped).items():
        other = again[name].state_dict()
        assert module.state_dict().keys() == other.keys()
        for key, value in module.state_dict().items():
            torch.testing.assert_close(other[key], value, rtol=0, atol=0, msg=f"{name}.{key}")


def test_a_transformer_of_other_weights_takes_its_place(tmp_path: Path) -> None:
    other = TinyDenoiser(TINY.transformer)
    save_weights(tmp_path / "old", TINY.name, {"transformer": other})
    import_checkpoint(SHIPPED, tmp_path / "runs", transformer=tmp_path / "old")
    found = TinyDenoiser(TINY.transformer)
    for stage in ("stage1", TRANSFORMER):
        load_average(tmp_path / "runs" / stage, found)
        for name, value in found.state_dict().items():
            assert torch.equal(value, other.state_dict()[name].to(torch.bfloat16).float()), name
    shipped = load_networks(SHIPPED, TINY).autoencoder.state_dict()
    found = read_checkpoint(tmp_path / "runs" / "covered")["average"]
    assert all(torch.equal(found[name], value) for name, value in shipped.items())


def test_every_kind_of_training_can_begin_with_it(runs: Path) -> None:
    load_part(runs / "speech", "encoder", SpeechEncoder(TINY.speech_encoder))
    for stage in ("stage1", TRANSFORMER):
        load_average(runs / stage, TinyDenoiser(TINY.transformer))
    model = trained_in_part("warp", runs / "covered")
    learning = {name for name, value in model.named_parameters() if value.requires_grad}
    assert learning and all(name.startswith(TRAINED["warp"]) for name in learning)


def test_no_training_is_written_over(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "warp", {"step": 7})
    with pytest.raises(FlashTalkError, match="already"):
        import_checkpoint(SHIPPED, tmp_path)
    assert read_checkpoint(tmp_path / "warp") == {"step": 7}
    assert [path.name for path in tmp_path.iterdir()] == ["warp"]


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(FlashTalkError, match="nothing here"):
        import_checkpoint(tmp_path / "nothing here", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
