"""Mouths and eyes made crisp: the painters against critics that tell their windows from true ones.

    python -m lab.training.tiny.sharpening --data runs/clips --init runs/closeups \\
        --out runs/sharpening
    python -m lab.training.tiny.sharpening --data runs/clips --init runs/sharpening \\
        --out runs/cover --part cover
    python -m lab.training.tiny.sharpening --data runs/clips --init runs/cover \\
        --out runs/lids --part lids

Comes after ``lab.training.tiny.autoencoder --part closeups``. Where exactly teeth end under a lip
does not follow from the few numbers in a latent, so the best guess by difference of pixels is an
average: a white haze. A critic accepts any picture that a mouth could be, and its features say
what differs. Patch critics with hinge loss (Isola et al. 2017; Lim and Ye 2017), spectral
normalization (Miyato et al. 2018) and feature matching (Wang et al. 2018).

``--part cover`` trains the painter of lips over teeth, which begins as the painter of mouths: from
clips whose portraits show teeth alone, and mostly where lips are shut. ``--part lids`` trains that
of shut lids, which begins as the painter of eyes, from blinks alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from flashtalk.errors import command
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.crops import crop_fade
from flashtalk.models.tiny.painter import PaintedCrops
from lab.training.cli import add_precision, add_workers, begin, training_parser
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
from lab.training.loop import LoopConfig, Trainee, train_together
from lab.training.losses.basic import critic_hinge, feature_matching
from lab.training.precision import mixed_precision
from lab.training.tiny.painter_losses import (
    PaintedFeatures,
    eye_losses,
    eyes_by,
    mouths_by,
    painted_features,
    painting_losses,
    unpainted,
)
from lab.training.tiny.parts import WEIGHTS, trained_in_part
from lab.training.tiny.quality import EVALUATE_EVERY, log_progress, log_quality

WIDTHS = (32, 64, 96)
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
    edges = crop_fade(*true.shape[-2:], true)
    weight = weight.clamp(min=ELSEWHERE)
    return Judged(critic, made * edges, true * edges, weight / weight.mean())


def fooling_losses(windows: Sequence[Judged]) -> dict[str, Tensor]:
    """What the painters lose to the critics."""
    fooled, matched = [], []
    for each in windows:
        verdict, features = each.critic(each.made)
        with torch.no_grad():
            _, expected = each.critic(each.true)
        weight = F.adaptive_avg_pool2d(each.weight, verdict.shape[-2:])
        fooled.append(-(verdict * weight).mean())
        matched.append(feature_matching(features, expected, each.weight))
    return {"fooled": sum(fooled), "features": sum(matched)}


Painting = tuple[dict[str, Tensor], list[Judged]]
"""Losses without the critics, and what these are to judge."""


def closeups_painted(model: PortraitAutoencoder, batch: Batch, critics: Critics) -> Painting:
    """Mouths and eyes."""
    made = painted_features(model, batch)
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
class Part:
    """What is sharpened."""

    paint: Callable[[PortraitAutoencoder, Batch, Critics], Painting]
    place: Place
    """Where in its clips."""
    only: Callable[[Clip], bool] | None = None
    """Of which clips, if not of all."""
    begins_as: tuple[str, str] | None = None
    """A painter, and that which it begins as unless it goes on."""
    fooled_weight: float = FOOLED_WEIGHT
    """Of what a critic does not take for true; 0 leaves its features alone."""


PARTS = {
    "closeups": Part(closeups_painted, telling_place),
    "cover": Part(covers_painted, shut_place, shows_teeth, ("cover", "mouth")),
    # a critic wants lashes, and gets scribbles where the eyes of a photograph are misread
    "lids": Part(lids_painted, blink_place, begins_as=("lids", "eye"), fooled_weight=0.0),
}


@command
def main() -> None:
    """Entry point."""
    parser = training_parser(
        __doc__.splitlines()[0], steps=4000, batch=8, rate=5e-4, batch_of="groups of four frames"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True, help="run that painted them before")
    parser.add_argument(
        "--part",
        choices=tuple(PARTS),
        default="closeups",
        help="mouths and eyes, lips over teeth, or shut lids",
    )
    parser.add_argument(
        "--go-on",
        action="store_true",
        help="cover and lids begin as those of --init, not as its painters of mouths and eyes",
    )
    add_precision(parser)
    add_workers(parser)
    arguments = begin(parser)
    device = arguments.device

    clips = ClipSet(arguments.data)
    held_out = ClipSet(arguments.data, held_out=True)
    part = PARTS[arguments.part]
    if arguments.go_on and not part.begins_as:
        parser.error("--go-on is for cover and lids; closeups always go on from those of --init.")
    model = trained_in_part(arguments.part, arguments.init, device)
    if part.only:
        clips.keep(part.only)
        held_out.keep(part.only)
    if part.begins_as and not arguments.go_on:
        painter, first = (getattr(model.decoder, name) for name in part.begins_as)
        painter.load_state_dict(first.state_dict())
    critics = Critics().to(device, memory_format=torch.channels_last)
    rng = np.random.default_rng()
    coming = batches(clips, arguments.batch, rng, part.place, workers=arguments.workers)
    newest: list[list[Judged]] = []  # the critics judge what was painted in the same step

    def painter_step(index: int) -> tuple[Tensor, dict[str, float]]:
        if index % EVALUATE_EVERY == EVALUATE_EVERY - 1:
            log_progress(model, held_out, part.place)
        model.train()
        critics.requires_grad_(False)
        with mixed_precision(arguments.precision, device.type):
            losses, windows = part.paint(model, next(coming).to(device), critics)
            fooling = fooling_losses(windows)
        newest[:] = [windows]
        total = sum(WEIGHTS[name] * loss for name, loss in losses.items())
        total = (
            total + part.fooled_weight * fooling["fooled"] + FEATURE_WEIGHT * fooling["features"]
        )
        return total, {name: loss.item() for name, loss in (losses | fooling).items()}

    def critic_step(index: int) -> tuple[Tensor, dict[str, float]]:
        critics.requires_grad_(True)
        with mixed_precision(arguments.precision, device.type):
            total = sum(
                critic_hinge(each.told(each.true), each.told(each.made.detach()), each.weight)
                for each in newest.pop()
            )
        return total, {"critics": total.item()}

    train_together(
        [
            Trainee("model", model, painter_step, arguments.rate, betas=(0.5, 0.98)),
            Trainee("critics", critics, critic_step, arguments.rate, betas=(0.5, 0.98)),
        ],
        LoopConfig(
            out=arguments.out,
            steps=arguments.steps,
            learning_rate=arguments.rate,
            warmup_steps=50,
            clip_norm=5.0,
        ),
    )
    log_quality(arguments.out, model, held_out, part.place)


if __name__ == "__main__":
    sys.exit(main())
