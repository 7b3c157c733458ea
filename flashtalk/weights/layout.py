"""The published layout: which networks there are, where their tensors lie, what they are called.

One local folder, or three snapshot folders of the Hub (transformer, Wan's encoders, speech)::

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

In place of vae, text_encoder, tokenizer and image_encoder there may be Wan's own files, see
:mod:`flashtalk.weights.original`. Other files (a scheduler, the image processor's settings) are not
looked at. The sizes come from the config.json files, so a smaller checkpoint of the same make loads
as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from flashtalk.config import Preset
from flashtalk.errors import FlashTalkError
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.weights import original
from flashtalk.weights.original import EncoderConfigs, Tensors
from flashtalk.weights.sizes import CONFIG, FETCH_AGAIN, PublishedFiles, encoder_configs, read_json
from flashtalk.weights.strict import Naming

PICKLE = "pytorch_model.bin"

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
class Place:
    """One network without weights, and where its tensors are."""

    key: str
    """``transformer``, ``autoencoder``, ``text``, ``image`` or ``speech``."""
    name: str
    """Its name in sentences."""
    module: nn.Module
    """Its parameters are on the meta device."""
    folder: Path
    naming: Naming
    """Names in the safetensors files.

    For a pickle, once ``converted``, they say what may be left over.
    """
    pickle: str | None = None
    """The file that holds the tensors where there are no safetensors."""
    safetensors: bool = True
    """Whether safetensors files are looked for at all."""
    convert: Callable[[Tensors], dict[str, Tensor]] | None = None
    """A pickle's tensors under the module's names; by default ``naming`` renames them."""

    def reads_pickle(self, files: Collection[str]) -> bool:
        """Whether the tensors are in the pickle, where ``folder`` holds ``files``."""
        if not self.safetensors:
            return True
        return self.pickle in files and not any(name.endswith(".safetensors") for name in files)

    def converted(self, tensors: Tensors) -> dict[str, Tensor]:
        """A pickle's tensors under the module's names."""
        if self.convert is not None:
            return self.convert(tensors)
        return {self.naming.renamed(name): tensor for name, tensor in tensors.items()}


def places_of(
    files: PublishedFiles, preset: Preset, configs: EncoderConfigs | None = None
) -> dict[str, Place]:
    """The networks of a checkpoint by their keys; only small files and headers are read.

    ``configs`` are the encoders' sizes where ``files`` do not tell them yet.
    Raises :class:`FlashTalkError` for a config.json that is missing or describes no network.
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

    wan, configs = files.wan, configs or encoder_configs(files, preset.transformer)
    heard = read_json(files.speech / CONFIG, "sizes")
    # Parameters on the meta device; buffers (positions) are computed, as no file holds them.
    with init_empty_weights(include_buffers=False):
        transformer = VideoTransformer(preset.transformer)
        vae = _built(AutoencoderKLWan.from_config, configs.autoencoder, wan / "vae")
        text = _built(
            lambda config: UMT5EncoderModel(UMT5Config.from_dict(config)),
            configs.text,
            wan / "text_encoder",
        )
        image = _built(
            lambda config: CLIPVisionModel(CLIPVisionConfig.from_dict(config)),
            configs.image,
            wan / "image_encoder",
        )
        speech = _built(
            lambda config: Wav2Vec2Model(Wav2Vec2Config.from_dict(config)), heard, files.speech
        )
    modules = {"autoencoder": vae, "text": text, "image": image}
    encoders = _original_places if files.original else _library_places
    return {
        place.key: place
        for place in (
            Place("transformer", "transformer", transformer, files.transformer, TRANSFORMER),
            *encoders(wan, modules),
            Place("speech", "speech encoder", speech, files.speech, SPEECH, PICKLE),
        )
    }


# --- inside -------------------------------------------------------------------------------------
NAMES = {"autoencoder": "autoencoder", "text": "text encoder", "image": "image encoder"}


def _library_places(wan: Path, modules: dict[str, nn.Module]) -> list[Place]:
    where = {
        "autoencoder": ("vae", AUTOENCODER),
        "text": ("text_encoder", TEXT),
        "image": ("image_encoder", IMAGE),
    }
    return [
        Place(key, NAMES[key], modules[key], wan / folder, naming)
        for key, (folder, naming) in where.items()
    ]


def _original_places(wan: Path, modules: dict[str, nn.Module]) -> list[Place]:
    where = {
        "autoencoder": (original.AUTOENCODER_FILE, AUTOENCODER, original.autoencoder_state),
        "text": (original.TEXT_FILE, original.TEXT, None),
        "image": (original.IMAGE_FILE, original.IMAGE, original.image_state),
    }
    return [
        Place(key, NAMES[key], modules[key], wan, naming, file, False, convert)
        for key, (file, naming, convert) in where.items()
    ]


def _built(
    build: Callable[[dict[str, Any]], nn.Module], config: dict[str, Any], folder: Path
) -> nn.Module:
    try:
        return build(config)
    except Exception as error:  # whatever a library makes of sizes that cannot be
        raise FlashTalkError(
            f"{folder / CONFIG} describes a network that cannot be built: {error}. {FETCH_AGAIN}"
        ) from error
