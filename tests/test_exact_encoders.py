"""The transformer's own repository alone: Wan's encoders as it stores them, to the last digit."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
import torch
from original_encoders import original_modules

from flashtalk.config import FOURTEEN_B, FOURTEEN_B_EXACT
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.models.published.clip import clip_pixels
from flashtalk.weights.checkpoint import find_checkpoint
from flashtalk.weights.original import AUTOENCODER_FILE, IMAGE_FILE, TEXT_FILE


@pytest.fixture
def folder(exact_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(exact_checkpoint, tmp_path / "checkpoint")


@pytest.fixture(scope="module")
def networks(exact_checkpoint: Path) -> Networks:
    return find_checkpoint(exact_checkpoint).load(torch.device("cpu"))


@torch.inference_mode()
def test_the_text_encoder_computes_what_wans_own_does(networks: Networks) -> None:
    prompt = "a person talks"
    ids = networks.text_encoder._tokenizer(prompt, return_tensors="pt").input_ids[0]
    expected = copy.deepcopy(original_modules()["text"]).float()(ids)
    got = networks.text_encoder(prompt)[0]
    assert (got[: len(expected)] - expected).abs().max() < 1e-4 * expected.std()


@torch.inference_mode()
def test_the_picture_encoder_computes_what_wans_own_does(networks: Networks) -> None:
    portrait = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    expected = original_modules()["clip"].visual(clip_pixels(portrait, 28)[0])
    got = networks.image_encoder(portrait)[0]
    assert (got - expected).abs().max() < 1e-4 * expected.std()


def test_every_tensor_of_the_autoencoder_arrives(networks: Networks) -> None:
    theirs = {tensor.sum().item() for tensor in original_modules()["vae"].state_dict().values()}
    ours = {tensor.sum().item() for tensor in networks.autoencoder.vae.state_dict().values()}
    assert ours == theirs


def test_pictures_come_out(exact_checkpoint: Path) -> None:
    engine = Engine.from_pretrained(exact_checkpoint, device="cpu", size=(32, 32))
    assert engine.warm_up() > 0


def test_one_repository_at_one_revision() -> None:
    source = FOURTEEN_B_EXACT.source
    assert source.transformer.repo_id == source.wan.repo_id == FOURTEEN_B.weights
    assert source.transformer.revision == source.wan.revision
    assert FOURTEEN_B_EXACT.transformer == FOURTEEN_B.transformer
    moved = find_checkpoint("flashtalk-14b-exact@main").weights
    assert (moved.transformer.revision, moved.wan.revision) == ("main", "main")
    assert moved.wav2vec == source.wav2vec


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (TEXT_FILE, {"weights": Path}, "holds more than tensors"),
        (TEXT_FILE, {"weights": torch.zeros(1)}, "lacks the tensor 'token_embedding.weight'"),
        (IMAGE_FILE, [torch.zeros(1)], "expected one tensor for each name"),
        (AUTOENCODER_FILE, None, "is cut off, damaged or holds more than tensors"),
    ],
)
def test_files_that_hold_something_else(
    folder: Path, file: str, content: object, said: str
) -> None:
    path = folder / file
    if content is None:
        path.write_bytes(path.read_bytes()[:5000])
    else:
        torch.save(content, path)
    with pytest.raises(FlashTalkError) as refusal:
        Engine.from_pretrained(folder, device="cpu")
    assert str(path) in str(refusal.value) and said in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_a_file_that_is_missing_and_tensors_too_many(folder: Path) -> None:
    (folder / TEXT_FILE).rename(folder / "elsewhere.pth")
    with pytest.raises(
        FlashTalkError, match=rf"{TEXT_FILE} \(the text encoder\) is missing. Fetch the"
    ):
        Engine.from_pretrained(folder, device="cpu")
    (folder / "elsewhere.pth").rename(folder / TEXT_FILE)
    state = torch.load(folder / IMAGE_FILE, weights_only=True)
    torch.save(state | {"visual.surprise": torch.zeros(1)}, folder / IMAGE_FILE)
    with pytest.raises(FlashTalkError, match=r"image encoder .* not have: visual\.surprise"):
        Engine.from_pretrained(folder, device="cpu")
