"""The one door to weights: a preset's name, a local folder or a Hub id -> :class:`Checkpoint`.

Below the engine, above the three ways in which weights are stored (``tiny``, ``published``,
``hub``). Finding a checkpoint reads at most small config files. So everything about it can be
checked (the device, the portrait, the prompt) before gigabytes are fetched or read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from flashtalk.assets import ASSETS
from flashtalk.config import FOURTEEN_B, PRESETS, HubFiles, Preset, PublishedSource, preset_named
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks, build_denoiser
from flashtalk.weights.published import ON_CPU, ON_GPU, load_published
from flashtalk.weights.sizes import (
    CONFIG,
    SPEECH_FOLDERS,
    PublishedFiles,
    is_published,
    published_preset,
)
from flashtalk.weights.tiny import MANIFEST, load_networks, read_manifest

SMALL_FILES = ("*.json",)  # sizes, settings, indices: looked at before gigabytes are fetched
LARGEST_ON_CPU = 1_000_000_000
"""Parameters of the transformer; more would take minutes per second of video on a processor."""


@dataclass(frozen=True)
class Checkpoint:
    """A preset and where its weights are, or where they come from."""

    preset: Preset
    weights: Path | PublishedFiles | PublishedSource
    """A folder of the embedded family, a published checkpoint, or one that is still to be fetched.
    """

    def load(self, device: torch.device) -> Networks:
        """The networks on the CPU, in the types that ``device`` computes in; fetches first.

        Raises :class:`FlashTalkError` if the network is too large for ``device`` (see
        :func:`require_gpu`), cannot be fetched, or does not fit.
        """
        require_gpu(self.preset, device)
        if isinstance(self.weights, Path):
            return load_networks(self.weights, self.preset)
        files = self.weights
        if isinstance(files, PublishedSource):
            source = files
            self._require_same_network(fetch_source(source, SMALL_FILES))
            files = fetch_source(source)
            self._require_same_network(files)
        return load_published(files, self.preset, ON_GPU if device.type == "cuda" else ON_CPU)

    def _require_same_network(self, files: PublishedFiles) -> None:
        told = published_preset(files, self.preset)
        if told.transformer != self.preset.transformer:
            raise FlashTalkError(
                f"{files.transformer / CONFIG} describes another network than "
                f"{self.preset.name}: {told.transformer}. Fetch weights and code of the same "
                "release."
            )


def find_checkpoint(name_or_folder: str | Path) -> Checkpoint:
    """The checkpoint of a preset's name, a local folder, or ``owner/name[@revision]`` on the Hub.

    A published preset's name may also carry a revision of its transformer's repository.
    Raises :class:`FlashTalkError` if there is none, saying what was looked for.
    """
    name = str(name_or_folder)
    if name in PRESETS:
        preset = PRESETS[name]
        return Checkpoint(preset, preset.source or ASSETS / preset.weights)
    preset_name, _, revision = name.partition("@")
    if preset_name in PRESETS and revision:
        return _at_revision(PRESETS[preset_name], revision)
    folder = Path(name_or_folder)
    if folder.is_dir():
        return _in_folder(folder)
    from flashtalk.weights.hub import is_hub_id  # here: the Hub's client takes a second to import

    if is_hub_id(name) and not folder.parent.is_dir():
        return _on_hub(name)
    raise FlashTalkError(
        f"{name!r} is neither a preset ({', '.join(PRESETS)}) nor a folder of weights nor a Hub id "
        "(owner/name)."
    )


def require_gpu(preset: Preset, device: torch.device) -> None:
    """Refuses a processor for networks that only a GPU can run."""
    if device.type == "cuda":
        return
    size = transformer_parameters(preset)
    if size > LARGEST_ON_CPU:
        raise FlashTalkError(
            f"{preset.name} needs a GPU: its transformer alone has {size / 1e9:.1f} billion "
            f"parameters, and the device is {str(device)!r}"
            f"{'' if torch.cuda.is_available() else ' (PyTorch sees no CUDA GPU here)'}. Use it on "
            "a machine with a GPU of the H100 class, or flashtalk-tiny, which runs on any "
            "processor."
        )


def transformer_parameters(preset: Preset) -> int:
    """How many parameters the transformer of ``preset`` has; nothing is allocated for them."""
    with torch.device("meta"):
        transformer = build_denoiser(preset.transformer)
    return sum(parameter.numel() for parameter in transformer.parameters())


# --- inside -------------------------------------------------------------------------------------
def _in_folder(folder: Path) -> Checkpoint:
    if (folder / MANIFEST).is_file() and is_published(folder):
        files = PublishedFiles.of(folder)
        return Checkpoint(published_preset(files), files)
    return Checkpoint(preset_named(read_manifest(folder).preset), folder)


def _at_revision(preset: Preset, revision: str) -> Checkpoint:
    if preset.source is None:
        raise FlashTalkError(
            f"{preset.name} lies in this repository and has no revisions. Leave @{revision} out."
        )
    return Checkpoint(preset, preset.source.at_revision(revision))


def _on_hub(hub_id: str) -> Checkpoint:
    """Reads the small files of a repository; the large ones are fetched by ``load``."""
    from flashtalk.weights.hub import fetch, hub_files

    if hub_id == FOURTEEN_B.weights:
        return find_checkpoint(FOURTEEN_B.name)
    (folder,) = fetch([hub_files(hub_id, ("*.json",))])
    if not (folder / CONFIG).is_file():
        raise FlashTalkError(
            f"{hub_id} has no {CONFIG}, so it holds no weights that can be read here. Use "
            f"{FOURTEEN_B.weights} or a repository of the same layout."
        )
    if not is_published(folder):
        (folder,) = fetch([hub_files(hub_id, (CONFIG, "*.safetensors"))])
        return Checkpoint(preset_named(read_manifest(folder).preset), folder)
    source = _source_of(hub_id, folder)
    files = fetch_source(source, SMALL_FILES)
    return Checkpoint(published_preset(files), source)


def _source_of(hub_id: str, folder: Path) -> PublishedSource:
    """Where the parts of a repository are: in itself, or, if it lacks them, in the original ones.

    A fine-tuned transformer alone is a complete checkpoint then.
    """
    from flashtalk.weights.hub import hub_files

    usual = FOURTEEN_B.source
    if usual is None:
        raise ValueError(f"{FOURTEEN_B.name} must have a source")
    speech = next((name for name in SPEECH_FOLDERS if (folder / name / CONFIG).is_file()), None)
    return PublishedSource(
        transformer=hub_files(hub_id, usual.transformer.allow_patterns),
        wan=hub_files(hub_id, usual.wan.allow_patterns)
        if (folder / "vae" / CONFIG).is_file()
        else usual.wan,
        wav2vec=hub_files(hub_id, [f"{speech}/{p}" for p in usual.wav2vec.allow_patterns])
        if speech
        else usual.wav2vec,
    )


def fetch_source(
    source: PublishedSource, patterns: tuple[str, ...] | None = None
) -> PublishedFiles:
    """Fetches all files of ``source``, or only those of ``patterns``."""
    from flashtalk.weights.hub import fetch

    parts = [source.transformer, source.wan, source.wav2vec]
    wanted = [HubFiles(p.repo_id, patterns or p.allow_patterns, p.revision) for p in parts]
    transformer, wan, speech = fetch(wanted)
    return PublishedFiles(transformer, wan, speech / speech_folder(source), source.original)


def speech_folder(source: PublishedSource) -> str:
    """The speech encoder's folder inside its repository; empty for the repository itself."""
    return source.wav2vec.allow_patterns[0].rpartition("/")[0]
