"""The whole system at toy size: the real classes with random weights, 64x64 pixels, one thread."""

from __future__ import annotations

from flashtalk.openmp import let_waiting_threads_sleep

let_waiting_threads_sleep()  # as the commands do; PyTorch is imported after it

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from flashtalk.config import (
    TINY,
    AutoencoderConfig,
    Preset,
    SpeechEncoderConfig,
    SpeechFeatures,
    TinyDenoiserConfig,
)
from flashtalk.memory import keep_what_is_there
from flashtalk.models.networks import Networks
from flashtalk.weights import build_networks, modules_of

SPEECH = SpeechFeatures(layers=2, width=8)

TOY = Preset(
    name="toy",
    geometry=replace(TINY.geometry, height_px=64, width_px=64, speech_window_frames=40),
    transformer=TinyDenoiserConfig(
        dim=32,
        ffn_dim=48,
        heads=2,
        layers=2,
        latent_channels=44,
        mask_channels=1,
        flow_prior_cells=(2, 2),
        speech=SPEECH,
        audio_hidden=16,
        audio_tokens=2,
        audio_width=12,
        frequency_dim=16,
    ),
    # landmarks of random weights are nowhere sure: painters would have nothing to do
    autoencoder=AutoencoderConfig(latent_channels=44, width=16, fade_unseen=False, landmarks="own"),
    speech_encoder=SpeechEncoderConfig(features=SPEECH, mel_bins=16, dim=16),
    sampler=TINY.sampler,
    trained_chunk_frames=TINY.trained_chunk_frames,
    live_lookahead_frames=TINY.live_lookahead_frames,
    weights="toy",
    least_face=TINY.least_face,
)


def pytest_collection_finish() -> None:
    """No talk's search for garbage goes through thousands of tests: a quarter of a second each."""
    keep_what_is_there()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Certificates for development are made in a folder of the tests."""
    os.environ["XDG_DATA_HOME"] = str(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def toy_networks() -> Networks:
    """Every parameter random: new networks have closed gates, and no input would matter."""
    torch.manual_seed(0)
    networks = build_networks(TOY)
    with torch.no_grad():
        for module in modules_of(networks).values():
            for parameter in module.requires_grad_(False).parameters():
                parameter.normal_(std=0.15)
        # displacements of pixels, not of pictures: neighbors fetched from anywhere make much of how
        # something was rounded
        decoder = networks.autoencoder.decoder
        for layer in (decoder.flow, decoder.finer_flow, decoder.outline.flow):
            layer.weight.mul_(0.01)
        # landmarks near each other, likewise: lips that bend from anywhere to anywhere
        reader = networks.autoencoder.reader
        for layer in (reader.heat, reader.refiner.mouth.heat, reader.refiner.eye.heat):
            layer.weight.mul_(0.05)
        # and painters that do not make a thousand times as much of it, layer upon layer
        for painter in (decoder.mouth, decoder.cover, decoder.eye, decoder.lids):
            for parameter in painter.parameters():
                parameter.mul_(0.4)
    return networks


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published layout at toy size; whoever spoils it takes a copy."""
    from published_checkpoint import write_checkpoint

    return write_checkpoint(tmp_path_factory.mktemp("hub") / "toy-14b")


@pytest.fixture(scope="session")
def exact_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the encoders in Wan's own files."""
    from published_checkpoint import write_original

    return write_original(tmp_path_factory.mktemp("hub") / "toy-exact")


@pytest.fixture(scope="session")
def toy_portrait() -> torch.Tensor:
    """A smooth colored picture, [1, 3, 64, 64] in [-1, 1]."""
    return colored_picture(1)


def colored_picture(seed: int) -> torch.Tensor:
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (64, 64), mode="bilinear")


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """Three and a half seconds of something that changes, float32 at 16 kHz."""
    time_s = np.arange(56_000) / 16_000
    loudness = 0.5 + 0.5 * np.sin(2 * np.pi * 1.3 * time_s)
    noise = np.random.default_rng(0).normal(0, 0.05, time_s.shape)
    return (0.4 * loudness * np.sin(2 * np.pi * (150 + 60 * time_s) * time_s) + noise).astype("f4")
