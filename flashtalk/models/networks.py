"""One set of weights: the networks of a preset, as the chunk step and the engine hold them."""

from __future__ import annotations

from dataclasses import dataclass

from flashtalk.config import Preset, TinyDenoiserConfig, TransformerConfig
from flashtalk.models.contracts import (
    Autoencoder,
    Denoiser,
    ImageEncoder,
    SpeechEncoder,
    TextEncoder,
)
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.tiny.denoiser import TinyDenoiser


@dataclass(frozen=True)
class Networks:
    """One set of weights, shared by all sessions."""

    preset: Preset
    transformer: Denoiser
    autoencoder: Autoencoder
    speech_encoder: SpeechEncoder
    text_encoder: TextEncoder | None = None
    """Only in models that read a prompt; needed when a session opens, not by its chunks."""
    image_encoder: ImageEncoder | None = None
    """Like the text encoder, needed when a session opens."""


def build_denoiser(config: TransformerConfig) -> VideoTransformer:
    """A denoiser of ``config`` with new random weights: the one place that chooses its class."""
    if isinstance(config, TinyDenoiserConfig):
        return TinyDenoiser(config)
    return VideoTransformer(config)
