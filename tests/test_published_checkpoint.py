"""A checkpoint in the published layout through the public door: it talks, or a sentence says why.

The folder is of toy size and complete (``published_checkpoint``); nothing of the loading is faked.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from published_checkpoint import checkpoint_modules
from safetensors.torch import load_file, save_file

from flashtalk.assets import ASSETS
from flashtalk.config import FOURTEEN_B, Preset
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.framing import closest_size
from flashtalk.inputs.portrait import WITHOUT_FACE, portrait_for
from flashtalk.inputs.speech import Speech
from flashtalk.outputs.film import Film, pieces_of
from flashtalk.weights import modules_of
from flashtalk.weights.checkpoint import find_checkpoint
from flashtalk.weights.published import ON_CPU, ON_GPU, load_published
from flashtalk.weights.sizes import PublishedFiles, published_preset

SIDE = 32  # pixels; the smallest that leaves the autoencoder something to do


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Engine:
    return Engine.from_pretrained(checkpoint, device="cpu", size=(SIDE, SIDE))


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(checkpoint, tmp_path / "checkpoint")


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return Image.open(ASSETS / "portraits" / "ada.jpg").convert("RGB")


# --- it talks -----------------------------------------------------------------------------------
def test_ten_chunks_become_a_playable_file(engine: Engine, picture, tmp_path: Path) -> None:
    geometry = engine.preset.geometry
    speech = np.random.default_rng(0).normal(0, 0.1, 10 * geometry.new_samples).astype("f4")
    out = tmp_path / "talk.mp4"
    said = Speech(speech, np.repeat(speech, 3)[None])
    with Film((SIDE, SIDE), geometry.fps, said, out) as film:
        pieces = pieces_of(engine.open(picture, steps=1), said)
        shown = [fragment.piece.frames for fragment in film.fragments(pieces)]
    assert len(shown) == 10
    assert all(frames.std() > 1 for frames in shown), "pictures, not a flat color"
    with av.open(str(out)) as file:
        assert sum(1 for _ in file.decode(video=0)) == 280
    with av.open(str(out)) as file:
        assert sum(frame.samples for frame in file.decode(audio=0)) >= 280 * 1920


def test_every_tensor_arrives_where_it_belongs(engine: Engine) -> None:
    written, networks = checkpoint_modules(), engine._networks
    states = {name: module.state_dict() for name, module in written.items()}
    for name, tensor in networks.transformer.state_dict().items():
        assert torch.equal(tensor, states["transformer"][name].float()), name
    for name, tensor in networks.autoencoder.vae.state_dict().items():
        assert torch.equal(tensor, states["vae"][name]), name
    text = networks.text_encoder.encoder
    assert text.encoder.embed_tokens.weight is text.shared.weight
    assert torch.equal(text.shared.weight, states["text_encoder"]["shared.weight"].float())
    assert torch.equal(
        text.encoder.final_layer_norm.weight,
        states["text_encoder"]["encoder.final_layer_norm.weight"].float(),
    )
    layer = "encoder.layers.1.mlp.fc1.weight"
    image = networks.image_encoder.encoder.state_dict()
    assert torch.equal(image[layer], states["image_encoder"][f"vision_model.{layer}"])
    position = "encoder.pos_conv_embed.conv."
    speech = networks.speech_encoder.wav2vec.state_dict()
    assert torch.equal(
        speech[f"{position}parametrizations.weight.original1"],
        states["speech"][f"wav2vec2.{position}parametrizations.weight.original1"],
    )
    for module in modules_of(networks).values():
        assert not module.training
        assert not any(parameter.is_meta for parameter in module.parameters())


def test_speech_is_heard_at_its_own_level_as_the_published_settings_say(
    checkpoint: Path, folder: Path
) -> None:
    as_it_is = load_published(*_files_and_preset(checkpoint), ON_CPU).speech_encoder
    assert not as_it_is.standardize
    flag = folder / "wav2vec2" / "preprocessor_config.json"
    flag.write_text(json.dumps(json.loads(flag.read_text()) | {"do_normalize": True}))
    leveled = load_published(*_files_and_preset(folder), ON_CPU).speech_encoder
    quiet = torch.randn(1, 640 * 10, generator=torch.Generator().manual_seed(0)) * 1e-3
    loud, still = quiet * 100, torch.zeros(1, 640 * 10)
    assert torch.allclose(leveled(quiet), leveled(loud), atol=1e-2)
    assert not torch.allclose(as_it_is(quiet), as_it_is(loud), atol=1e-2)
    assert torch.equal(as_it_is(still), leveled(still))


def _files_and_preset(folder: Path) -> tuple[PublishedFiles, Preset]:
    files = PublishedFiles.of(folder)
    return files, published_preset(files)


def test_a_picture_encoder_without_its_projection_loads_as_well(folder: Path) -> None:
    path = folder / "image_encoder" / "model.safetensors"
    state = load_file(path)
    alone = {key: value for key, value in state.items() if key != "visual_projection.weight"}
    assert len(alone) == len(state) - 1
    save_file({key.removeprefix("vision_model."): value for key, value in alone.items()}, path)
    Engine.from_pretrained(folder, device="cpu")


def test_types_on_a_gpu_are_the_published_ones(checkpoint: Path) -> None:
    files = PublishedFiles.of(checkpoint)
    networks = load_published(files, published_preset(files), ON_GPU)
    kinds = {name: next(m.parameters()).dtype for name, m in modules_of(networks).items()}
    assert kinds == {
        "transformer": torch.bfloat16,
        "autoencoder": torch.bfloat16,
        "text_encoder": torch.bfloat16,
        "image_encoder": torch.float16,
        "speech_encoder": torch.float32,
    }


def test_prompt_portrait_and_speech_all_matter(engine: Engine, picture) -> None:
    rng = np.random.default_rng(1)
    speech = rng.normal(0, 0.1, engine.preset.geometry.new_samples).astype("f4")

    def frames(portrait, samples, **options) -> np.ndarray:
        return next(engine.open(portrait, steps=1, **options).push(samples)).frames

    usual = frames(picture, speech)
    assert np.array_equal(usual, frames(picture, speech, prompt=engine.preset.prompt))
    assert not np.array_equal(usual, frames(picture, speech, prompt="another prompt"))
    assert not np.array_equal(usual, frames(picture, speech[::-1].copy()))
    assert not np.array_equal(usual, frames(ImageOps.mirror(picture), speech))


def test_a_long_prompt_is_cut_with_a_notice(engine: Engine, picture) -> None:
    prompt = "word " * 200
    assert "first 24 are used" in engine.prompt_notice(prompt)
    assert engine.prompt_notice("a short prompt") is None
    assert engine.prompt_notice("") is None
    engine.open(picture, prompt=prompt).close()


def test_a_picture_without_a_face_is_used_whole_if_asked(engine: Engine) -> None:
    nobody = Image.linear_gradient("L").convert("RGB")
    with pytest.raises(FlashTalkError, match="No face was found"):
        portrait_for(nobody, engine.preset)
    assert WITHOUT_FACE in portrait_for(nobody, engine.preset, without_face=True).notices


def test_safetensors_and_the_other_folder_name_for_the_speech_encoder(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        Engine.from_pretrained(folder, device="cpu")
    assert "weights_only=True" in caplog.text
    caplog.clear()
    pickle = folder / "wav2vec2" / "pytorch_model.bin"
    save_file(torch.load(pickle, weights_only=True), pickle.with_name("model.safetensors"))
    pickle.write_bytes(b"never looked at")
    (folder / "wav2vec2").rename(folder / "chinese-wav2vec2-base")
    with caplog.at_level(logging.INFO):
        Engine.from_pretrained(folder, device="cpu")
    assert "weights_only" not in caplog.text


@pytest.mark.parametrize(("placement", "worst"), [("80gb", 0), ("24gb", 60)])
def test_a_placement_changes_little_of_the_picture(
    engine: Engine, checkpoint: Path, picture, placement: str, worst: int
) -> None:
    placed = Engine.from_pretrained(
        checkpoint, device="cpu", size=(SIDE, SIDE), placement=placement
    )
    speech = np.zeros(engine.preset.geometry.new_samples, np.float32)
    pictures = [
        next(each.open(picture, steps=1).push(speech)).frames.astype(int)
        for each in (engine, placed)
    ]
    assert np.abs(pictures[0] - pictures[1]).max() <= worst


def test_an_unknown_placement(checkpoint: Path) -> None:
    with pytest.raises(FlashTalkError, match=r"Unknown placement '12gb'. Known placements: 80gb"):
        Engine.from_pretrained(checkpoint, device="cpu", placement="12gb")


# --- sizes --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (1080, 1920, (768, 448)),  # a telephone, upright
        (1920, 1080, (448, 768)),
        (1000, 1000, (640, 640)),
        (1024, 1280, (640, 640)),
        (1000, 1500, (768, 448)),
        (600, 200, (448, 768)),  # all wide ones keep half of it: the sharpest
    ],
)
def test_the_size_follows_the_portrait(width: int, height: int, size: tuple[int, int]) -> None:
    assert closest_size(width, height, FOURTEEN_B.sizes) == size


def test_a_portrait_of_the_14b_has_one_of_its_sizes() -> None:
    picture = Image.open(ASSETS / "portraits" / "ada.jpg").crop((0, 0, 512, 384))
    portrait = portrait_for(picture, FOURTEEN_B)
    assert (portrait.image.height, portrait.image.width) in FOURTEEN_B.sizes
    small = portrait_for(picture, FOURTEEN_B.with_size((64, 96)))
    assert small.image.size == (96, 64)
    with pytest.raises(FlashTalkError, match="framed at 96 x 64 pixels, but 448 x 768 or 768 x"):
        portrait_for(small, FOURTEEN_B)


@pytest.mark.parametrize("size", [(770, 448), (448, 0), (-16, 448), (8, 8)])
def test_sides_that_do_not_divide(checkpoint: Path, size: tuple[int, int]) -> None:
    with pytest.raises(FlashTalkError, match=r"multiples of 16 pixels, got .* nearest are \d+ x"):
        Engine.from_pretrained(checkpoint, size=size)


def test_the_whole_network_is_not_read_before_the_check(checkpoint: Path) -> None:
    found = find_checkpoint(checkpoint)
    assert found.preset.transformer.dim == 64
    assert found.preset.name == "flashtalk-14b (toy-14b)"
    assert found.load(torch.device("cpu")).preset is found.preset
    assert ON_CPU.transformer == torch.float32
