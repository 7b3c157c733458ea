"""A shrunken 14B in the published layout: the real classes, random weights, 16 x 32 pixels.

Short chunks: 13 frames, 8 of them new.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor
from transformers import Wav2Vec2Config, Wav2Vec2Model

from flashtalk.config import Preset, SamplerConfig, SpeechFeatures, TransformerConfig
from flashtalk.geometry import ChunkGeometry
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.models.published.wan_vae import WanAutoencoder
from flashtalk.models.published.wav2vec import Wav2Vec2SpeechEncoder

PUBLISHED_TOY = Preset(
    name="toy-published",
    geometry=ChunkGeometry(
        height_px=16, width_px=32, spatial_stride=8, chunk_frames=13, speech_window_frames=20
    ),
    transformer=TransformerConfig(
        dim=32,
        ffn_dim=48,
        heads=2,
        layers=2,
        latent_channels=4,
        mask_channels=4,
        speech=SpeechFeatures(layers=2, width=16),
        audio_hidden=16,
        audio_tokens=3,
        audio_width=12,
        frequency_dim=16,
        text_dim=10,
        text_tokens=7,
        image_dim=14,
        image_tokens=5,
    ),
    sampler=SamplerConfig(),
    weights="toy",
    trained_chunk_frames=(13,),
    speech_loudness_lufs=-23.0,
    prompt="A person talks.",
)


def build_published_toy(preset: Preset = PUBLISHED_TOY) -> Networks:
    """The networks, every parameter of the transformer random."""
    torch.manual_seed(1)
    vae = AutoencoderKLWan(
        base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        latents_mean=[0.1, -0.2, 0.0, 0.3],
        latents_std=[0.6, 0.9, 1.2, 0.5],
    )
    wav2vec = Wav2Vec2Model(
        Wav2Vec2Config(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            conv_dim=[8] * 7,
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
        )
    )
    transformer = VideoTransformer(preset.transformer)
    for module in (vae, wav2vec, transformer):
        module.eval().requires_grad_(False)
    for parameter in transformer.parameters():  # new ones have closed gates
        parameter.normal_(std=0.15)
    return Networks(
        preset=preset,
        transformer=transformer,
        autoencoder=WanAutoencoder(vae),
        speech_encoder=Wav2Vec2SpeechEncoder(wav2vec, PUBLISHED_TOY.geometry.samples_per_frame),
    )


def states(seed: int) -> dict[str, Tensor]:
    """What the text and image encoders would give."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "text": torch.randn(1, 7, 10, generator=generator),
        "image": torch.randn(1, 5, 14, generator=generator),
    }
