"""Training of the embedded autoencoder, supervised by what the renderer knows.

    python -m lab.training.tiny.autoencoder --data runs/clips --out runs/decoder --part decoder

Latents have a meaning (:mod:`flashtalk.models.tiny.face_code`), so the parts learn apart:
``decoder`` to warp the portrait by true codes with a little noise, ``closeups`` to paint mouths and
eyes on what the decoder makes, ``warp`` to warp once more, now under these painters and those of
:mod:`lab.training.tiny.sharpening`, ``polish`` to paint mouths once more on this warp, ``flow`` to
guess the flow between a picture and the portrait; the face reader has its own training.
Reconstruction alone settles in copying the portrait; the warp learns from the exact flow, too, and
mouth and eyes weigh more than the rest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from torch import Tensor

from flashtalk.errors import command
from lab.training.cli import add_precision, add_workers, begin, training_parser
from lab.training.data.clips import ClipSet
from lab.training.data.codec_dataset import batches, telling_place
from lab.training.data.pictures import Pictures
from lab.training.loop import LoopConfig, train
from lab.training.precision import mixed_precision
from lab.training.tiny.painter_losses import closeup_losses, polish_losses
from lab.training.tiny.parts import WEIGHTS, trained_in_part
from lab.training.tiny.quality import EVALUATE_EVERY, log_progress, log_quality
from lab.training.tiny.warp_losses import decoder_losses, finished_losses, flow_losses

PARTS = {
    "decoder": decoder_losses,
    "closeups": closeup_losses,
    "warp": finished_losses,
    "polish": polish_losses,
    "flow": flow_losses,
}
MOVES_PICTURES = ("decoder", "warp")
"""Parts that learn from pictures without a face, too (:mod:`lab.training.data.pictures`)."""


@command
def main() -> None:
    """Entry point."""
    parser = training_parser(
        __doc__.splitlines()[0], steps=4000, batch=8, rate=2e-3, batch_of="groups of four frames"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--part",
        choices=tuple(PARTS),
        required=True,
        help="in this order; flow beside closeups, if there are more cores",
    )
    parser.add_argument("--init", type=Path, help="run to start from, for weights not trained yet")
    parser.add_argument(
        "--pictures", type=Path, help="folder of photographs and textures; for decoder and warp"
    )
    add_precision(parser)
    add_workers(parser)
    arguments = begin(parser)
    device = arguments.device
    if arguments.pictures and arguments.part not in MOVES_PICTURES:
        parser.error(
            f"--pictures is for --part {' and '.join(MOVES_PICTURES)}, not {arguments.part}: "
            "nothing else is learned from pictures without a face"
        )

    clips = ClipSet(arguments.data)
    held_out = ClipSet(arguments.data, held_out=True)
    rng = np.random.default_rng()
    model = trained_in_part(arguments.part, arguments.init, device)
    pictures = Pictures(arguments.pictures) if arguments.pictures else None
    coming = batches(clips, arguments.batch, rng, telling_place, pictures, arguments.workers)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        model.train()
        if index % EVALUATE_EVERY == EVALUATE_EVERY - 1:
            clips.refresh()
            log_progress(model, held_out)
            model.train()
        batch = next(coming).to(device)
        with mixed_precision(arguments.precision, device.type):
            terms = PARTS[arguments.part](model, batch)
        total = sum(WEIGHTS[name] * term for name, term in terms.items())
        return total, {name: term.item() for name, term in terms.items()}

    config = LoopConfig(
        out=arguments.out, steps=arguments.steps, learning_rate=arguments.rate, warmup_steps=50
    )
    train(model, step, config)
    log_quality(arguments.out, model, held_out)


if __name__ == "__main__":
    sys.exit(main())
