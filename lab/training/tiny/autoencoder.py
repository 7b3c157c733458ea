"""Training of the parts of the embedded autoencoder, supervised by what the renderer knows.

    python -m lab.training.tiny.autoencoder --data runs/clips --out runs/decoder --part decoder

Latents have a meaning (:mod:`flashtalk.models.tiny.face_code`), so the parts learn apart:

* ``decoder`` learns to warp the portrait by true codes with a little noise,
* ``painters`` to paint mouths and eyes on what the decoder makes,
* ``warp`` to warp once more, under these painters and those of
  :mod:`lab.training.tiny.sharpening`,
* ``polish`` to paint mouths once more on this warp,
* ``flow`` to guess the flow between a picture and the portrait.

The landmark network has its own training. Reconstruction alone settles in copying the portrait.
The warp learns from the exact flow, too, and mouth and eyes weigh more than the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from flashtalk.errors import command
from lab.options import read_options
from lab.training.data.clips import ClipSet
from lab.training.data.codec_dataset import batches, telling_place
from lab.training.data.pictures import Pictures
from lab.training.loop import train
from lab.training.options import MixedTraining, begin
from lab.training.precision import mixed_precision
from lab.training.tiny.networks import trained_in_part, weighted_sum
from lab.training.tiny.painter_losses import painter_losses, polish_losses
from lab.training.tiny.quality import EVALUATE_EVERY, log_progress, log_quality
from lab.training.tiny.warp_losses import decoder_losses, finished_losses, flow_losses

Part = Literal["decoder", "painters", "warp", "polish", "flow"]
LOSSES = {
    "decoder": decoder_losses,
    "painters": painter_losses,
    "warp": finished_losses,
    "polish": polish_losses,
    "flow": flow_losses,
}
MOVES_PICTURES = ("decoder", "warp")
"""Parts that learn from pictures without a face, too (:mod:`lab.training.data.pictures`)."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderTraining(MixedTraining):
    """Train a part of the embedded autoencoder."""

    part: Part
    """Parts learn in this order; flow beside painters, if there are more cores."""
    init: Path | None = None
    """Run to start from."""
    steps: int = 4000
    rate: float = 2e-3
    warmup_steps: int = 50
    batch: int = 8
    """Groups of four frames."""
    pictures: Path | None = None
    """Folder of photographs and textures that move as clips do; for decoder and warp."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pictures and self.part not in MOVES_PICTURES:
            raise ValueError(
                f"--pictures is for --part {' and '.join(MOVES_PICTURES)}, not {self.part}: "
                "nothing else is learned from pictures without a face"
            )


def train_autoencoder(config: AutoencoderTraining) -> None:
    """Train ``config.part`` and log how well held-out clips are drawn."""
    device = begin(config)
    clips = ClipSet(config.data)
    held_out = ClipSet(config.data, held_out=True)
    model = trained_in_part(config.part, config.init, device)
    pictures = Pictures(config.pictures) if config.pictures else None
    rng = np.random.default_rng()
    coming = batches(clips, config.batch, rng, telling_place, pictures, config.workers)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        model.train()
        if index % EVALUATE_EVERY == EVALUATE_EVERY - 1:
            clips.refresh()
            log_progress(model, held_out)
            model.train()
        batch = next(coming).to(device)
        with mixed_precision(config.precision, device.type):
            losses = LOSSES[config.part](model, batch)
        return weighted_sum(losses)

    train(model, step, config)
    log_quality(config.out, model, held_out)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    train_autoencoder(read_options(AutoencoderTraining, arguments))


if __name__ == "__main__":
    sys.exit(main())
