"""Published files are looked at before they are fetched: headers alone, a sentence for each flaw.

The client is the real one; ``hub_server`` speaks the Hub's protocol to it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hub_server import HubServer, point_to, running
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from flashtalk.cli.main import main
from flashtalk.config import FOURTEEN_B, FOURTEEN_B_EXACT, PRESETS
from flashtalk.errors import FlashTalkError
from flashtalk.weights.check_published import Finding, check_published
from flashtalk.weights.checkpoint import find_checkpoint

SHARD = "diffusion_pytorch_model-00002-of-00003.safetensors"
CLIP = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"


@pytest.fixture
def whole(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil; so is the next."""
    return shutil.copytree(checkpoint, tmp_path / "whole")


@pytest.fixture
def exact(exact_checkpoint: Path, tmp_path: Path) -> Path:
    return shutil.copytree(exact_checkpoint, tmp_path / "exact")


@pytest.fixture
def hub(
    whole: Path, exact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HubServer]:
    """``flashtalk-14b-exact`` is of toy size here, so that its repository can be."""
    toy = find_checkpoint(exact).preset
    monkeypatch.setitem(
        PRESETS,
        "flashtalk-14b-exact",
        replace(toy, name="flashtalk-14b-exact", source=FOURTEEN_B_EXACT.source),
    )
    repositories = {
        "someone/whole": whole,
        FOURTEEN_B.weights: exact,
        FOURTEEN_B.source.wav2vec.repo_id: exact / "wav2vec2",
    }
    with running(repositories, tmp_path / "cache", monkeypatch) as server:
        yield server


def found(name: str) -> dict[str, Finding]:
    return {finding.name: finding for finding in check_published(name)}


@pytest.mark.parametrize("name", ["someone/whole", "flashtalk-14b-exact"])
def test_whole_checkpoints_fit_and_nothing_large_is_fetched(hub: HubServer, name: str) -> None:
    findings = found(name)
    assert list(findings) == [
        "transformer",
        "autoencoder",
        "text encoder",
        "image encoder",
        "speech encoder",
    ]
    for finding in findings.values():
        assert finding.fits, finding.sentence
        assert finding.bytes > 10_000
    assert findings["transformer"].sentence.endswith("tensors (BF16) fit")
    assert findings["speech encoder"].sentence.endswith("tensors (F32) fit")
    assert not [file for file in hub.sent if not file.endswith(".json")]
    assert hub.looked_into[f"{FOURTEEN_B.weights if 'exact' in name else name}/{SHARD}"] > 0


def test_a_repository_without_the_pinned_revision(hub: HubServer) -> None:
    hub.repositories[FOURTEEN_B.weights] = hub.repositories["someone/whole"]
    hub.gone.add(FOURTEEN_B.source.transformer.revision)
    for ask in (check_published, lambda name: find_checkpoint(name).load(torch.device("cpu"))):
        with pytest.raises(FlashTalkError, match=r"no revision f3fda64.*14B@main is its newest"):
            ask("flashtalk-14b-exact")
    assert not [file for file in hub.sent if not file.endswith(".json")]


def spoil(path: Path, **tensors: torch.Tensor) -> None:
    save_file(load_file(path) | tensors, path)


def test_each_flaw_is_named_and_the_other_networks_are_still_looked_at(
    hub: HubServer, whole: Path
) -> None:
    picture = whole / "image_encoder" / "model.safetensors"
    norm = "vision_model.post_layernorm.weight"
    spoil(picture, **{norm: torch.zeros(32, dtype=torch.int8)})
    spoil(whole / "vae" / "diffusion_pytorch_model.safetensors", surprise=torch.zeros(1))
    (whole / SHARD).unlink()
    pickle = whole / "wav2vec2" / "pytorch_model.bin"
    torch.save({"weights": Path}, pickle)
    findings = found("someone/whole")
    assert [name for name, finding in findings.items() if finding.fits] == ["text encoder"]
    assert f"lacks 1 of 3 weight files: {SHARD}" in findings["transformer"].sentence
    assert "does not have: surprise" in findings["autoencoder"].sentence
    assert "post_layernorm.weight of type I8" in findings["image encoder"].sentence
    assert "holds more than tensors" in findings["speech encoder"].sentence
    assert "pytorch_model.bin of someone/whole" in findings["speech encoder"].sentence
    spoil(picture, **{norm: torch.zeros(7)})
    assert "of shape [7]" in found("someone/whole")["image encoder"].sentence
    picture.write_bytes(b"no header")
    assert "cut off, damaged or no" in found("someone/whole")["image encoder"].sentence


def test_files_of_pytorch_before_its_archives_are_not_looked_into(
    hub: HubServer, whole: Path
) -> None:
    pickle = whole / "wav2vec2" / "pytorch_model.bin"
    state = torch.load(pickle, weights_only=True)
    torch.save(state, pickle, _use_new_zipfile_serialization=False)
    finding = found("someone/whole")["speech encoder"]
    assert not finding.fits and "only after it was fetched" in finding.sentence
    find_checkpoint("someone/whole").load(torch.device("cpu"))  # read, once it is here


def test_a_flag_that_is_missing(hub: HubServer, whole: Path) -> None:
    (whole / "wav2vec2" / "preprocessor_config.json").write_text("{}")
    with pytest.raises(FlashTalkError, match="do_normalize is None"):
        check_published("someone/whole")


def test_the_hub_cannot_be_asked(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FlashTalkError, match=r"flashtalk-tiny lies on this machine"):
        check_published("flashtalk-tiny")
    point_to("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(FlashTalkError, match=r"cannot be checked: the Hub cannot be reached"):
        check_published("flashtalk-14b-exact")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FlashTalkError, match="HF_HUB_OFFLINE forbids to ask the Hub"):
        check_published("someone/whole")


def test_the_command_prints_a_line_for_each_network(
    hub: HubServer, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["plan", "--check-published", "--preset", "someone/whole"]
    assert main(command) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("transformer") and out[0].endswith("fit")
    assert out[-1].startswith("Fits: all 5 networks")
    spoil(whole / "vae" / "diffusion_pytorch_model.safetensors", surprise=torch.zeros(1))
    assert main(command) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "Does not fit: autoencoder."


def test_what_was_fetched_before_an_interruption_is_kept(hub: HubServer) -> None:
    hub.cut.add(CLIP)
    with pytest.raises(FlashTalkError, match="was interrupted"):
        find_checkpoint("flashtalk-14b-exact").load(torch.device("cpu"))
    hub.cut.clear()
    hub.sent.clear()
    find_checkpoint("flashtalk-14b-exact").load(torch.device("cpu"))
    assert f"{FOURTEEN_B.weights}/{CLIP}" in hub.sent
    assert f"{FOURTEEN_B.weights}/{SHARD}" not in hub.sent
