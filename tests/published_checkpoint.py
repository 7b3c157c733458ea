"""A checkpoint of toy size in the published layout: real classes, random weights, 1 MB.

Written by the tools that wrote the public files, not for the loader's convenience: diffusers and
transformers save the Wan parts (the picture encoder with its projection), the shards come from the
Hub's own splitter, and the speech encoder is a pickle of a pre-training checkpoint with the old
names of weight normalization beside its feature extractor's settings.
"""

from __future__ import annotations

import json
import shutil
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict
from original_encoders import original_modules
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
    "architectures": ["CLIPVisionModelWithProjection"],
    "model_type": "clip_vision_model",
    "hidden_act": "gelu",
    "hidden_size": 32,
    "image_size": 28,
    "intermediate_size": 48,
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "patch_size": 14,
    "projection_dim": 20,
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


def write_checkpoint(folder: Path, *, speech_folder: str = "wav2vec2") -> Path:
    """Writes the whole checkpoint and returns ``folder``."""
    from transformers import Wav2Vec2FeatureExtractor

    modules = checkpoint_modules()
    write_config(folder, TRANSFORMER)
    write_transformer(folder, modules["transformer"])
    modules["vae"].save_pretrained(folder / "vae")
    modules["text_encoder"].save_pretrained(folder / "text_encoder", max_shard_size="10KB")
    modules["image_encoder"].save_pretrained(folder / "image_encoder")
    write_config(folder / speech_folder, SPEECH)
    torch.save(old_names(stored(modules["speech"])), folder / speech_folder / "pytorch_model.bin")
    extractor = Wav2Vec2FeatureExtractor(do_normalize=False)
    extractor.save_pretrained(folder / speech_folder)
    write_tokenizer(folder / "tokenizer")
    return folder


def write_original(folder: Path) -> Path:
    """The same checkpoint with the encoders in Wan's own files, in one folder."""
    write_checkpoint(folder)
    modules = original_modules()
    for name in ("vae", "text_encoder", "image_encoder"):
        shutil.rmtree(folder / name)
    (folder / "google").mkdir()
    (folder / "tokenizer").rename(folder / "google" / "umt5-xxl")
    torch.save(stored(modules["vae"]), folder / "Wan2.1_VAE.pth")
    torch.save(stored(modules["text"]), folder / "models_t5_umt5-xxl-enc-bf16.pth")
    clip = folder / "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"
    torch.save(stored(modules["clip"]), clip)
    return folder


@cache
def checkpoint_modules() -> dict[str, nn.Module]:
    """The networks that are written, by their folders; the same weights each time."""
    from diffusers import AutoencoderKLWan
    from transformers import (
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
        UMT5Config,
        UMT5EncoderModel,
        Wav2Vec2Config,
        Wav2Vec2ForPreTraining,
    )

    torch.manual_seed(4)
    return {
        "transformer": drawn(transformer(), 0.08).bfloat16(),
        "vae": AutoencoderKLWan.from_config(AUTOENCODER),
        "text_encoder": UMT5EncoderModel(UMT5Config.from_dict(TEXT)).bfloat16(),
        "image_encoder": CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(IMAGE)),
        "speech": drawn(Wav2Vec2ForPreTraining(Wav2Vec2Config.from_dict(SPEECH)), 0.2),
    }


def drawn(network: nn.Module, std: float) -> nn.Module:
    """Weights large enough for every input to matter: new ones have closed gates."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            gain = 1.0 if parameter.dim() == 1 and name.endswith("weight") else 0.0
            parameter.normal_(std=std).add_(gain)
    return network


def transformer() -> nn.Module:
    from flashtalk.config import SpeechFeatures, TransformerConfig
    from flashtalk.models.dit.transformer import VideoTransformer

    return VideoTransformer(
        TransformerConfig(
            dim=64,
            ffn_dim=96,
            heads=2,
            layers=2,
            latent_channels=16,
            mask_channels=4,
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


def write_transformer(folder: Path, network: nn.Module) -> None:
    """Shards and their index as diffusers writes them: three."""
    state = stored(network)
    save_torch_state_dict(
        state,
        folder,
        filename_pattern="diffusion_pytorch_model{suffix}.safetensors",
        max_shard_size=int(0.45 * sum(tensor.nbytes for tensor in state.values())),
    )


def stored(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def old_names(speech: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weight normalization as PyTorch named it before its parametrizations."""
    new = "wav2vec2.encoder.pos_conv_embed.conv.parametrizations.weight.original"
    old = {f"{new}0": "weight_g", f"{new}1": "weight_v"}
    conv = "wav2vec2.encoder.pos_conv_embed.conv."
    return {conv + old[name] if name in old else name: value for name, value in speech.items()}


def write_config(folder: Path, config: Mapping[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))


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
