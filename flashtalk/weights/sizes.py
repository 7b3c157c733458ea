"""Sizes and places of a published checkpoint, from its small files; no tensor is looked at here.

Below :mod:`flashtalk.weights.layout`, which says what lies where. Lets everything about a
checkpoint be checked before gigabytes are fetched or read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flashtalk.config import FOURTEEN_B, Preset, SpeechFeatures, TransformerConfig
from flashtalk.errors import FlashTalkError
from flashtalk.weights.original import (
    AUTOENCODER_FILE,
    IMAGE_FILE,
    TEXT_FILE,
    TOKENIZER,
    Config,
    EncoderConfigs,
    autoencoder_config,
    image_config,
    is_original,
    sizes_of,
    text_config,
)
from flashtalk.weights.pickles import read_pickle

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
SPEECH_FOLDERS = ("wav2vec2", "chinese-wav2vec2-base")
FETCH_AGAIN = "Fetch the folder again; files that are whole are not fetched twice."


@dataclass(frozen=True)
class PublishedFiles:
    """The folders of one checkpoint; for a local one, all inside it."""

    transformer: Path
    """Holds the transformer's config.json, shards and index."""
    wan: Path
    """Holds vae, text_encoder, tokenizer and image_encoder."""
    speech: Path
    """Holds the speech encoder's config.json and weights."""
    original: bool = False
    """Whether ``wan`` is in Wan's own layout, see :mod:`flashtalk.weights.original`."""

    @classmethod
    def of(cls, folder: str | Path) -> PublishedFiles:
        """The parts of one local folder."""
        folder = Path(folder)
        named = [folder / name for name in SPEECH_FOLDERS]
        speech = next((path for path in named if path.is_dir()), named[0])
        return cls(folder, folder, speech, is_original(folder))

    @property
    def tokenizer(self) -> Path:
        """The folder of the text encoder's tokenizer."""
        return self.wan / (TOKENIZER if self.original else "tokenizer")


def published_preset(files: PublishedFiles, base: Preset = FOURTEEN_B) -> Preset:
    """``base`` with the sizes that the config.json files give.

    Raises :class:`FlashTalkError` for a missing or unreadable file and for another kind of network.
    It is also raised for sizes that do not fit each other.
    """
    own = _config(files.transformer, "the transformer", model_type="i2v")
    encoders = encoder_configs(files, base.transformer)
    vae, text, image = encoders.autoencoder, encoders.text, encoders.image
    heard = _config(files.speech, "the speech encoder", model_type="wav2vec2")
    usual = base.transformer
    try:
        speech = SpeechFeatures(
            layers=heard["num_hidden_layers"],
            width=heard["hidden_size"],
            window_frames=own.get("audio_window", usual.speech.window_frames),
        )
        transformer = replace(
            usual,
            dim=own["dim"],
            ffn_dim=own["ffn_dim"],
            heads=own["num_heads"],
            layers=own["num_layers"],
            latent_channels=own["out_dim"],
            mask_channels=own["in_dim"] - 2 * own["out_dim"],
            speech=speech,
            audio_hidden=own.get("intermediate_dim", usual.audio_hidden),
            audio_tokens=own.get("context_tokens", usual.audio_tokens),
            audio_width=own.get("output_dim", usual.audio_width),
            frequency_dim=own.get("freq_dim", usual.frequency_dim),
            text_dim=text["d_model"],
            text_tokens=own.get("text_len", usual.text_tokens),
            image_dim=image["hidden_size"],
            image_tokens=(image["image_size"] // image["patch_size"]) ** 2 + 1,
            eps=own.get("eps", usual.eps),
        )
        stride = 2 ** (len(vae.get("dim_mult", (1, 2, 4, 4))) - 1)
        geometry = replace(base.geometry, spatial_stride=stride)
        preset = replace(base, transformer=transformer, geometry=geometry)
    except KeyError as error:
        raise FlashTalkError(
            f"A {CONFIG} of the checkpoint in {files.transformer} does not say {error}. "
            f"{FETCH_AGAIN}"
        ) from error
    except (TypeError, ValueError) as error:
        raise FlashTalkError(
            f"The {CONFIG} files of the checkpoint in {files.transformer} describe networks that "
            f"cannot be: {error}. {FETCH_AGAIN}"
        ) from error
    _require_equal("latent channels", files, transformer.latent_channels, "vae", vae["z_dim"])
    _require_equal("mask channels", files, transformer.mask_channels, "", usual.mask_channels)
    told = own.get("text_dim", transformer.text_dim)
    _require_equal("text width", files, told, "text_encoder", transformer.text_dim)
    hears_standardized(files)  # a missing flag shows here, not after gigabytes
    if transformer != usual:
        preset = replace(preset, name=f"{base.name} ({files.transformer.name})")
    return preset


def encoder_configs(files: PublishedFiles, usual: TransformerConfig) -> EncoderConfigs:
    """The sizes of autoencoder, text and image encoder.

    They come from config.json files, or from the tensors where the layout has none. Until those
    are fetched, only what a transformer like ``usual`` needs of them is told.
    """
    wan = files.wan
    if files.original:
        side = round((usual.image_tokens - 1) ** 0.5)
        picture = {"hidden_size": usual.image_dim, "image_size": side, "patch_size": 1}
        return EncoderConfigs(
            autoencoder=_told_by_tensors(wan / AUTOENCODER_FILE, autoencoder_config)
            or {"z_dim": usual.latent_channels},
            text=_told_by_tensors(wan / TEXT_FILE, text_config) or {"d_model": usual.text_dim},
            image=_told_by_tensors(wan / IMAGE_FILE, image_config) or picture,
        )
    clip = {"model_type": "clip_vision_model"}
    return EncoderConfigs(
        autoencoder=_config(wan / "vae", "the autoencoder", _class_name="AutoencoderKLWan"),
        text=_config(wan / "text_encoder", "the text encoder", model_type="umt5"),
        image=_config(wan / "image_encoder", "the image encoder", **clip),
    )


def hears_standardized(files: PublishedFiles) -> bool:
    """Whether the speech encoder hears samples of zero mean and unit variance.

    Nothing in its weights tells. Raises :class:`FlashTalkError` if preprocessor_config.json does
    not either.
    """
    path = files.speech / PREPROCESSOR
    flag = read_json(path, "how the speech encoder hears samples").get("do_normalize")
    if not isinstance(flag, bool):
        raise FlashTalkError(
            f"{path} does not say whether speech is brought to unit variance (do_normalize is "
            f"{flag!r}, expected true or false). Fetch it again with the weights that it belongs "
            "to; chinese-wav2vec2-base has false."
        )
    return flag


def is_published(folder: Path) -> bool:
    """Whether a folder's config.json is one of a published transformer."""
    return "num_layers" in read_json(folder / CONFIG, "the transformer's sizes")


def read_json(path: Path, what: str) -> dict[str, Any]:
    """The object in a JSON file; :class:`FlashTalkError` if there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FlashTalkError(f"{path} ({what}) is missing. {FETCH_AGAIN}") from error
    except (OSError, ValueError) as error:
        raise FlashTalkError(f"{path} ({what}) cannot be read: {error}. {FETCH_AGAIN}") from error
    if not isinstance(content, dict):
        raise FlashTalkError(f"{path} ({what}) does not hold an object. {FETCH_AGAIN}")
    return content


# --- inside -------------------------------------------------------------------------------------
def _config(folder: Path, what: str, **kind: str) -> dict[str, Any]:
    """config.json of ``folder``, whose ``kind`` fields must have these values if they are there."""
    config = read_json(folder / CONFIG, f"the sizes of {what}")
    for key, value in kind.items():
        if config.get(key, value) != value:
            raise FlashTalkError(
                f"{folder / CONFIG} says {key} {config[key]!r}, but {what} must be {value!r}. "
                "Choose the checkpoint that belongs to this system."
            )
    return config


def _told_by_tensors(path: Path, config: Config) -> dict[str, Any]:
    """Empty for a file that is not there."""
    if not path.is_file():
        return {}
    return sizes_of(read_pickle(path, FETCH_AGAIN), config, str(path), FETCH_AGAIN)


def _require_equal(what: str, files: PublishedFiles, told: int, part: str, expected: int) -> None:
    if told != expected:
        place = f"{files.wan / part / CONFIG} says" if part else "the system has"
        raise FlashTalkError(
            f"{files.transformer / CONFIG} asks for {told} {what}, but {place} {expected}. "
            "Put parts together that belong together."
        )
