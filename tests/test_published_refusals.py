"""What is wrong with a checkpoint in the published layout is said in one sentence, and named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from published_checkpoint import TRANSFORMER
from safetensors.torch import load_file, save_file

from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(checkpoint, tmp_path / "checkpoint")


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("diffusion_pytorch_model-*.safetensors"))


def refused(folder: Path, *said: str) -> None:
    with pytest.raises(FlashTalkError) as refusal:
        Engine.from_pretrained(folder, device="cpu")
    for words in said:
        assert words in str(refusal.value), str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_the_14b_needs_a_gpu() -> None:
    with pytest.raises(FlashTalkError, match=r"flashtalk-14b needs a GPU: .* 18.9 billion"):
        Engine.from_pretrained("flashtalk-14b", device="cpu")


def test_the_14b_in_a_folder_needs_a_gpu_too(folder: Path) -> None:
    config = {"dim": 5120, "ffn_dim": 13824, "num_heads": 40, "num_layers": 40}
    (folder / "config.json").write_text(json.dumps(TRANSFORMER | config))
    refused(folder, "needs a GPU", "device is 'cpu'")


def test_a_missing_shard(folder: Path) -> None:
    shards(folder)[1].unlink()
    refused(folder, "lacks 1 of 3 weight files", shards(folder)[0].name.replace("1-of", "2-of"))


@pytest.mark.parametrize("kept", [0, 4, 500, -1])
def test_a_shard_that_was_cut_off(folder: Path, kept: int) -> None:
    path = shards(folder)[0]
    path.write_bytes(path.read_bytes()[:kept])
    refused(folder, str(path), "cut off, damaged or no safetensors file", "Fetch the folder again")


def test_a_pointer_instead_of_a_shard(folder: Path) -> None:
    path = shards(folder)[2]
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    refused(folder, str(path), "no safetensors file: 63 bytes")


def test_a_tensor_that_is_missing(folder: Path) -> None:
    path = shards(folder)[0]
    state = load_file(path)
    gone = sorted(state)[0]
    save_file({key: state[key] for key in state if key != gone}, path)
    refused(folder, f"lists {gone}, which {path.name} does not hold")
    index = folder / "diffusion_pytorch_model.safetensors.index.json"
    content = json.loads(index.read_text())
    del content["weight_map"][gone]
    index.write_text(json.dumps(content))
    refused(folder, "The transformer in", "lacks 1 of", gone)


def test_a_tensor_too_many(folder: Path) -> None:
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    save_file(load_file(path) | {"decoder.surprise": torch.zeros(1)}, path)
    refused(folder, "The autoencoder in", "does not have: decoder.surprise")


def test_a_tensor_that_the_index_does_not_know(folder: Path) -> None:
    path = shards(folder)[0]
    save_file(load_file(path) | {"blocks.0.surprise": torch.zeros(1)}, path)
    refused(folder, "blocks.0.surprise, which the index beside it does not list")


def test_a_tensor_of_another_shape(folder: Path) -> None:
    path = folder / "image_encoder" / "model.safetensors"
    state = load_file(path)
    key = "vision_model.post_layernorm.weight"
    save_file(state | {key: torch.zeros(7)}, path)
    refused(folder, "image encoder", "post_layernorm.weight of shape [7]", "asks for [32]")


@pytest.mark.parametrize("name", ["visual_projection.bias", "text_projection.weight"])
def test_a_picture_encoder_with_more_than_its_projection(folder: Path, name: str) -> None:
    path = folder / "image_encoder" / "model.safetensors"
    save_file(load_file(path) | {name: torch.zeros(20)}, path)
    refused(folder, "image encoder", f"does not have: {name}")


def test_a_tensor_of_another_type(folder: Path) -> None:
    path = folder / "image_encoder" / "model.safetensors"
    state = load_file(path)
    key = "vision_model.post_layernorm.weight"
    for dtype, name in ((torch.int8, "I8"), (torch.float8_e4m3fn, "F8_E4M3")):
        save_file(state | {key: state[key].to(dtype)}, path)
        refused(folder, f"post_layernorm.weight of type {name} in model.safetensors", "original")


def test_settings_of_the_speech_encoder_that_are_missing_or_silent(folder: Path) -> None:
    path = folder / "wav2vec2" / "preprocessor_config.json"
    path.write_text("{}")
    refused(folder, str(path), "do_normalize is None", "chinese-wav2vec2-base has false")
    path.unlink()
    refused(folder, str(path), "is missing", "Fetch the folder again")


def test_shards_without_their_index(folder: Path) -> None:
    (folder / "diffusion_pytorch_model.safetensors.index.json").unlink()
    refused(folder, "3 safetensors files but no index")


@pytest.mark.parametrize("content", ["", "[]", '{"weight_map": {"a": "../b.safetensors"}}'])
def test_an_unreadable_index(folder: Path, content: str) -> None:
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(content)
    refused(folder, "index.json", "cannot be read")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_layers": 3}, ["lacks", "blocks.2."]),
        ({"ffn_dim": 128}, ["of shape [96, 64]", "asks for [128, 64]"]),
        ({"num_heads": 7}, ["describe networks that cannot be", "64", "7"]),
        ({"model_type": "t2v"}, ["model_type 't2v'", "must be 'i2v'"]),
        ({"in_dim": 32}, ["asks for 0 mask channels", "has 4"]),
        ({"out_dim": 12, "in_dim": 28}, ["asks for 12 latent channels", "vae/config.json says 16"]),
        ({"text_dim": 4096}, ["asks for 4096 text width", "text_encoder/config.json says 32"]),
        ({"dim": "wide"}, ["describe networks that cannot be"]),
    ],
)
def test_a_wrong_config(folder: Path, changes: dict, said: list[str]) -> None:
    (folder / "config.json").write_text(json.dumps(TRANSFORMER | changes))
    refused(folder, "config", *said)


def test_a_config_that_does_not_say_enough(folder: Path) -> None:
    config = {key: value for key, value in TRANSFORMER.items() if key != "dim"}
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, "config.json", "does not say 'dim'")


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("vae", "_class_name", "AutoencoderKL"),
        ("text_encoder", "model_type", "t5"),
        ("image_encoder", "model_type", "siglip_vision_model"),
        ("wav2vec2", "model_type", "hubert"),
    ],
)
def test_another_kind_of_network(folder: Path, part: str, key: str, value: str) -> None:
    path = folder / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    refused(folder, str(path), f"{key} '{value}'", "Choose the checkpoint")


@pytest.mark.parametrize("part", ["vae", "text_encoder", "image_encoder", "wav2vec2", "tokenizer"])
def test_a_missing_part(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    refused(folder, part, "is missing", "Fetch the folder again")


def test_a_damaged_tokenizer(folder: Path) -> None:
    (folder / "tokenizer" / "tokenizer.json").write_text("{")
    refused(folder, "tokenizer", "cannot be read")


def test_a_pickle_that_was_cut_off_or_wants_to_run_code(folder: Path) -> None:
    path = folder / "wav2vec2" / "pytorch_model.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(folder, str(path), "cut off, damaged or holds more than tensors")
    torch.save({"weights": Path}, path)  # a class: not a tensor, so not read
    refused(folder, str(path), "holds more than tensors")
    torch.save({"state_dict": {"weights": torch.zeros(1)}}, path)
    refused(folder, str(path), "expected one tensor for each name")


def test_nothing_but_a_config(tmp_path: Path, checkpoint: Path) -> None:
    shutil.copy(checkpoint / "config.json", tmp_path)
    refused(tmp_path, "vae/config.json", "is missing")
