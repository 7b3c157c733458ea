"""Weights and inputs of the golden outputs, made from their names, for any configuration."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import torch

from flashtalk.config import SpeechFeatures, TransformerConfig
from flashtalk.models.dit.transformer import VideoTransformer

GOLDEN = Path(__file__).parent / "golden"
RECORD = json.loads((GOLDEN / "transformer.json").read_text())


def tensor(name: str, shape: tuple[int, ...], std: float = 1.0) -> torch.Tensor:
    """The tensor called ``name``."""
    generator = torch.Generator().manual_seed(zlib.crc32((RECORD["salt"] + name).encode()))
    return torch.randn(shape, generator=generator) * std


def build(config: dict[str, Any]) -> VideoTransformer:
    """A transformer of ``config``, whose weights are made from their names."""
    model = VideoTransformer(
        TransformerConfig(
            dim=config["dim"],
            ffn_dim=config["ffn_dim"],
            heads=config["num_heads"],
            layers=config["num_layers"],
            latent_channels=config["out_dim"],
            mask_channels=config["in_dim"] - 2 * config["out_dim"],
            speech=SpeechFeatures(layers=12, width=768, window_frames=config["audio_window"]),
            audio_hidden=config["intermediate_dim"],
            audio_tokens=config["context_tokens"],
            audio_width=config["output_dim"],
            frequency_dim=config["freq_dim"],
            text_dim=config["text_dim"],
            text_tokens=config["text_len"],
            image_dim=1280,
        )
    )
    weights = {}
    for name, parameter in model.named_parameters():
        gain = 1.0 if parameter.dim() == 1 and name.endswith("weight") else 0.0
        weights[name] = tensor(name, parameter.shape, 0.05) + gain
    model.load_state_dict(weights)
    return model.eval()
