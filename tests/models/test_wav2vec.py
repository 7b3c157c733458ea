"""wav2vec 2.0 as the published system runs it, and what our adapter adds around it.

``golden/wav2vec.safetensors`` holds the public inference code's hidden states of a small network;
weights and waveform are made from their names.
"""

import json
import zlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from flashtalk.models.published.wav2vec import Wav2Vec2SpeechEncoder, standardized

GOLDEN = Path(__file__).parents[1] / "golden"
RECORD = json.loads((GOLDEN / "wav2vec.json").read_text())
SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "conv_dim": [12] * 7,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}


def named(name: str, shape: tuple[int, ...], std: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32((RECORD["salt"] + name).encode()))
    return torch.randn(shape, generator=generator) * std


def network(**config) -> Wav2Vec2Model:
    """Random weights by the rule of the golden outputs."""
    model = Wav2Vec2Model(Wav2Vec2Config(**config)).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        gain = 1.0 if parameter.dim() == 1 and name.endswith("weight") else 0.0
        parameter.copy_(named(name, parameter.shape, 0.05) + gain)
    return model


def speech(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.2 + 0.05


@torch.inference_mode()
def test_published_hidden_states() -> None:
    encoder = Wav2Vec2SpeechEncoder(network(**RECORD["config"]), 640)
    states = encoder.hidden_states(named("wave", (1, RECORD["samples"]), 0.3), RECORD["frames"])
    expected = load_file(GOLDEN / "wav2vec.safetensors")["hidden_states"]  # [layers, F, width]
    error = (states[0].transpose(0, 1) - expected).abs().max() / expected.std()
    assert error < 1e-4


@pytest.mark.parametrize("stable", [False, True])
@torch.inference_mode()
def test_states_are_those_of_transformers_when_nothing_is_resampled(stable: bool) -> None:
    """The walk through the layers, against transformers' own; both kinds of network."""
    model = network(**SMALL, do_stable_layer_norm=stable, feat_extract_norm="group")
    waveform = standardized(speech(2, 12_800))
    frames = model.feature_extractor(waveform).shape[2]  # as they come, 39
    got = Wav2Vec2SpeechEncoder(model, 640).hidden_states(waveform, frames)
    own = model(waveform, output_hidden_states=True)
    assert got.shape == (2, frames, SMALL["num_hidden_layers"], SMALL["hidden_size"])
    for layer in range(SMALL["num_hidden_layers"] - 1):
        assert torch.allclose(got[:, :, layer], own.hidden_states[layer + 1], atol=1e-5)
    assert torch.allclose(got[:, :, -1], own.last_hidden_state, atol=1e-5)


@pytest.mark.parametrize("frames", [1, 7, 33, 50])
@torch.inference_mode()
def test_features_are_resampled_before_the_projection(frames: int) -> None:
    model = network(**SMALL)
    waveform = standardized(speech(1, frames * 640))
    heard = model.feature_extractor(waveform)
    grid = torch.linspace(0, heard.shape[2] - 1, frames)
    left = grid.floor().long().clamp(max=max(heard.shape[2] - 2, 0))
    right = (left + 1).clamp(max=heard.shape[2] - 1)
    resampled = heard[:, :, left] * (1 - (grid - left)) + heard[:, :, right] * (grid - left)
    x, _ = model.feature_projection(resampled.transpose(1, 2))
    expected = model.encoder(x).last_hidden_state
    got = Wav2Vec2SpeechEncoder(model, 640, standardize=True)(speech(1, frames * 640))
    assert got.shape == (1, frames, 4, 24)
    assert torch.allclose(got[:, :, -1], expected, atol=1e-4)


def test_standardized_as_the_published_feature_extractor() -> None:
    samples = speech(2, 3_000) * torch.tensor([[0.001], [3.0]])
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, sampling_rate=16_000)
    expected = extractor(list(samples.numpy()), sampling_rate=16_000, return_tensors="pt")
    assert torch.allclose(standardized(samples), expected.input_values, atol=1e-4)
    assert torch.equal(standardized(torch.zeros(1, 640)), torch.zeros(1, 640))


@torch.inference_mode()
def test_a_quiet_room_stays_quiet_unless_the_network_hears_standardized_samples() -> None:
    model = network(**SMALL)
    room = (speech(1, 6_400) - 0.05) * 1e-5
    as_it_is = Wav2Vec2SpeechEncoder(model, 640)
    leveled = Wav2Vec2SpeechEncoder(model, 640, standardize=True)
    silence, heard, loud = as_it_is(torch.zeros(1, 6_400)), as_it_is(room), leveled(room)
    assert (loud - silence).abs().max() > 100 * (heard - silence).abs().max()
    assert torch.equal(loud, as_it_is(standardized(room)))


def test_a_broken_frame_is_refused() -> None:
    encoder = Wav2Vec2SpeechEncoder(network(**SMALL), 640)
    with pytest.raises(ValueError, match="speech samples per frame: 1000"):
        encoder(speech(1, 1_000))


@torch.inference_mode()
def test_16_bit_weights_still_give_float32() -> None:
    model = network(**SMALL)
    exact = Wav2Vec2SpeechEncoder(model, 640)(speech(1, 6_400))
    rough = Wav2Vec2SpeechEncoder(model.bfloat16(), 640)(speech(1, 6_400))
    assert rough.dtype == torch.float32
    assert F.cosine_similarity(rough.flatten(), exact.flatten(), dim=0) > 0.99
    assert F.mse_loss(rough, exact) < 0.01 * exact.var()
