"""Trained checkpoints -> networks, and the folder of weights that the engine loads.

    python -m lab.training.checkpoints.export --runs runs --out assets/flashtalk-tiny

Takes the averaged weights of each training and leaves their helper heads behind. With
``--transformer runs/stage1`` the transformer is the one before distillation. A training that began
with a published checkpoint names its folder. It gets a transformer in the same layout, to be put in
the old one's place::

    python -m lab.training.checkpoints.export --published checkpoints/14b --transformer runs/14b \\
        --out new-14b
"""

from __future__ import annotations

import copy
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from huggingface_hub import save_torch_state_dict

from flashtalk.config import TINY, Preset
from flashtalk.errors import FlashTalkError, command
from flashtalk.models.networks import Networks, build_denoiser
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.weights import build_networks, modules_of, save_weights
from flashtalk.weights.checkpoint import find_checkpoint
from flashtalk.weights.sizes import CONFIG
from lab.options import read_options
from lab.training.checkpoints.average import between
from lab.training.loop import (
    has_checkpoint,
    load_average,
    load_part,
    load_trained,
    read_checkpoint,
)
from lab.training.tiny.networks import TRAINED

AUTOENCODER_PARTS = {
    "decoder": TRAINED["decoder"],
    "warp": TRAINED["warp"],
    "sharpening": TRAINED["painters"],
    "lids": TRAINED["lids"],
    "flow": TRAINED["flow"],
    "polished": TRAINED["polish"],
    "teeth": TRAINED["teeth"],
    "covered": TRAINED["cover"],
}
"""Folders of trainings, in their order, and the weights that are taken from each."""
SPEECH = "speech"
"""Folder of the training whose speech encoder the transformer learned to hear with."""
TRANSFORMER = "stage2"
"""Folder of the training whose transformer ships."""


def trained_networks(
    preset: Preset,
    runs: Path,
    transformer: Path,
    speech: Path | None = None,
    speech_share: float = 1.0,
) -> Networks:
    """The networks of an embedded ``preset`` from the folders of their trainings, frozen.

    Below ``runs``: ``speech``, ``reader`` and one folder for each of ``AUTOENCODER_PARTS``;
    ``transformer`` is the folder of Stage 1 or Stage 2. The speech encoder lies so far on the way
    to that of ``speech``, another folder, as ``speech_share`` says. Raises
    :class:`FlashTalkError` naming a folder without a checkpoint.
    """
    parts = (runs / name for name in (SPEECH, "reader", *AUTOENCODER_PARTS))
    for folder in (*parts, *([speech] if speech else []), transformer):
        if not has_checkpoint(folder):
            raise FlashTalkError(
                f"There is no checkpoint in {folder}. The networks are put together from the "
                f"trainings speech, reader, {', '.join(AUTOENCODER_PARTS)}, each in its folder "
                "below --runs, and a transformer."
            )
    networks = build_networks(preset)
    modules = modules_of(networks)
    autoencoder = modules["autoencoder"]
    assert isinstance(autoencoder, PortraitAutoencoder)
    encoder = load_part(runs / SPEECH, "encoder", modules["speech_encoder"])
    if speech:
        learned = load_part(speech, "encoder", copy.deepcopy(encoder)).state_dict()
        encoder.load_state_dict(between(encoder.state_dict(), learned, speech_share))
    # in the order of training: later parts replace the weights that they trained
    for part, beginnings in AUTOENCODER_PARTS.items():
        load_trained(runs / part, beginnings, autoencoder)
    load_average(runs / "reader", autoencoder.reader)
    load_average(transformer, modules["transformer"])
    return networks


def save_published(source: Path, run: Path, out: Path, dtype: torch.dtype) -> None:
    """The transformer of ``run`` as shards, index and config.json of the published layout.

    ``source`` is the checkpoint that the training began with; its other parts are not copied.
    """
    with torch.device("meta"):
        transformer = build_denoiser(find_checkpoint(source).preset.transformer)
    average = read_checkpoint(run)["average"]
    transformer.load_state_dict(average, assign=True)  # strict: names and shapes must fit
    out.mkdir(parents=True, exist_ok=True)
    save_torch_state_dict(
        {name: value.to(dtype) for name, value in transformer.state_dict().items()},
        out,
        filename_pattern="diffusion_pytorch_model{suffix}.safetensors",
        max_shard_size="10GB",
    )
    shutil.copy(source / CONFIG, out / CONFIG)


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write trained networks as a folder of weights."""

    out: Path
    """Folder of the weights."""
    runs: Path = Path("runs")
    """Folder of the trainings of the embedded model."""
    published: Path | None = None
    """In place of those: the published checkpoint that a training began with."""
    transformer: Path | None = None
    """Run of Stage 1 or Stage 2; without, ``stage2`` below --runs."""
    speech: Path | None = None
    """Run of the speech encoder that went on from ``speech`` below --runs."""
    speech_share: float = 1.0
    """How far on the way to that run the encoder lies that is written."""
    sharing: Path | None = None
    """Other embedded weights; files that are the same there are named, not written again."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Type in which weights are written."""


def export(config: Export) -> None:
    """Write the weights that ``config`` describes."""
    dtype = getattr(torch, config.dtype)
    transformer = config.transformer or config.runs / TRANSFORMER
    if config.published:
        save_published(config.published, transformer, config.out, dtype)
        return
    networks = trained_networks(TINY, config.runs, transformer, config.speech, config.speech_share)
    save_weights(config.out, TINY.name, modules_of(networks), dtype, sharing=config.sharing)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    export(read_options(Export, arguments))


if __name__ == "__main__":
    sys.exit(main())
