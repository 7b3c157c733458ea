"""The encoders as Wan 2.1 itself stores them -> the libraries' names for the same tensors.

The transformer's repository holds them beside the transformer, as PyTorch files without a
config.json. Their sizes follow from their tensors' shapes::

    Wan2.1_VAE.pth                                                the autoencoder, float32
    models_t5_umt5-xxl-enc-bf16.pth                               umT5, bfloat16
    models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth       CLIP with its text tower, float32
    google/umt5-xxl/                                              umT5's tokenizer

Nothing is rounded on the way. The diffusers repository stores the picture encoder in bfloat16,
which holds fewer digits than the float16 that it runs in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from flashtalk.errors import FlashTalkError
from flashtalk.weights.strict import Naming

AUTOENCODER_FILE = "Wan2.1_VAE.pth"
TEXT_FILE = "models_t5_umt5-xxl-enc-bf16.pth"
IMAGE_FILE = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"
TOKENIZER = "google/umt5-xxl"

IMAGE_HEADS = 16  # no shape tells; ViT-H/14
DOWNLOAD_BYTES = {
    "text_encoder": 2 * 5_680_910_336,
    "image_encoder": 4 * (632_076_800 + 560_937_985),
}
"""Published files whose sizes differ from those in the libraries' layout.

They are parameters in bfloat16, and two towers of CLIP in float32.
"""

TEXT = Naming(
    renames=(
        (r"^token_embedding\.", "shared."),
        (r"^norm\.", "encoder.final_layer_norm."),
        (r"^blocks\.(\d+)\.norm1\.", r"encoder.block.\1.layer.0.layer_norm."),
        (r"^blocks\.(\d+)\.norm2\.", r"encoder.block.\1.layer.1.layer_norm."),
        (r"^blocks\.(\d+)\.attn\.", r"encoder.block.\1.layer.0.SelfAttention."),
        (
            r"^blocks\.(\d+)\.pos_embedding\.embedding\.",
            r"encoder.block.\1.layer.0.SelfAttention.relative_attention_bias.",
        ),
        (r"^blocks\.(\d+)\.ffn\.gate\.0\.", r"encoder.block.\1.layer.1.DenseReluDense.wi_0."),
        (r"^blocks\.(\d+)\.ffn\.fc1\.", r"encoder.block.\1.layer.1.DenseReluDense.wi_1."),
        (r"^blocks\.(\d+)\.ffn\.fc2\.", r"encoder.block.\1.layer.1.DenseReluDense.wo."),
    ),
    tied={"encoder.embed_tokens.weight": "shared.weight"},
)
IMAGE = Naming(
    renames=(
        (r"^visual\.cls_embedding$", "embeddings.class_embedding"),
        (r"^visual\.pos_embedding$", "embeddings.position_embedding.weight"),
        (r"^visual\.patch_embedding\.", "embeddings.patch_embedding."),
        (r"^visual\.pre_norm\.", "pre_layrnorm."),
        (r"^visual\.post_norm\.", "post_layernorm."),
        (r"^visual\.transformer\.(\d+)\.norm", r"encoder.layers.\1.layer_norm"),
        (r"^visual\.transformer\.(\d+)\.attn\.proj\.", r"encoder.layers.\1.self_attn.out_proj."),
        (r"^visual\.transformer\.(\d+)\.attn\.", r"encoder.layers.\1.self_attn."),
        (r"^visual\.transformer\.(\d+)\.mlp\.0\.", r"encoder.layers.\1.mlp.fc1."),
        (r"^visual\.transformer\.(\d+)\.mlp\.2\.", r"encoder.layers.\1.mlp.fc2."),
    ),
    unused=(r"visual\.head$", r"textual\.", r"log_scale$"),
)

Tensors = Mapping[str, Tensor]
Config = Callable[[Tensors], dict[str, Any]]
"""A network's sizes, from its tensors."""


@dataclass(frozen=True)
class EncoderConfigs:
    """What the libraries' classes are built from, by config.json's keys."""

    autoencoder: dict[str, Any]
    text: dict[str, Any]
    image: dict[str, Any]


def is_original(folder: Path) -> bool:
    """Whether ``folder`` holds the encoders in this layout and not in the libraries' own."""
    return (folder / AUTOENCODER_FILE).is_file() and not (folder / "vae").is_dir()


# --- names ----------------------------------------------------------------------------------------
def image_state(tensors: Tensors) -> dict[str, Tensor]:
    """CLIP's tensors under the names of transformers: queries, keys and values apart."""
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        renamed = IMAGE.renamed(name)
        if ".to_qkv." in renamed:
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                state[renamed.replace("to_qkv", f"{letter}_proj")] = part
        elif renamed.startswith(("embeddings.class", "embeddings.position")):
            state[renamed] = tensor.squeeze(0) if renamed.endswith("weight") else tensor.flatten()
        else:
            state[renamed] = tensor
    return state


def autoencoder_state(tensors: Tensors) -> dict[str, Tensor]:
    """The autoencoder's tensors under the names of diffusers, by diffusers' own table."""
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    return convert_wan_vae_to_diffusers(dict(tensors))


# --- sizes ----------------------------------------------------------------------------------------
def autoencoder_config(tensors: Tensors) -> dict[str, Any]:
    """The autoencoder's sizes; statistics of its latents are diffusers' defaults, Wan 2.1's."""
    return {
        "base_dim": tensors["encoder.conv1.weight"].shape[0],
        "z_dim": tensors["conv2.weight"].shape[0],
        "dim_mult": [1, 2, 4, 4],
        "num_res_blocks": 2,
        "attn_scales": [],
        "temperal_downsample": [False, True, True],
    }


def text_config(tensors: Tensors) -> dict[str, Any]:
    """umT5's sizes."""
    vocabulary, width = tensors["token_embedding.weight"].shape
    buckets, heads = tensors["blocks.0.pos_embedding.embedding.weight"].shape
    return {
        "vocab_size": vocabulary,
        "d_model": width,
        "d_ff": tensors["blocks.0.ffn.fc1.weight"].shape[0],
        "d_kv": tensors["blocks.0.attn.q.weight"].shape[0] // heads,
        "num_heads": heads,
        "num_layers": _count(tensors, r"blocks\.(\d+)\."),
        "num_decoder_layers": _count(tensors, r"blocks\.(\d+)\."),
        "relative_attention_num_buckets": buckets,
        "relative_attention_max_distance": 128,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
    }


def image_config(tensors: Tensors) -> dict[str, Any]:
    """The picture tower's sizes."""
    width, _, patch, _ = tensors["visual.patch_embedding.weight"].shape
    tokens = tensors["visual.pos_embedding"].shape[1]
    return {
        "hidden_size": width,
        "intermediate_size": tensors["visual.transformer.0.mlp.0.weight"].shape[0],
        "num_hidden_layers": _count(tensors, r"visual\.transformer\.(\d+)\."),
        "num_attention_heads": IMAGE_HEADS,
        "image_size": round((tokens - 1) ** 0.5) * patch,
        "patch_size": patch,
        "projection_dim": tensors["visual.head"].shape[1],
        "hidden_act": "gelu",
    }


def sizes_of(tensors: Tensors, config: Config, place: str, remedy: str) -> dict[str, Any]:
    """``config(tensors)``; an error naming ``place`` where its tensors are other ones."""
    try:
        return config(tensors)
    except KeyError as error:
        raise FlashTalkError(
            f"{place} lacks the tensor {error}, so it does not hold the network that is expected "
            f"there. {remedy}"
        ) from error
    except ValueError as error:
        raise FlashTalkError(
            f"{place} holds tensors of other shapes than this kind of network has ({error}). "
            f"{remedy}"
        ) from error


def _count(tensors: Tensors, pattern: str) -> int:
    return 1 + max(int(found[1]) for name in tensors if (found := re.match(pattern, name)))
