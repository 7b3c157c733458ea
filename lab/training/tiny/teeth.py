"""The painter of mouths learns teeth, told whose they are.

    python -m lab.training.tiny.teeth --data runs/clips --init runs/polished --out runs/teeth \\
        --models 506 757 820 --usual 757

Comes last. How long somebody's teeth are and how far below the nose they end, no portrait with shut
lips shows; a painter that has to guess paints the mean, a haze, and critics only make it grainy.
Here a few numbers of each person are learned along with the painter (auto-decoders: Bojanowski et
al., "Optimizing the Latent Space of Generative Networks", 2018; Park et al., "DeepSDF", 2019), so
one person's teeth are as sharp as they are known. That takes some hundred looks at each mouth, so
teeth are learned from a few people, the *models*; from all others everything but the inside of
their mouths, which have the teeth of one of the models meanwhile. Whoever talks later has those of
``--usual``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from flashtalk.errors import command
from flashtalk.models.tiny.painter import IDENTITY_CHANNELS
from lab.training.cli import add_precision, add_workers, begin, training_parser
from lab.training.data.clips import ClipSet
from lab.training.data.codec_dataset import batches, joined, open_place, telling_place
from lab.training.loop import LoopConfig, Trainee, train_together
from lab.training.precision import mixed_precision
from lab.training.tiny.painter_losses import mouths_by, painting_losses, unpainted
from lab.training.tiny.parts import WEIGHTS, trained_in_part
from lab.training.tiny.quality import EVALUATE_EVERY, log_progress, log_quality

POINT_NOISE = 0.003  # less than readings are off by: teeth beside their place look well, a blur not
ROWS = 4096  # people whose numbers are kept apart
SPREAD = 1.0  # of the numbers at the beginning
CODES_RATE = 0.03


class PeoplesTeeth(nn.Module):
    """The numbers of everybody's teeth, by the number of their clip."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Embedding(ROWS, IDENTITY_CHANNELS)
        nn.init.normal_(self.codes.weight, std=SPREAD)

    def forward(self, numbers: Tensor) -> Tensor:
        """Numbers of clips [N] -> [N, IDENTITY_CHANNELS]"""
        return self.codes(numbers % ROWS)


@command
def main() -> None:
    """Entry point."""
    parser = training_parser(
        __doc__.splitlines()[0], steps=4000, batch=8, rate=1e-3, batch_of="groups of four frames"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True, help="run that painted them before")
    parser.add_argument(
        "--models",
        type=int,
        nargs="+",
        required=True,
        help="numbers of the clips from which teeth are learned, two or three dozen that show them",
    )
    parser.add_argument("--usual", type=int, required=True, help="the one whose teeth others get")
    add_precision(parser)
    add_workers(parser)
    arguments = begin(parser)
    device = arguments.device

    named = set(arguments.models)
    models = torch.tensor(sorted(named), device=device)
    clips = ClipSet(arguments.data)
    held_out = ClipSet(arguments.data, held_out=True)
    missing = named - {int(clip.name) for clip in clips.clips}
    if missing or arguments.usual not in named:
        parser.error(
            f"--models names clips in {arguments.data} that are not held out, --usual one of them; "
            f"got {sorted(missing) or arguments.usual}"
        )
    shown = clips.only(lambda clip: int(clip.name) in named)
    model = trained_in_part("teeth", arguments.init, device)
    teeth = PeoplesTeeth().to(device)
    half = max(1, arguments.batch // 2)
    workers = arguments.workers
    coming = batches(shown, half, np.random.default_rng(), open_place, workers=workers)
    besides = batches(clips, half, np.random.default_rng(), telling_place, workers=workers)
    usual = torch.tensor([arguments.usual], device=device)
    told: list[tuple[Tensor, Tensor]] = []  # numbers of clips, and what the painter was told

    def painter_step(index: int) -> tuple[Tensor, dict[str, float]]:
        if index % EVALUATE_EVERY == EVALUATE_EVERY - 1:
            log_progress(model, held_out)
        model.train()
        batch = joined(next(coming), next(besides)).to(device)
        known = torch.isin(batch.numbers, models)
        lent = models[torch.randint(len(models), known.shape, device=device)]
        numbers = torch.where(known, batch.numbers, lent)
        codes = teeth(numbers).detach().requires_grad_(True)
        told[:] = [(numbers, codes)]
        with mixed_precision(arguments.precision, device.type):
            seen = unpainted(model, batch, POINT_NOISE)
            losses = painting_losses(mouths_by(model.decoder.mouth, seen, batch, codes, known))
        total = sum(WEIGHTS[name] * loss for name, loss in losses.items())
        return total, {name: loss.item() for name, loss in losses.items()}

    def teeth_step(index: int) -> tuple[Tensor, dict[str, float]]:
        # the painter's loss has been differentiated: this has the same gradient
        numbers, codes = told.pop()
        with torch.no_grad():
            model.decoder.mouth.default_identity.copy_(teeth(usual)[0])
        loss = (teeth(numbers) * codes.grad).sum()
        return loss, {"spread": teeth(models).detach().std(dim=0).mean().item()}

    train_together(
        [
            Trainee("model", model, painter_step, arguments.rate),
            Trainee("teeth", teeth, teeth_step, CODES_RATE),
        ],
        LoopConfig(
            out=arguments.out,
            steps=arguments.steps,
            learning_rate=arguments.rate,
            warmup_steps=50,
            clip_norm=5.0,
        ),
    )
    log_quality(arguments.out, model, held_out)


if __name__ == "__main__":
    sys.exit(main())
