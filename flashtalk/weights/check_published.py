"""Do the files of a published checkpoint fit? Asked of the Hub before anything large is fetched.

Only headers are read. Names, shapes and types of all tensors are compared with the networks that
the config.json files describe. ``flashtalk plan --check-published`` prints what is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from flashtalk.config import FOURTEEN_B, PublishedSource
from flashtalk.errors import FlashTalkError
from flashtalk.weights import original
from flashtalk.weights.checkpoint import SMALL_FILES, fetch_source, find_checkpoint, speech_folder
from flashtalk.weights.layout import Place, places_of
from flashtalk.weights.original import Config, EncoderConfigs, sizes_of
from flashtalk.weights.pickles import described
from flashtalk.weights.remote import RemoteFiles
from flashtalk.weights.sizes import published_preset
from flashtalk.weights.strict import Stored, check, survey

REMEDY = "Choose a revision that fits this code; nothing but headers was fetched."


@dataclass(frozen=True)
class Finding:
    """Result of checking the files of one network."""

    name: str
    fits: bool
    sentence: str
    """How much fits, or what does not."""
    bytes: int = 0
    """Size of the files; 0 where they do not fit."""


def check_published(name: str) -> list[Finding]:
    """What the Hub holds for a published preset or a Hub id, network by network.

    Raises :class:`FlashTalkError` for weights that lie on this machine and when the Hub cannot be
    asked. It also raises it when a repository, its revision or one of the small files is not there.
    """
    if constants.HF_HUB_OFFLINE:
        raise FlashTalkError(
            "The published files cannot be checked: HF_HUB_OFFLINE forbids to ask the Hub. Unset "
            "it for the check, which reads a few megabytes."
        )
    checkpoint = find_checkpoint(name)
    preset, source = checkpoint.preset, checkpoint.weights
    if not isinstance(source, PublishedSource):
        raise FlashTalkError(
            f"{name} lies on this machine: there is nothing to check on the Hub. Name a published "
            f"preset ({FOURTEEN_B.name}) or a Hub id (owner/name)."
        )
    parts = (source.transformer, source.wan, source.wav2vec)
    transformer, wan, speech = (RemoteFiles.of(files, REMEDY) for files in parts)
    files = fetch_source(source, SMALL_FILES)
    told = published_preset(files, preset)
    places = places_of(files, told, _original_configs(wan) if source.original else None)
    shelves = {"transformer": transformer, "speech": speech.below(speech_folder(source))}
    findings = []
    for key, place in places.items():
        shelf = shelves.get(key) or wan.below(place.folder.relative_to(files.wan).as_posix())
        findings.append(_finding(place, shelf))
    return findings


def _finding(place: Place, shelf: RemoteFiles) -> Finding:
    try:
        stored, file_names = _headers(place, shelf)
        what = f"{place.name} in {shelf.source.repo_id}"
        names = check(place.module, stored, place.naming, what, REMEDY)
    except FlashTalkError as error:
        return Finding(place.name, False, str(error))
    types = ", ".join(sorted({stored[name].dtype for name in names}))
    size = sum(shelf.size(name) for name in file_names)
    return Finding(place.name, True, f"{len(names):,} tensors ({types}) fit", size)


def _headers(place: Place, shelf: RemoteFiles) -> tuple[dict[str, Stored], list[str]]:
    """The tensors by the module's names, and the files that hold them."""
    if place.pickle and place.reads_pickle(shelf.all_names()):
        state = place.converted(shelf.tensors(place.pickle))
        return described(state, Path(place.pickle)), [place.pickle]
    stored = survey(place.folder, place.naming, REMEDY, shelf)
    return stored, sorted({each.file.name for each in stored.values()})


def _original_configs(wan: RemoteFiles) -> EncoderConfigs:
    def told(file: str, config: Config) -> dict[str, Any]:
        return sizes_of(wan.tensors(file), config, file, REMEDY)

    return EncoderConfigs(
        autoencoder=told(original.AUTOENCODER_FILE, original.autoencoder_config),
        text=told(original.TEXT_FILE, original.text_config),
        image=told(original.IMAGE_FILE, original.image_config),
    )
