"""Weights on disk: round trip, shards, and a sentence for everything that can be wrong."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from flashtalk.config import FOURTEEN_B
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.weights import (
    build_networks,
    load_networks,
    load_weights,
    modules_of,
    read_manifest,
    save_weights,
)

SHARD_BYTES = 280_000


@pytest.fixture
def folder(toy_networks: Networks, tmp_path: Path) -> Path:
    save_weights(tmp_path, "toy", modules_of(toy_networks), torch.float32, shard_bytes=SHARD_BYTES)
    return tmp_path


def shard(folder: Path, name: str = "transformer") -> Path:
    return min(folder.glob(f"{name}-*.safetensors"))


def rewrite_manifest(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def assert_loaded(loaded: Networks, saved: Networks, dtype: torch.dtype) -> None:
    """That ``loaded`` is ``saved`` as ``dtype`` keeps it, ready for use."""
    for name, module in modules_of(loaded).items():
        assert not module.training
        original = modules_of(saved)[name].state_dict()
        for key, tensor in module.state_dict().items():
            expected = original[key]
            if tensor.is_floating_point():
                assert tensor.dtype == torch.float32
                expected = expected.to(dtype).float()
            assert torch.equal(tensor, expected), key


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_round_trip(toy_networks: Networks, tmp_path: Path, dtype: torch.dtype) -> None:
    save_weights(tmp_path, "toy", modules_of(toy_networks), dtype)
    assert_loaded(load_networks(tmp_path, toy_networks.preset), toy_networks, dtype)


def test_shards_stay_below_the_limit(folder: Path, toy_networks: Networks) -> None:
    files = list(folder.glob("*.safetensors"))
    assert len(list(folder.glob("transformer-*"))) > 1
    assert all(path.stat().st_size <= SHARD_BYTES for path in files)
    count = len(list(folder.glob("transformer-*")))
    assert shard(folder).name == f"transformer-00001-of-{count:05d}.safetensors"
    assert read_manifest(folder).preset == "toy"


def test_saving_again_removes_the_old_shards(folder: Path, toy_networks: Networks) -> None:
    save_weights(folder, "toy", modules_of(toy_networks))
    assert sorted(path.name for path in folder.iterdir()) == [
        "autoencoder-00001-of-00001.safetensors",
        "config.json",
        "speech_encoder-00001-of-00001.safetensors",
        "transformer-00001-of-00001.safetensors",
    ]
    load_networks(folder, toy_networks.preset)


def test_what_another_folder_has_is_named_and_not_written_again(
    toy_networks: Networks, tmp_path: Path
) -> None:
    first, second = tmp_path / "shipped" / "weights", tmp_path / "rows" / "other"
    save_weights(first, "toy", modules_of(toy_networks))
    other = build_networks(toy_networks.preset).transformer
    networks = replace(toy_networks, transformer=other)
    save_weights(second, "toy", modules_of(networks), sharing=first)
    assert sorted(path.name for path in second.iterdir()) == [
        "config.json",
        "transformer-00001-of-00001.safetensors",
    ]
    assert_loaded(load_networks(second, toy_networks.preset), networks, torch.bfloat16)


def test_a_folder_does_not_share_with_itself(folder: Path, toy_networks: Networks) -> None:
    with pytest.raises(FlashTalkError, match="cannot share files with itself"):
        save_weights(folder, "toy", modules_of(toy_networks), sharing=folder)
    load_networks(folder, toy_networks.preset)


def test_some_networks_can_be_loaded_alone(folder: Path, toy_networks: Networks) -> None:
    encoder = build_networks(toy_networks.preset).speech_encoder
    load_weights(folder, "toy", {"speech_encoder": encoder})
    expected = toy_networks.speech_encoder.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in encoder.state_dict().items())


def test_a_tensor_larger_than_a_shard(toy_networks: Networks, tmp_path: Path) -> None:
    with pytest.raises(FlashTalkError, match="Raise shard_bytes"):
        save_weights(tmp_path, "toy", modules_of(toy_networks), shard_bytes=1_000)
    assert not list(tmp_path.iterdir())


def refused(folder: Path, networks: Networks, *said: str) -> None:
    with pytest.raises(FlashTalkError) as refusal:
        load_networks(folder, networks.preset)
    for words in said:
        assert words in str(refusal.value)


def test_no_folder(tmp_path: Path, toy_networks: Networks) -> None:
    refused(tmp_path / "nowhere", toy_networks, "nowhere", "config.json is missing", "Fetch")


def test_missing_file(folder: Path, toy_networks: Networks) -> None:
    path = shard(folder)
    path.unlink()
    refused(folder, toy_networks, str(path), "missing", "Fetch it again")


@pytest.mark.parametrize("kept", [0, 5, 1_000])
def test_truncated_file(folder: Path, toy_networks: Networks, kept: int) -> None:
    path = shard(folder)
    path.write_bytes(path.read_bytes()[:kept])
    refused(folder, toy_networks, str(path), "is damaged", "Fetch the file again")


def test_one_flipped_bit(folder: Path, toy_networks: Networks) -> None:
    path = shard(folder)
    content = bytearray(path.read_bytes())
    content[-3] ^= 16
    path.write_bytes(content)
    refused(folder, toy_networks, str(path), "is damaged")


def test_wrong_shape(folder: Path, toy_networks: Networks) -> None:
    preset = toy_networks.preset
    wider = replace(preset, transformer=replace(preset.transformer, ffn_dim=64))
    refused(
        folder, replace(toy_networks, preset=wider),
        "transformer-0000", "of shape [48, 32], the transformer expects [64, 32]", "same release",
    )  # fmt: skip


def test_missing_and_surplus_tensors(folder: Path, toy_networks: Networks) -> None:
    preset = toy_networks.preset
    for layers, said in ((3, "lack"), (1, "does not have")):
        other = replace(preset, transformer=replace(preset.transformer, layers=layers))
        refused(folder, replace(toy_networks, preset=other), said, "blocks.", "same release")


def test_nothing_is_loaded_in_part(folder: Path, toy_networks: Networks) -> None:
    shard(folder, "speech_encoder").unlink()
    networks = build_networks(toy_networks.preset)
    before = {key: value.clone() for key, value in networks.transformer.state_dict().items()}
    with pytest.raises(FlashTalkError):
        load_weights(folder, "toy", modules_of(networks))
    after = networks.transformer.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_wrong_preset(folder: Path, toy_networks: Networks) -> None:
    rewrite_manifest(folder, preset="flashtalk-tiny")
    refused(folder, toy_networks, "weights of flashtalk-tiny", "toy was asked for", "Choose")


def test_other_format(folder: Path, toy_networks: Networks) -> None:
    rewrite_manifest(folder, format=99)
    refused(folder, toy_networks, "config.json", "format 99", "same release")


def test_network_not_listed(folder: Path, toy_networks: Networks) -> None:
    rewrite_manifest(folder, shards={})
    refused(folder, toy_networks, "config.json", "no files for the transformer")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"preset": 1, "shards": 2}'])
def test_unreadable_manifest(folder: Path, toy_networks: Networks, content: str) -> None:
    (folder / "config.json").write_text(content)
    refused(folder, toy_networks, "config.json", "Fetch the file again")


def test_the_large_model_is_not_built_here() -> None:
    with pytest.raises(FlashTalkError, match="published ones that come with their weights"):
        build_networks(FOURTEEN_B)
