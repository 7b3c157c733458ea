"""The published networks without weights: real classes on PyTorch's ``meta`` device.

Nothing is downloaded and nothing is read. The sizes are those of the config.json files that are
fetched with the weights (:mod:`flashtalk.weights.published` reads them from there).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from flashtalk.config import FOURTEEN_B, Preset
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.weights.published import Precision
from flashtalk.weights.sizes import CONFIG, PublishedFiles, encoder_configs, read_json


@dataclass(frozen=True)
class PublishedSizes:
    """What the config.json files of the encoders around the transformer say.

    Each mapping holds the arguments of the library's configuration class. Arguments
    that are the library's defaults or have no influence on memory are left out.
    """

    autoencoder: Mapping[str, Any]
    text: Mapping[str, Any]
    image: Mapping[str, Any]
    speech: Mapping[str, Any]

    def agree_with(self, other: PublishedSizes) -> bool:
        """Whether ``other`` says the same of everything that is said here."""
        return all(
            getattr(other, part.name).get(key) == value
            for part in fields(self)
            for key, value in getattr(self, part.name).items()
        )


PUBLISHED = PublishedSizes(
    # huggingface.co/Wan-AI/Wan2.1-I2V-14B-480P-Diffusers: vae/config.json
    autoencoder={
        "base_dim": 96,
        "z_dim": 16,
        "dim_mult": [1, 2, 4, 4],
        "num_res_blocks": 2,
        "attn_scales": [],
        "temperal_downsample": [False, True, True],
    },
    # the same repository: text_encoder/config.json (google/umt5-xxl)
    text={
        "vocab_size": 256_384,
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10_240,
        "num_heads": 64,
        "num_layers": 24,
        "num_decoder_layers": 24,
        "feed_forward_proj": "gated-gelu",
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "tie_word_embeddings": False,
    },
    # the same repository: image_encoder/config.json (CLIP ViT-H/14)
    image={
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "image_size": 224,
        "patch_size": 14,
        "projection_dim": 1024,
        "hidden_act": "gelu",
    },
    # huggingface.co/TencentGameMate/chinese-wav2vec2-base: config.json (wav2vec 2.0 base)
    speech={
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "conv_dim": [512] * 7,
        "conv_stride": [5, 2, 2, 2, 2, 2, 2],
        "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
        "conv_bias": False,
        "feat_extract_norm": "group",
        "do_stable_layer_norm": False,
    },
)


def published_sizes(files: PublishedFiles) -> PublishedSizes:
    """What the config.json files of a local checkpoint say, or its tensors where it has none."""
    configs = encoder_configs(files, FOURTEEN_B.transformer)
    vae = configs.autoencoder
    return PublishedSizes(
        autoencoder={key: value for key, value in vae.items() if not key.startswith("_")},
        text=configs.text,
        image=configs.image,
        speech=read_json(files.speech / CONFIG, "sizes"),
    )


def empty_networks(preset: Preset, sizes: PublishedSizes, precision: Precision) -> Networks:
    """All networks, whole, on ``meta``, in eval mode, without gradients and without a tokenizer."""
    # Imported here: the embedded model needs none of these libraries.
    from diffusers import AutoencoderKLWan
    from transformers import (
        CLIPVisionConfig,
        CLIPVisionModel,
        UMT5Config,
        UMT5EncoderModel,
        Wav2Vec2Config,
        Wav2Vec2Model,
    )

    from flashtalk.models.published.clip import ImageConditioner
    from flashtalk.models.published.umt5 import TextConditioner
    from flashtalk.models.published.wan_vae import WanAutoencoder
    from flashtalk.models.published.wav2vec import Wav2Vec2SpeechEncoder

    config = preset.transformer
    with torch.device("meta"):
        transformer = VideoTransformer(config)
        vae = AutoencoderKLWan(**sizes.autoencoder)
        text = UMT5EncoderModel(UMT5Config(**sizes.text))
        image = CLIPVisionModel(CLIPVisionConfig(**sizes.image))
        speech = Wav2Vec2Model(Wav2Vec2Config(**sizes.speech))
    for module, dtype in (
        (transformer, precision.transformer),
        (vae, precision.autoencoder),
        (text, precision.text),
        (image, precision.image),
        (speech, precision.speech),
    ):
        # nn.Module's own cast: diffusers' comes with a warning about from_pretrained
        nn.Module.to(module.eval().requires_grad_(False), dtype)
    return Networks(
        preset=preset,
        transformer=transformer,
        autoencoder=WanAutoencoder(vae),
        speech_encoder=Wav2Vec2SpeechEncoder(speech, preset.geometry.samples_per_frame),
        text_encoder=TextConditioner(text, longest_prompt(config.text_tokens), config.text_tokens),
        image_encoder=ImageConditioner(image),
    )


def longest_prompt(tokens: int) -> Any:
    """In place of a tokenizer, which would have to be fetched. Every prompt is as long as allowed,
    which is the case to plan for.
    """
    ids = torch.zeros(1, tokens, dtype=torch.long)

    def tokenize(prompt: str, **options: Any) -> SimpleNamespace:
        tensors: Tensor | list[int] = ids if options.get("return_tensors") else ids[0].tolist()
        return SimpleNamespace(input_ids=tensors)

    return tokenize
