"""Weights that ship -> the folders of trainings that they came from, to go on from there.

    python -m flashtalk.training.reopen --weights assets/flashtalk-tiny --out runs/shipped
    python -m flashtalk.training.stage1 --init runs/shipped/stage2 ...

The reverse of :mod:`flashtalk.training.export`. Heads that helped to learn did not ship and are not
there, nor is the state of any optimizer: these folders are for ``--init`` and ``--runs``, and for
``--speech``, not for ``--out``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError, command
from flashtalk.training.export import AUTOENCODER_PARTS, TRANSFORMER
from flashtalk.training.loop import has_checkpoint, write_checkpoint
from flashtalk.weights import build_networks, load_weights, modules_of

TRANSFORMERS = ("stage1", TRANSFORMER)  # Stage 2 begins with the first


def reopen(weights: Path, runs: Path) -> None:
    """Write the networks in ``weights``, an embedded model's, as trainings below ``runs``.

    Every part of the autoencoder gets a folder with all of it: each training begins with the whole.
    Raises :class:`FlashTalkError` where ``weights`` holds no such model, or ``runs`` a training
    already, which would be lost.
    """
    taken = [
        each
        for each in ("speech", "reader", *AUTOENCODER_PARTS, *TRANSFORMERS)
        if has_checkpoint(runs / each)
    ]
    if taken:
        raise FlashTalkError(
            f"There is a training in {runs / taken[0]} already. Give a folder that has none."
        )
    networks = build_networks(TINY)
    load_weights(weights, TINY.name, modules_of(networks))
    encoder = networks.speech_encoder.state_dict()
    write_checkpoint(
        runs / "speech", _finished({f"encoder.{name}": value for name, value in encoder.items()})
    )
    autoencoder = networks.autoencoder.state_dict()
    for part in AUTOENCODER_PARTS:
        write_checkpoint(runs / part, _finished(autoencoder))
    write_checkpoint(runs / "reader", _finished(networks.autoencoder.reader.state_dict()))
    for stage in TRANSFORMERS:
        write_checkpoint(runs / stage, _finished(networks.transformer.state_dict()))


def _finished(average: Mapping[str, Tensor]) -> dict[str, Any]:
    """What others read of a training's checkpoint."""
    return {"average": dict(average), "step": 0}


@command
def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=Path("assets/flashtalk-tiny"))
    parser.add_argument("--out", type=Path, required=True, help="folder for the trainings' folders")
    arguments = parser.parse_args()
    reopen(arguments.weights, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
