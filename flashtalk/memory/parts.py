"""The networks of a preset without their weights: exact bytes, and modules that run on ``meta``.

Nothing is downloaded and nothing is read. The embedded networks follow from the preset alone; the
published ones from the sizes below, which are those of the config.json files that are fetched with
the weights (``flashtalk.weights.published`` reads them from there).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from flashtalk.config import Preset
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.placement.fp8 import store_as_fp8
from flashtalk.weights import build_networks, modules_of
from flashtalk.weights.published import ON_GPU, Precision

RUN_BLOCKS = 2
"""Blocks of the transformer that are run to find its peak. They are alike and keep nothing for each
other, so two of them need as much as forty (a test holds that)."""


@dataclass(frozen=True)
class PublishedSizes:
    """What the config.json files of the encoders around the transformer say.

    Each mapping holds the arguments of the library's configuration class; left out is what is the
    library's default or has no influence on memory.
    """

    autoencoder: Mapping[str, Any]
    text: Mapping[str, Any]
    image: Mapping[str, Any]
    speech: Mapping[str, Any]


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

STORED = Precision(
    transformer=torch.bfloat16,
    autoencoder=torch.float32,
    text=torch.float32,
    image=torch.bfloat16,
    speech=torch.float32,
)
"""The types of the published files, which decide how much is fetched."""


@dataclass(frozen=True)
class Part:
    """One network: how large it is."""

    name: str
    parameters: int
    dtype: str
    """The type it runs in, ``bfloat16`` or another."""
    bytes: int
    """Parameters and buffers, in that type."""
    download_bytes: int
    """Bytes to fetch; 0 if it comes with the repository."""
    converted: bool
    """Whether its file holds another type: then it is converted in host memory when it loads.
    Otherwise the file is mapped and goes from there to the GPU."""


@dataclass(frozen=True)
class BlockBytes:
    """The transformer's share that may be stored in 8 bits and streamed: its blocks."""

    count: int
    plain: int
    """Bytes of one block in the transformer's own type."""
    fp8: int
    """Bytes of one block with FP8 weights: values, scales, and what stays as it is."""


@dataclass(frozen=True)
class Parts:
    """All networks of a preset: their bytes, and stand-ins that run."""

    parts: tuple[Part, ...]
    blocks: BlockBytes
    networks: Networks
    """They run, nothing more: on the device below, :data:`RUN_BLOCKS` blocks in the transformer."""
    packed_transformer: VideoTransformer
    """The same transformer with FP8 blocks."""
    device: str
    """``meta``, or ``cpu`` for embedded networks: small, and their decoder looks at its pixels."""

    def part(self, name: str) -> Part | None:
        """The part called ``name``, if the preset has one."""
        return next((part for part in self.parts if part.name == name), None)

    @property
    def download_bytes(self) -> int:
        """Everything that has to be fetched once."""
        return sum(part.download_bytes for part in self.parts)


def parts_of(
    preset: Preset, sizes: PublishedSizes = PUBLISHED, precision: Precision = ON_GPU
) -> Parts:
    """The parts of ``preset``; ``sizes`` and ``precision`` matter to published ones only."""
    if preset.source is None:
        precision = Precision(*[torch.float32] * 5)
        networks = _embedded(preset)
    else:
        networks = published_networks(preset, sizes, precision)
    whole = networks.transformer
    modules = {
        **modules_of(networks),
        "text_encoder": networks.text_encoder,
        "image_encoder": networks.image_encoder,
    }
    dtypes = {
        "transformer": (precision.transformer, STORED.transformer),
        "autoencoder": (precision.autoencoder, STORED.autoencoder),
        "speech_encoder": (precision.speech, STORED.speech),
        "text_encoder": (precision.text, STORED.text),
        "image_encoder": (precision.image, STORED.image),
    }
    parts = tuple(
        _part(name, module, *dtypes[name], fetched=preset.source is not None)
        for name, module in modules.items()
        if isinstance(module, nn.Module)
    )
    running_blocks = whole.blocks[:RUN_BLOCKS]
    packed_blocks = copy.deepcopy(running_blocks)
    store_as_fp8(packed_blocks)
    return Parts(
        parts=parts,
        blocks=BlockBytes(
            len(whole.blocks), bytes_of(running_blocks[0]), bytes_of(packed_blocks[0])
        ),
        networks=replace(networks, transformer=_with_blocks(whole, running_blocks)),
        packed_transformer=_with_blocks(whole, packed_blocks),
        device="cpu" if preset.source is None else "meta",
    )


def _with_blocks(transformer: VideoTransformer, blocks: nn.ModuleList) -> VideoTransformer:
    """The same transformer around other blocks; everything else is shared."""
    other = copy.copy(transformer)
    other._modules = {**transformer._modules, "blocks": blocks}
    return other


def bytes_of(module: nn.Module) -> int:
    """Bytes of parameters and buffers; tied ones count once."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _part(
    name: str, module: nn.Module, dtype: torch.dtype, stored: torch.dtype, *, fetched: bool
) -> Part:
    parameters = sum(tensor.numel() for tensor in module.parameters())
    return Part(
        name=name,
        parameters=parameters,
        dtype=str(dtype).removeprefix("torch."),
        bytes=bytes_of(module),
        download_bytes=parameters * stored.itemsize if fetched else 0,
        converted=dtype != stored,
    )


def _embedded(preset: Preset) -> Networks:
    networks = build_networks(preset)
    for module in modules_of(networks).values():
        module.requires_grad_(False)
    return networks


def published_networks(preset: Preset, sizes: PublishedSizes, precision: Precision) -> Networks:
    """All networks, whole, on ``meta``, in eval mode, without gradients and without a tokenizer."""
    # Imported here: the embedded model is planned without these libraries.
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
    """In place of a tokenizer, which would have to be fetched: every prompt is as long as allowed,
    which is the case to plan for."""
    ids = torch.zeros(1, tokens, dtype=torch.long)

    def tokenize(prompt: str, **options: Any) -> SimpleNamespace:
        tensors: Tensor | list[int] = ids if options.get("return_tensors") else ids[0].tolist()
        return SimpleNamespace(input_ids=tensors)

    return tokenize
