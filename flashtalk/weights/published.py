"""A published checkpoint -> networks: the released transformer and the encoders it was made with.

The layout, as one local folder (from the Hub the three groups lie in three snapshot folders)::

    config.json                                            the transformer: sizes
    diffusion_pytorch_model-00001-of-0000n.safetensors     its shards
    diffusion_pytorch_model.safetensors.index.json         which tensor is in which shard
    vae/           config.json, diffusion_pytorch_model.safetensors        AutoencoderKLWan
    text_encoder/  config.json, model-*.safetensors, index                 UMT5EncoderModel
    tokenizer/     tokenizer.json, tokenizer_config.json, ...
    image_encoder/ config.json, model.safetensors            CLIPVisionModelWithProjection
    wav2vec2/      config.json, preprocessor_config.json,    Wav2Vec2Model
                   model.safetensors or pytorch_model.bin
                   (may also be called chinese-wav2vec2-base/)

Other files (a scheduler, the image processor's settings, pickles of the original release) are not
looked at. Everything is safetensors, with one exception: the repository of the speech encoder holds
only a .bin, which is read with ``torch.load(weights_only=True)``, that is, tensors and no code.

The sizes come from the config.json files, so a smaller checkpoint of the same make loads as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from flashtalk.config import Preset
from flashtalk.errors import FlashTalkError
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.weights.pickles import described, first_line, read_pickle
from flashtalk.weights.sizes import (
    CONFIG,
    FETCH_AGAIN,
    PublishedFiles,
    hears_standardized,
    read_json,
)
from flashtalk.weights.strict import Naming, as_dtype, assign, check, read, survey

PICKLE = "pytorch_model.bin"

Network = TypeVar("Network", bound=nn.Module)

TRANSFORMER = Naming()
AUTOENCODER = Naming()
TEXT = Naming(tied={"encoder.embed_tokens.weight": "shared.weight"})
# The tower alone (CLIPVisionModel) or with the projection that belongs to CLIP's text, which is
# not used here. Older files also hold the positions' numbers.
IMAGE = Naming(
    renames=((r"^vision_model\.", ""),),
    unused=(r"embeddings\.position_ids$", r"visual_projection\.weight$"),
)
# The file is a pre-training checkpoint, and weight normalization has been renamed since.
SPEECH = Naming(
    renames=(
        (r"^wav2vec2\.", ""),
        (r"\.conv\.weight_g$", ".conv.parametrizations.weight.original0"),
        (r"\.conv\.weight_v$", ".conv.parametrizations.weight.original1"),
    ),
    unused=(r"quantizer\.", r"project_hid\.", r"project_q\."),
)


@dataclass(frozen=True)
class Precision:
    """The floating-point type of every network."""

    transformer: torch.dtype
    autoencoder: torch.dtype
    text: torch.dtype
    image: torch.dtype
    speech: torch.dtype


ON_GPU = Precision(
    transformer=torch.bfloat16,
    autoencoder=torch.bfloat16,
    text=torch.bfloat16,
    image=torch.float16,
    speech=torch.float32,
)
"""As the published system runs."""

ON_CPU = Precision(*[torch.float32] * 5)
"""Processors compute 16 bits more slowly than 32."""


def load_published(files: PublishedFiles, preset: Preset, precision: Precision) -> Networks:
    """The networks of a published checkpoint on the CPU, in eval mode.

    Raises :class:`FlashTalkError` for files that are missing or damaged and for tensors that are
    missing, unknown, doubled or of another shape. All headers are checked before any tensor is
    read.
    """
    # Imported here: the embedded model starts without these libraries.
    from accelerate import init_empty_weights
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

    wan = files.wan
    # Parameters on the meta device; buffers (positions) are computed, as no file holds them.
    with init_empty_weights(include_buffers=False):
        transformer = VideoTransformer(preset.transformer)
        vae = _built(lambda c: AutoencoderKLWan.from_config(c), wan / "vae")
        text = _built(lambda c: UMT5EncoderModel(UMT5Config.from_dict(c)), wan / "text_encoder")
        image = _built(
            lambda c: CLIPVisionModel(CLIPVisionConfig.from_dict(c)), wan / "image_encoder"
        )
        speech = _built(lambda c: Wav2Vec2Model(Wav2Vec2Config.from_dict(c)), files.speech)
    tokenizer = _tokenizer(wan / "tokenizer")
    fillers = [
        _filler(transformer, files.transformer, TRANSFORMER, "transformer", precision.transformer),
        _filler(vae, wan / "vae", AUTOENCODER, "autoencoder", precision.autoencoder),
        _filler(text, wan / "text_encoder", TEXT, "text encoder", precision.text),
        _filler(image, wan / "image_encoder", IMAGE, "image encoder", precision.image),
        _filler(speech, files.speech, SPEECH, "speech encoder", precision.speech),
    ]
    for fill in fillers:
        fill()
    return Networks(
        preset=preset,
        transformer=transformer,
        autoencoder=WanAutoencoder(vae).eval(),
        speech_encoder=Wav2Vec2SpeechEncoder(
            speech, preset.geometry.samples_per_frame, standardize=hears_standardized(files)
        ).eval(),
        text_encoder=TextConditioner(text, tokenizer, preset.transformer.text_tokens).eval(),
        image_encoder=ImageConditioner(image).eval(),
    )


# --- inside -------------------------------------------------------------------------------------


def _built(build: Callable[[dict[str, Any]], Network], folder: Path) -> Network:
    config = read_json(folder / CONFIG, "sizes")
    try:
        return build(config)
    except Exception as error:  # whatever a library makes of sizes that cannot be
        raise FlashTalkError(
            f"{folder / CONFIG} describes a network that cannot be built: {error}. {FETCH_AGAIN}"
        ) from error


def _filler(
    module: nn.Module, folder: Path, naming: Naming, name: str, dtype: torch.dtype
) -> Callable[[], None]:
    """Checks names, shapes and types now; the returned call reads the tensors."""
    what = f"{name} in {folder}"
    pickle = folder / PICKLE
    if naming is SPEECH and pickle.is_file() and not any(folder.glob("*.safetensors")):
        tensors = read_pickle(pickle, FETCH_AGAIN)
        state = {naming.renamed(key): tensor for key, tensor in tensors.items()}
        names = check(module, described(state, pickle), naming, what, FETCH_AGAIN)
        return lambda: assign(module, {key: as_dtype(state[key], dtype) for key in names}, naming)
    stored = survey(folder, naming, FETCH_AGAIN)
    names = check(module, stored, naming, what, FETCH_AGAIN)
    return lambda: assign(module, read(stored, names, dtype), naming)


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    if not folder.is_dir():
        raise FlashTalkError(f"{folder} (the text encoder's tokenizer) is missing. {FETCH_AGAIN}")
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # every tokenizer has its own way to complain
        raise FlashTalkError(
            f"The tokenizer in {folder} cannot be read ({first_line(error)}). {FETCH_AGAIN}"
        ) from error
