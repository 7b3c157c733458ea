"""Training of the painter of mouths on teeth, told whose they are.

    python -m lab.training.tiny.teeth --data runs/clips --init runs/polished --out runs/teeth \\
        --donors 506 757 820 --default-donor 757

Comes last. A portrait with shut lips does not show how long teeth are, nor how far below the nose
they end. A painter that has to guess paints the mean, a haze, and critics only make it grainy. Here
a code of each person is learned along with the painter (auto-decoders: Bojanowski et al.,
"Optimizing the Latent Space of Generative Networks", 2018; Park et al., "DeepSDF", 2019).

A code takes some hundred looks at each mouth, so teeth are learned from a few people, the *donors*.
From all others everything is learned but the inside of their mouths, which has the teeth of a
random donor. Whoever talks later has the teeth of ``--default-donor``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from flashtalk.errors import FlashTalkError, command
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.painter import IDENTITY_CHANNELS
from lab.options import read_options
from lab.training.data.clips import ClipSet
from lab.training.data.codec_dataset import Batch, batches, joined, open_place, telling_place
from lab.training.loop import Trainee, train_together
from lab.training.options import MixedTraining, begin
from lab.training.precision import mixed_precision
from lab.training.tiny.networks import trained_in_part, weighted_sum
from lab.training.tiny.painter_losses import mouths_by, painting_losses, unpainted
from lab.training.tiny.quality import EVALUATE_EVERY, log_progress, log_quality

POINT_NOISE = 0.003  # less than readings are off by: teeth beside their place look well, a blur not
ROWS = 4096  # people whose codes are kept apart
SPREAD = 1.0  # of the codes at the beginning
CODES_RATE = 0.03


@dataclass(frozen=True, kw_only=True)
class TeethTraining(MixedTraining):
    """Train the painter of mouths and the codes of its donors' teeth."""

    init: Path
    """Run that painted mouths before."""
    donors: tuple[int, ...]
    """Numbers of the clips from which teeth are learned, two or three dozen that show them."""
    default_donor: int
    """The one of them whose teeth others get."""
    steps: int = 4000
    rate: float = 1e-3
    warmup_steps: int = 50
    clip_norm: float = 5.0
    batch: int = 8
    """Groups of four frames."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.default_donor not in self.donors:
            raise ValueError(f"--default-donor must be a donor, got {self.default_donor}")


class DonorTeeth(nn.Module):
    """The code of everybody's teeth, by the number of their clip."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Embedding(ROWS, IDENTITY_CHANNELS)
        nn.init.normal_(self.codes.weight, std=SPREAD)

    def forward(self, numbers: Tensor) -> Tensor:
        """Numbers of clips [N] -> [N, IDENTITY_CHANNELS]"""
        return self.codes(numbers % ROWS)


class TeethLessons:
    """Steps of the painter and of the codes, which learn from the painter's gradient."""

    def __init__(
        self,
        config: TeethTraining,
        model: PortraitAutoencoder,
        coming: Iterator[Batch],
        held_out: ClipSet,
        device: torch.device,
    ) -> None:
        self.precision = config.precision
        self.model = model
        self.coming = coming
        self.held_out = held_out
        self.device = device
        self.donors = torch.tensor(sorted(set(config.donors)), device=device)
        self.default_donor = torch.tensor([config.default_donor], device=device)
        self.teeth = DonorTeeth().to(device)
        self._told: tuple[Tensor, Tensor] | None = None

    def painter_step(self, index: int) -> tuple[Tensor, dict[str, float]]:
        """Losses of mouths whose teeth are a donor's: their own, or those of a random one."""
        if index % EVALUATE_EVERY == EVALUATE_EVERY - 1:
            log_progress(self.model, self.held_out)
        self.model.train()
        batch = next(self.coming).to(self.device)
        known = torch.isin(batch.numbers, self.donors)
        lent = self.donors[torch.randint(len(self.donors), known.shape, device=self.device)]
        numbers = torch.where(known, batch.numbers, lent)
        codes = self.teeth(numbers).detach().requires_grad_(True)
        self._told = numbers, codes
        with mixed_precision(self.precision, self.device.type):
            seen = unpainted(self.model, batch, POINT_NOISE)
            drawn = mouths_by(self.model.decoder.mouth, seen, batch, codes, known)
            losses = painting_losses(drawn)
        return weighted_sum(losses)

    def teeth_step(self, index: int) -> tuple[Tensor, dict[str, float]]:
        """A loss whose gradient by the codes is the one that the painter's loss left there."""
        assert self._told is not None, "the painter's step comes first"
        numbers, codes = self._told
        with torch.no_grad():
            self.model.decoder.mouth.default_identity.copy_(self.teeth(self.default_donor)[0])
        loss = (self.teeth(numbers) * codes.grad).sum()
        return loss, {"spread": self.teeth(self.donors).detach().std(dim=0).mean().item()}


def train_teeth(config: TeethTraining) -> None:
    """Train the painter and the codes, and log how well held-out clips are drawn.

    Half of each batch are donors. Raises :class:`FlashTalkError` for a donor without a clip.
    """
    device = begin(config)
    donors = set(config.donors)
    clips = ClipSet(config.data)
    held_out = ClipSet(config.data, held_out=True)
    missing = donors - {int(clip.name) for clip in clips.clips}
    if missing:
        raise FlashTalkError(
            f"Donors are clips in {config.data} that are not held out; got {sorted(missing)}. "
            "Leave these out of --donors, or render them."
        )
    model = trained_in_part("teeth", config.init, device)
    shown = clips.only(lambda clip: int(clip.name) in donors)
    half, workers = max(1, config.batch // 2), config.workers
    own = batches(shown, half, np.random.default_rng(), open_place, workers=workers)
    others = batches(clips, half, np.random.default_rng(), telling_place, workers=workers)
    lessons = TeethLessons(config, model, map(joined, own, others), held_out, device)
    train_together(
        [
            Trainee("model", model, lessons.painter_step, config.rate),
            Trainee("teeth", lessons.teeth, lessons.teeth_step, CODES_RATE),
        ],
        config,
    )
    log_quality(config.out, model, held_out)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    train_teeth(read_options(TeethTraining, arguments))


if __name__ == "__main__":
    sys.exit(main())
