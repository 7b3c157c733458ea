"""A published checkpoint -> networks: the released transformer and the encoders it was made with.

:mod:`flashtalk.weights.layout` says which file holds what. Most are safetensors. The speech
encoder's repository holds a .bin and Wan's own encoders are .pth, which are read as tensors alone
(:mod:`flashtalk.weights.pickles`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from flashtalk.config import Preset
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.weights.layout import Place, places_of
from flashtalk.weights.pickles import described, first_line, read_pickle
from flashtalk.weights.sizes import FETCH_AGAIN, PublishedFiles, hears_standardized
from flashtalk.weights.strict import as_dtype, assign, check, read, survey


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
"""Types in which the published system runs."""

ON_CPU = Precision(*[torch.float32] * 5)
"""Processors compute 16 bits more slowly than 32."""


def load_published(files: PublishedFiles, preset: Preset, precision: Precision) -> Networks:
    """The networks of a published checkpoint on the CPU, in eval mode.

    Raises :class:`FlashTalkError` for files that are missing or damaged. It is also raised for
    tensors that are missing, unknown, doubled, of another shape or type. All headers are checked
    before any tensor is read.
    """
    # Imported here: the embedded model starts without the libraries of the encoders.
    from flashtalk.models.published.clip import ImageConditioner
    from flashtalk.models.published.umt5 import TextConditioner
    from flashtalk.models.published.wan_vae import WanAutoencoder
    from flashtalk.models.published.wav2vec import Wav2Vec2SpeechEncoder

    places = places_of(files, preset)
    _require_pickles(places.values())
    standardize = hears_standardized(files)
    tokenizer = _tokenizer(files.tokenizer)
    fillers = [_filler(place, getattr(precision, key)) for key, place in places.items()]
    for fill in fillers:
        fill()
    modules: dict[str, Any] = {key: place.module for key, place in places.items()}
    return Networks(
        preset=preset,
        transformer=modules["transformer"],
        autoencoder=WanAutoencoder(modules["autoencoder"]).eval(),
        speech_encoder=Wav2Vec2SpeechEncoder(
            modules["speech"], preset.geometry.samples_per_frame, standardize=standardize
        ).eval(),
        text_encoder=TextConditioner(
            modules["text"], tokenizer, preset.transformer.text_tokens
        ).eval(),
        image_encoder=ImageConditioner(modules["image"]).eval(),
    )


# --- inside -------------------------------------------------------------------------------------
def _require_pickles(places: Iterable[Place]) -> None:
    """Before shapes are compared: without these files some are guesses."""
    for place in places:
        if not place.safetensors and not (place.folder / str(place.pickle)).is_file():
            raise FlashTalkError(
                f"{place.folder / str(place.pickle)} (the {place.name}) is missing. {FETCH_AGAIN}"
            )


def _filler(place: Place, dtype: torch.dtype) -> Callable[[], None]:
    """Checks names, shapes and types now; the returned call reads the tensors."""
    module, naming, folder = place.module, place.naming, place.folder
    what = f"{place.name} in {folder}"
    present = [path.name for path in folder.glob("*")]
    if place.pickle and place.reads_pickle(present):
        state = place.converted(read_pickle(folder / place.pickle, FETCH_AGAIN))
        names = check(module, described(state, folder / place.pickle), naming, what, FETCH_AGAIN)
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
