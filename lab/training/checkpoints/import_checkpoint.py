"""Weights that ship -> the folders of trainings that they came from, to go on from there.

    python -m lab.training.checkpoints.import_checkpoint --weights assets/flashtalk-tiny \\
        --out runs/shipped
    python -m lab.training.tiny.stage1 --init runs/shipped/stage2 ...

With ``--transformer FOLDER`` the transformer is that of other weights, such as ones whose
autoencoder this code does not read.

The reverse of :mod:`lab.training.checkpoints.export`. Heads that helped to learn are not shipped,
nor is the state of any optimizer. So these folders are for ``--init``, ``--runs`` and ``--speech``,
not for ``--out``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError, command
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.weights import load_networks, load_weights, modules_of
from lab.options import TINY_WEIGHTS, read_options
from lab.training.checkpoints.export import AUTOENCODER_PARTS, TRANSFORMER
from lab.training.loop import has_checkpoint, write_checkpoint

TRANSFORMERS = ("stage1", TRANSFORMER)  # Stage 2 begins with the first


def import_checkpoint(weights: Path, runs: Path, transformer: Path | None = None) -> None:
    """Write the networks in ``weights``, an embedded model's, as trainings below ``runs``.

    With ``transformer``, another folder of weights, that one's transformer takes its place. Every
    part of the autoencoder gets a folder with all of it: each training begins with the whole.
    Raises :class:`FlashTalkError` where ``weights`` holds no such model or ``transformer`` no such
    transformer. It is also raised where ``runs`` holds a training, which would be lost.
    """
    networks = load_networks(weights, TINY)
    modules = modules_of(networks)
    whole = modules["autoencoder"]
    assert isinstance(whole, PortraitAutoencoder)
    if transformer is not None:
        load_weights(transformer, TINY.name, {"transformer": modules["transformer"]})
    encoder, autoencoder, generator = (
        dict(modules[name].state_dict())
        for name in ("speech_encoder", "autoencoder", "transformer")
    )
    averages = {
        "speech": {f"encoder.{name}": value for name, value in encoder.items()},
        "reader": dict(whole.reader.state_dict()),
        **dict.fromkeys(AUTOENCODER_PARTS, autoencoder),
        **dict.fromkeys(TRANSFORMERS, generator),
    }
    for name in averages:
        if has_checkpoint(runs / name):
            raise FlashTalkError(
                f"There is a training in {runs / name} already. Give a folder that has none."
            )
    for name, average in averages.items():
        write_checkpoint(runs / name, {"average": average, "step": 0})


@dataclass(frozen=True, kw_only=True)
class Import:
    """Write shipped weights as the folders of trainings that they came from."""

    out: Path
    """Folder for the trainings' folders."""
    weights: Path = TINY_WEIGHTS
    """Folder of an embedded model's weights."""
    transformer: Path | None = None
    """Folder of weights to take the transformer from instead."""


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    config = read_options(Import, arguments)
    import_checkpoint(config.weights, config.out, config.transformer)


if __name__ == "__main__":
    sys.exit(main())
