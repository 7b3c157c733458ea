"""Weights from the Hub: what is fetched, what is not, and a sentence for every way it can fail.

The client is the real one; ``hub_server`` speaks the Hub's protocol to it.
"""

from __future__ import annotations

import errno
import json
import logging
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hub_server import COMMIT, HubServer, point_to, running
from huggingface_hub import constants
from published_checkpoint import TRANSFORMER, write_checkpoint

from flashtalk.config import FOURTEEN_B, PRESETS, HubFiles
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.weights import modules_of, save_weights
from flashtalk.weights.checkpoint import Checkpoint, find_checkpoint
from flashtalk.weights.hub import fetch, hub_files, hub_sentence, is_hub_id

SOURCE = FOURTEEN_B.source
SHARD = "diffusion_pytorch_model-00002-of-00003.safetensors"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A whole checkpoint, a transformer alone, and the repositories of the other parts."""
    whole = write_checkpoint(tmp_path_factory.mktemp("hub") / "whole")
    (whole / "README.md").write_text("words")
    (whole / "models_t5.pth").write_bytes(b"a pickle that nobody asked for")
    alone = whole.parent / "alone"
    shutil.copytree(whole, alone, ignore=lambda folder, names: [n for n in names if "." not in n])
    return {
        "someone/whole": whole,
        "someone/alone": alone,
        SOURCE.wan.repo_id: whole,
        SOURCE.wav2vec.repo_id: whole / "wav2vec2",
        SOURCE.transformer.repo_id: alone,
    }


@pytest.fixture
def hub(
    repositories: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HubServer]:
    with running(repositories, tmp_path / "cache", monkeypatch) as server:
        yield server


def refused(call, *said: str) -> None:
    with pytest.raises(FlashTalkError) as refusal:
        call()
    for words in said:
        assert words in str(refusal.value), str(refusal.value)


# --- what is fetched ----------------------------------------------------------------------------
def test_a_whole_checkpoint_by_its_id_then_again_offline(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_checkpoint("someone/whole")
    assert found.preset.transformer.dim == 64
    assert not any(name.endswith(".safetensors") for name in hub.sent), "only small files so far"
    assert found.load(CPU).transformer.patch_embedding.weight.shape[0] == 64
    names = {name.removeprefix("someone/whole/") for name in hub.sent}
    assert SHARD in names and "wav2vec2/pytorch_model.bin" in names
    assert not names & {"README.md", "models_t5.pth"}
    assert all(name.startswith("someone/whole/") for name in hub.sent)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.asked.clear()
    find_checkpoint("someone/whole").load(CPU)
    assert hub.asked == []


def test_a_transformer_alone_takes_its_other_parts_from_the_pinned_originals(
    hub: HubServer,
) -> None:
    found = find_checkpoint("someone/alone@v1")
    assert found.weights.transformer.revision == "v1"
    found.load(CPU)
    assert f"/{SOURCE.wan.repo_id}/resolve/{SOURCE.wan.revision}/vae/config.json" in hub.asked
    assert any(SOURCE.wav2vec.revision in path for path in hub.asked)
    assert any(f"/someone/alone/resolve/{COMMIT}/{SHARD}" == path for path in hub.asked)


def test_the_original_id_is_the_preset() -> None:
    assert find_checkpoint(FOURTEEN_B.weights) == find_checkpoint("flashtalk-14b")
    assert find_checkpoint("flashtalk-14b").weights is SOURCE
    assert len(SOURCE.wan.revision) == len(SOURCE.wav2vec.revision) == 40


def test_an_embedded_model_on_the_hub(
    hub: HubServer, toy_networks: Networks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "toy", toy_networks.preset)
    save_weights(tmp_path / "toy", "toy", modules_of(toy_networks), torch.float32)
    hub.repositories["someone/toy"] = tmp_path / "toy"
    loaded = find_checkpoint("someone/toy").load(CPU).transformer.state_dict()
    expected = toy_networks.transformer.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.items())


def test_names(tmp_path: Path) -> None:
    assert hub_files("owner/name@abc", ["x"]) == HubFiles("owner/name", ("x",), "abc")
    for name in ("name", "owner/name/more", "/absolute", "./owner", "owner/", "owner/na me"):
        assert not is_hub_id(name), name
    refused(lambda: find_checkpoint("flashtalk-huge"), "neither a preset (flashtalk-tiny")
    refused(lambda: find_checkpoint(tmp_path / "absent"), "nor a folder")


# --- what can go wrong --------------------------------------------------------------------------
def test_an_unknown_repository(hub: HubServer) -> None:
    refused(lambda: find_checkpoint("nobody/nothing"), "no repository nobody/nothing", "HF_TOKEN")


def test_an_unknown_revision(hub: HubServer) -> None:
    refused(lambda: find_checkpoint("someone/whole@gone"), "has no revision gone")


def test_a_repository_that_asks_for_consent(hub: HubServer) -> None:
    hub.gated.add("someone/whole")
    refused(lambda: find_checkpoint("someone/whole"), "asks for consent", "HF_TOKEN")


def test_a_repository_of_something_else(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "README.md").write_text("words")
    hub.repositories["someone/words"] = tmp_path / "words"
    refused(lambda: find_checkpoint("someone/words"), "has no config.json", FOURTEEN_B.weights)


def test_offline_without_a_cache(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused(lambda: find_checkpoint("someone/whole"), "not in the cache", "HF_HUB_OFFLINE forbids")
    assert hub.asked == []


def test_no_network(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    point_to("http://127.0.0.1:9", monkeypatch)
    refused(lambda: find_checkpoint("someone/whole"), "cannot be reached", "Connect to a network")


def test_an_interrupted_download_is_said_and_resumed(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [HubFiles("someone/alone", SOURCE.transformer.allow_patterns)]
    hub.cut.add(SHARD)
    refused(lambda: fetch(files), "someone/alone (revision main) was interrupted", "goes on where")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused(lambda: fetch(files), "was interrupted: files are missing in", "Start again")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    hub.cut.clear()
    hub.sent.clear()
    (folder,) = fetch(files)
    assert (folder / SHARD).read_bytes() == (hub.repositories["someone/alone"] / SHARD).read_bytes()
    assert hub.sent == [f"someone/alone/{SHARD}"], "the others were whole already"


def test_no_room_on_the_disk(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 1, 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    files = [HubFiles("someone/alone", SOURCE.transformer.allow_patterns)]
    with caplog.at_level(logging.INFO):
        refused(lambda: fetch(files), "needs 0.5 GiB on the disk", "0.0 GiB are free", "HF_HOME")
    assert hub.sent == [], "nothing is fetched that would not fit"
    assert "in 5 files of someone/alone" in caplog.text


def test_a_disk_that_becomes_full() -> None:
    sentence = hub_sentence(SOURCE.wan, OSError(errno.ENOSPC, "No space left on device"))
    assert "became full" in sentence and "HF_HOME" in sentence


def test_the_preset_does_not_take_another_network(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flashtalk.weights.checkpoint.LARGEST_ON_CPU", 10**12)
    found = find_checkpoint("flashtalk-14b")
    assert isinstance(found, Checkpoint)
    refused(lambda: found.load(CPU), "describes another network than flashtalk-14b")


def test_a_config_that_changed_after_it_was_looked_at(hub: HubServer, tmp_path: Path) -> None:
    """A branch moved between two reads: named, not loaded in part."""
    moving = shutil.copytree(hub.repositories["someone/whole"], tmp_path / "moving")
    hub.repositories["someone/moving"] = moving
    found = find_checkpoint("someone/moving@main")
    (folder,) = fetch([hub_files("someone/moving", ("config.json",))])
    cached = (folder / "config.json").resolve()
    cached.write_text(json.dumps(TRANSFORMER | {"num_layers": 3}))
    refused(lambda: found.load(CPU), "describes another network than flashtalk-14b (")
