"""Mouths and eyes made crisp: the painters against critics that tell their windows from true ones.

    python -m lab.training.tiny.sharpening --data runs/clips --init runs/painters \\
        --out runs/sharpening
    python -m lab.training.tiny.sharpening --data runs/clips --init runs/sharpening \\
        --out runs/cover --part cover
    python -m lab.training.tiny.sharpening --data runs/clips --init runs/cover \\
        --out runs/lids --part lids

Comes after ``lab.training.tiny.autoencoder --part painters``. Where exactly teeth end under a lip
does not follow from the few numbers in a latent. So the best guess by difference of pixels is an
average: a white haze. A critic accepts any picture that a mouth could be, and its features say what
differs. Patch critics with hinge loss (Isola et al. 2017; Lim and Ye 2017), spectral normalization
(Miyato et al. 2018) and feature matching (Wang et al. 2018).

``--part cover`` trains the painter of lips over teeth, which begins as the painter of mouths. It
learns from clips whose portraits show teeth alone, and mostly where lips are shut. ``--part lids``
trains that of shut lids, which begins as the painter of eyes, from blinks alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from flashtalk.errors import command
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.crops import crop_fade
from flashtalk.models.tiny.painter import PaintedCrops
from lab.options import read_options
from lab.training.data.clips import Clip, ClipSet
from lab.training.data.codec_dataset import (
    Batch,
    Place,
    batches,
    blink_place,
    shows_teeth,
    shut_place,
    telling_place,
)
from lab.training.loop import Trainee, train_together
from lab.training.losses.basic import critic_hinge, feature_matching
from lab.training.options import MixedTraining, begin
from lab.training.precision import mixed_precision
from lab.training.tiny.networks import channels_last, trained_in_part, weighted_sum
from lab.training.tiny.painter_losses import (
    PaintedFeatures,
    eye_losses,
    eyes_by,
    mouths_by,
    painted_features,
    painting_losses,
    unpainted,
)
from lab.training.tiny.quality import EVALUATE_EVERY, log_progress, log_quality

WIDTHS = (32, 64, 96)
BETAS = (0.5, 0.98)  # of both optimizers
FOOLED_WEIGHT = 0.6
FEATURE_WEIGHT = 20.0
MISREAD = 0.02  # of landmarks, for cover and lids: photographs are read worst where these matter
ELSEWHERE = 0.15  # weight of patches that do not touch the opening of a mouth


class PatchCritic(nn.Module):
    """Windows -> how true each patch of them looks, and the features that say so."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, *WIDTHS)
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1))
            for before, after in pairwise(widths)
        )
        self.verdict = spectral_norm(nn.Conv2d(WIDTHS[-1], 1, 3, padding=1))

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """[M, 3, h, w] -> verdicts [M, 1, h/8, w/8], above 0 for true, and features by scale."""
        features, x = [], pictures
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.verdict(x), features


@dataclass(frozen=True)
class Judged:
    """Windows that a critic tells from true ones; both fade out at their borders."""

    critic: PatchCritic
    made: Tensor
    """[M, 3, h, w]"""
    true: Tensor
    """[M, 3, h, w]"""
    weight: Tensor
    """[M, 1, h, w] what weighs how much, 1 on average."""

    def told(self, windows: Tensor) -> Tensor:
        """The critic's verdicts [M, 1, h/8, w/8] on ``windows`` like these."""
        return self.critic(windows)[0]


class Critics(nn.Module):
    """One for mouths, one for eyes."""

    def __init__(self) -> None:
        super().__init__()
        self.mouth, self.eyes = PatchCritic(), PatchCritic()

    def of_mouths(self, painted: PaintedFeatures) -> Judged:
        """A mouth is judged by what is in it."""
        inside = F.max_pool2d(painted.inner, 9, stride=1, padding=4)
        return judged(self.mouth, painted.mouth.picture, painted.mouth_true, inside)

    def of_eyes(self, eyes: PaintedCrops, true: Tensor, weight: Tensor | None = None) -> Judged:
        """Eyes against ``true`` ones [2 M, 3, h, w], each of them of a ``weight`` [2 M]."""
        if weight is None:
            weight = true.new_ones(len(true))
        chosen = weight[:, None, None, None].expand(-1, 1, *true.shape[-2:])
        return judged(self.eyes, eyes.picture, true, chosen)


def judged(critic: PatchCritic, made: Tensor, true: Tensor, weight: Tensor) -> Judged:
    """What ``critic`` is to tell apart, the least of it with a weight of ``ELSEWHERE``."""
    edges = crop_fade(true.shape[-2], true.shape[-1], true)
    weight = weight.clamp(min=ELSEWHERE)
    return Judged(critic, made * edges, true * edges, weight / weight.mean())


def fooling_losses(windows: Sequence[Judged]) -> dict[str, Tensor]:
    """Loss of the painters against the critics."""
    fooled, matched = [], []
    for each in windows:
        verdict, features = each.critic(each.made)
        with torch.no_grad():
            _, expected = each.critic(each.true)
        weight = F.adaptive_avg_pool2d(each.weight, verdict.shape[-2:])
        fooled.append(-(verdict * weight).mean())
        matched.append(feature_matching(features, expected, each.weight))
    return {"fooled": torch.stack(fooled).sum(), "features": torch.stack(matched).sum()}


Painting = tuple[dict[str, Tensor], list[Judged]]
"""Losses without the critics, and what these are to judge."""


def both_painted(model: PortraitAutoencoder, batch: Batch, critics: Critics) -> Painting:
    """Mouths and eyes."""
    made = painted_features(model, batch)
    assert made.eyes is not None and made.eyes_true is not None
    windows = [critics.of_mouths(made), critics.of_eyes(made.eyes, made.eyes_true)]
    return painting_losses(made), windows


def covers_painted(model: PortraitAutoencoder, batch: Batch, critics: Critics) -> Painting:
    """Lips over teeth."""
    made = mouths_by(model.decoder.cover, unpainted(model, batch, MISREAD), batch)
    return painting_losses(made), [critics.of_mouths(made)]


def lids_painted(model: PortraitAutoencoder, batch: Batch, critics: Critics) -> Painting:
    """Lids, as far as they shut."""
    drawn, true, shut = eyes_by(model.decoder.lids, unpainted(model, batch, MISREAD))
    return eye_losses(drawn, true, shut), [critics.of_eyes(drawn, true, shut)]


@dataclass(frozen=True)
class Sharpening:
    """Settings of the sharpening."""

    paint: Callable[[PortraitAutoencoder, Batch, Critics], Painting]
    place: Place
    """Where in its clips."""
    only: Callable[[Clip], bool] | None = None
    """Of which clips, if not of all."""
    begins_as: tuple[str, str] | None = None
    """A painter, and that which it begins as unless it goes on."""
    fooled_weight: float = FOOLED_WEIGHT
    """Of what a critic does not take for true; 0 leaves its features alone."""


Part = Literal["painters", "cover", "lids"]
SHARPENINGS: Mapping[Part, Sharpening] = {
    "painters": Sharpening(both_painted, telling_place),
    "cover": Sharpening(covers_painted, shut_place, shows_teeth, ("cover", "mouth")),
    # a critic wants lashes, and gets scribbles where the eyes of a photograph are misread
    "lids": Sharpening(lids_painted, blink_place, begins_as=("lids", "eye"), fooled_weight=0.0),
}


@dataclass(frozen=True, kw_only=True)
class SharpeningTraining(MixedTraining):
    """Train painters of the embedded autoencoder against critics."""

    init: Path
    """Run that painted them before."""
    part: Part = "painters"
    """Mouths and eyes, lips over teeth, or shut lids."""
    go_on: bool = False
    """Cover and lids begin as those of --init, not as its painters of mouths and eyes."""
    steps: int = 4000
    rate: float = 5e-4
    warmup_steps: int = 50
    clip_norm: float = 5.0
    batch: int = 8
    """Groups of four frames."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.go_on and not SHARPENINGS[self.part].begins_as:
            raise ValueError("--go-on is for cover and lids; painters always go on from --init")


def starting_painters(
    config: SharpeningTraining, sharpening: Sharpening, device: torch.device
) -> PortraitAutoencoder:
    """The autoencoder of ``config.init``, its new painter being a copy of an older one."""
    model = trained_in_part(config.part, config.init, device)
    if sharpening.begins_as and not config.go_on:
        painter, first = (getattr(model.decoder, name) for name in sharpening.begins_as)
        painter.load_state_dict(first.state_dict())
    return model


class Contest:
    """Steps of the painters and of their critics, who judge what was painted in the same step."""

    def __init__(
        self,
        config: SharpeningTraining,
        model: PortraitAutoencoder,
        coming: Iterator[Batch],
        held_out: ClipSet,
        device: torch.device,
    ) -> None:
        self.sharpening = SHARPENINGS[config.part]
        self.precision = config.precision
        self.model = model
        self.coming = coming
        self.held_out = held_out
        self.device = device
        self.critics = channels_last(Critics().to(device))
        self._painted: list[Judged] = []

    def painter_step(self, index: int) -> tuple[Tensor, dict[str, float]]:
        """Losses of the painters, and what they lose to the critics."""
        if index % EVALUATE_EVERY == EVALUATE_EVERY - 1:
            log_progress(self.model, self.held_out, self.sharpening.place)
        self.model.train()
        self.critics.requires_grad_(False)
        batch = next(self.coming).to(self.device)
        with mixed_precision(self.precision, self.device.type):
            losses, self._painted = self.sharpening.paint(self.model, batch, self.critics)
            fooling = fooling_losses(self._painted)
        total, figures = weighted_sum(losses)
        total = total + self.sharpening.fooled_weight * fooling["fooled"]
        total = total + FEATURE_WEIGHT * fooling["features"]
        return total, figures | {name: loss.item() for name, loss in fooling.items()}

    def critic_step(self, index: int) -> tuple[Tensor, dict[str, float]]:
        """Hinge loss of the critics."""
        self.critics.requires_grad_(True)
        with mixed_precision(self.precision, self.device.type):
            losses = [
                critic_hinge(each.told(each.true), each.told(each.made.detach()), each.weight)
                for each in self._painted
            ]
            total = torch.stack(losses).sum()
        return total, {"critics": total.item()}


def train_sharpening(config: SharpeningTraining) -> None:
    """Train ``config.part`` and its critics, and log how well held-out clips are drawn."""
    device = begin(config)
    sharpening = SHARPENINGS[config.part]
    clips = ClipSet(config.data)
    held_out = ClipSet(config.data, held_out=True)
    model = starting_painters(config, sharpening, device)
    if sharpening.only:
        clips.keep(sharpening.only)
        held_out.keep(sharpening.only)
    rng = np.random.default_rng()
    coming = batches(clips, config.batch, rng, sharpening.place, workers=config.workers)
    contest = Contest(config, model, coming, held_out, device)
    train_together(
        [
            Trainee("model", model, contest.painter_step, config.rate, BETAS),
            Trainee("critics", contest.critics, contest.critic_step, config.rate, BETAS),
        ],
        config,
    )
    log_quality(config.out, model, held_out, sharpening.place)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    train_sharpening(read_options(SharpeningTraining, arguments))


if __name__ == "__main__":
    sys.exit(main())
