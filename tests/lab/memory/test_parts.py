"""Bytes of the networks: of the published ones by their public sizes, of all by what is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from published_checkpoint import AUTOENCODER, IMAGE, SPEECH, TEXT
from torch import nn

from flashtalk.config import FOURTEEN_B, TINY
from flashtalk.weights.empty import PublishedSizes
from flashtalk.weights.published import ON_GPU, load_published
from flashtalk.weights.sizes import PublishedFiles, published_preset
from lab.memory import Parts, activation_peaks, parts_of
from lab.memory.parts import bytes_of
from lab.memory.placed import PHASES

TOY_SIZES = PublishedSizes(
    autoencoder={key: value for key, value in AUTOENCODER.items() if key != "_class_name"},
    text=TEXT,
    image=IMAGE,
    speech=SPEECH,
)


@pytest.fixture(scope="module")
def published() -> Parts:
    return parts_of(FOURTEEN_B)


@pytest.mark.parametrize(
    ("name", "parameters", "file_gb"),
    [
        # sizes of files as huggingface.co shows them: five shards of the text encoder (4.97, 4.9,
        # 4.97, 5.0 and 2.89 GB), vae/diffusion_pytorch_model.safetensors, image_encoder/
        # model.safetensors; pytorch_model.bin also holds what training needed (380 MB)
        ("text_encoder", 5_680_910_336, 22.72),
        ("autoencoder", 126_892_531, 0.508),
        ("image_encoder", 630_766_080, 1.26),
        ("speech_encoder", 94_371_712, 0.377),
    ],
)
def test_encoders_have_their_published_sizes(
    published: Parts, name: str, parameters: int, file_gb: float
) -> None:
    part = published.part(name)
    assert part.parameters == parameters
    assert part.download_bytes / 1e9 == pytest.approx(file_gb, rel=2e-3)


def test_the_transformer_is_the_public_base_and_its_audio_modules(published: Parts) -> None:
    part = published.part("transformer")
    transformer = published.networks.transformer
    block = transformer.blocks[0]
    audio = bytes_of(transformer.audio_proj) + 40 * (
        bytes_of(block.audio_cross_attn) + bytes_of(block.norm_x)
    )
    # wan2.1_i2v_480p_14B_bf16.safetensors: 32.8 GB
    assert (part.bytes - audio) / 1e9 == pytest.approx(32.8, abs=0.05)
    assert part.bytes == 2 * part.parameters == part.download_bytes
    blocks = published.blocks
    assert blocks.count == 40
    assert 0.5 < blocks.fp8 / blocks.plain < 0.501


def test_parts_of_a_toy_weigh_what_is_loaded(checkpoint: Path) -> None:
    files = PublishedFiles.of(checkpoint)
    preset = published_preset(files)
    loaded = load_published(files, preset, ON_GPU)
    parts = parts_of(preset, TOY_SIZES)
    for part in parts.parts:
        module = getattr(loaded, part.name)
        assert isinstance(module, nn.Module)
        assert (part.bytes, part.name) == (bytes_of(module), part.name)
        dtypes = {str(parameter.dtype) for parameter in module.parameters()}
        assert dtypes == {f"torch.{part.dtype}"}
    short = replace(preset.geometry, chunk_frames=13, speech_window_frames=13)
    preset = replace(preset, geometry=short)
    peaks = activation_peaks(parts, preset.with_size((64, 48)))
    assert peaks.keys() == {*PHASES, "denoise fp8"}
    larger = activation_peaks(parts_of(preset, TOY_SIZES), preset.with_size((128, 96)))
    for phase in ("first frame", "denoise", "decode", "motion encode"):
        assert 2.0 < larger[phase] / peaks[phase] < 4.1


def test_the_embedded_model_comes_with_the_repository() -> None:
    parts = parts_of(TINY)
    assert [part.name for part in parts.parts] == ["transformer", "autoencoder", "speech_encoder"]
    assert all(part.bytes >= 4 * part.parameters > 0 for part in parts.parts)
    assert not any(part.download_bytes for part in parts.parts)
