"""A checkpoint of toy size in exactly the published layout: real classes, random weights, 1 MB.

Tensor names are those of the public files, not those that today's libraries would write: the image
tower has its extra level, the text encoder its single embedding, the speech encoder is a .bin of a
pre-training checkpoint with the old names of weight normalization.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

TRANSFORMER = {
    "_class_name": "WanModel",
    "_diffusers_version": "0.30.0",
    "model_type": "i2v",
    "dim": 64,
    "eps": 1e-6,
    "ffn_dim": 96,
    "freq_dim": 32,
    "in_dim": 36,
    "num_heads": 2,
    "num_layers": 2,
    "out_dim": 16,
    "text_len": 24,
    "context_tokens": 4,
    "intermediate_dim": 32,
    "output_dim": 24,
}
TEXT = {
    "architectures": ["UMT5EncoderModel"],
    "model_type": "umt5",
    "d_ff": 48,
    "d_kv": 8,
    "d_model": 32,
    "dense_act_fn": "gelu_new",
    "feed_forward_proj": "gated-gelu",
    "is_encoder_decoder": True,
    "is_gated_act": True,
    "num_heads": 4,
    "num_layers": 2,
    "scalable_attention": True,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 64,
}
IMAGE = {
    "architectures": ["CLIPVisionModel"],
    "model_type": "clip_vision_model",
    "hidden_act": "gelu",
    "hidden_size": 32,
    "image_size": 28,
    "intermediate_size": 48,
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "patch_size": 14,
}
SPEECH = {
    "architectures": ["Wav2Vec2ForPreTraining"],
    "model_type": "wav2vec2",
    "conv_dim": [8] * 7,
    "do_stable_layer_norm": False,
    "feat_extract_norm": "group",
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_attention_heads": 2,
    "num_conv_pos_embedding_groups": 2,
    "num_conv_pos_embeddings": 16,
    "num_hidden_layers": 2,
}
AUTOENCODER = {"_class_name": "AutoencoderKLWan", "base_dim": 8, "num_res_blocks": 1, "z_dim": 16}

SHARDS = 3


def write_checkpoint(folder: Path, *, speech_folder: str = "wav2vec2") -> Path:
    """Writes the whole checkpoint and returns ``folder``."""
    states = checkpoint_states()
    write_config(folder, TRANSFORMER)
    write_shards(folder, "diffusion_pytorch_model", states["transformer"])
    write_config(folder / "vae", AUTOENCODER)
    save_file(states["vae"], folder / "vae" / "diffusion_pytorch_model.safetensors")
    write_config(folder / "text_encoder", TEXT)
    write_shards(folder / "text_encoder", "model", states["text_encoder"])
    write_config(folder / "image_encoder", IMAGE)
    save_file(states["image_encoder"], folder / "image_encoder" / "model.safetensors")
    write_config(folder / speech_folder, SPEECH)
    torch.save(states["speech"], folder / speech_folder / "pytorch_model.bin")
    write_tokenizer(folder / "tokenizer")
    return folder


@cache
def checkpoint_states() -> dict[str, dict[str, Tensor]]:
    """The tensors of every part under their published names; the same ones each time."""
    from diffusers import AutoencoderKLWan
    from transformers import (
        CLIPVisionConfig,
        CLIPVisionModel,
        UMT5Config,
        UMT5EncoderModel,
        Wav2Vec2Config,
        Wav2Vec2ForPreTraining,
    )

    torch.manual_seed(4)
    text = stored(UMT5EncoderModel(UMT5Config.from_dict(TEXT)), torch.bfloat16)
    del text["encoder.embed_tokens.weight"]
    image = stored(CLIPVisionModel(CLIPVisionConfig.from_dict(IMAGE)))
    speech = stored(Wav2Vec2ForPreTraining(Wav2Vec2Config.from_dict(SPEECH)))
    normed = "wav2vec2.encoder.pos_conv_embed.conv."
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        speech[normed + old] = speech.pop(f"{normed}parametrizations.weight.{new}")
    return {
        "transformer": transformer_state(),
        "vae": stored(AutoencoderKLWan.from_config(AUTOENCODER)),
        "text_encoder": text,
        "image_encoder": {f"vision_model.{name}": tensor for name, tensor in image.items()},
        "speech": speech,
    }


def transformer_state() -> dict[str, Tensor]:
    from flashtalk.config import SpeechFeatures, TransformerConfig
    from flashtalk.models.dit.transformer import VideoTransformer

    transformer = VideoTransformer(
        TransformerConfig(
            dim=64,
            ffn_dim=96,
            heads=2,
            layers=2,
            latent_channels=16,
            mask_channels=4,
            mask_marks="reference",
            speech=SpeechFeatures(layers=2, width=16),
            audio_hidden=32,
            audio_tokens=4,
            audio_width=24,
            frequency_dim=32,
            text_dim=32,
            text_tokens=24,
            image_dim=32,
            image_tokens=5,
        )
    )
    with torch.no_grad():
        for name, parameter in transformer.named_parameters():  # new ones have closed gates
            gain = 1.0 if parameter.dim() == 1 and name.endswith("weight") else 0.0
            parameter.normal_(std=0.08).add_(gain)
    return stored(transformer, torch.bfloat16)


def stored(module: nn.Module, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    return {
        name: tensor.detach().to(dtype).clone().contiguous()
        for name, tensor in module.state_dict().items()
    }


def write_config(folder: Path, config: Mapping[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def write_shards(folder: Path, stem: str, state: Mapping[str, Tensor]) -> None:
    names = list(state)
    weight_map = {}
    for number in range(SHARDS):
        file = f"{stem}-{number + 1:05d}-of-{SHARDS:05d}.safetensors"
        part = {name: state[name] for name in names[number::SHARDS]}
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    size = sum(tensor.nbytes for tensor in state.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(index))


def write_tokenizer(folder: Path) -> None:
    """One token per letter, and the end mark behind the prompt, as umT5's tokenizer has it."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
    from tokenizers.models import Unigram

    pieces = ["<pad>", "</s>", "<unk>", "▁", *string.ascii_letters, *".,;"]
    tokenizer = Tokenizer(Unigram([(piece, -2.0) for piece in pieces], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "T5Tokenizer",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "extra_ids": 0,
        "model_max_length": 512,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
