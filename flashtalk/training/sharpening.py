"""Mouths and eyes made crisp: the painters against critics that tell their windows from true ones.

    python -m flashtalk.training.sharpening --data runs/clips --init runs/closeups \\
        --out runs/sharpening
    python -m flashtalk.training.sharpening --data runs/clips --init runs/sharpening \\
        --out runs/cover --part cover

Comes after ``flashtalk.training.autoencoder --part closeups``. Where exactly teeth end under a lip
does not follow from the few numbers in a latent, so the best guess by difference of pixels is an
average: a white haze. A critic accepts any picture that a mouth could be, and its features say
what differs. Patch critics with hinge loss (Isola et al. 2017; Lim and Ye 2017), spectral
normalization (Miyato et al. 2018) and feature matching (Wang et al. 2018).

``--part cover`` trains the painter of lips over teeth, which begins as the painter of mouths: from
clips whose portraits show teeth alone, and mostly where lips are shut.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from flashtalk.errors import command
from flashtalk.models.closeup import soft_edges
from flashtalk.training.autoencoder import (
    EVALUATE_EVERY,
    WEIGHTS,
    CloseUps,
    close_ups,
    log_progress,
    log_quality,
    mouths_by,
    painting_losses,
    trained_in_part,
    unpainted,
)
from flashtalk.training.clips import ClipSet
from flashtalk.training.command import add_precision, add_workers, begin, training_parser
from flashtalk.training.groups import batches, shows_teeth, shut_place, telling_place
from flashtalk.training.loop import LoopConfig, Trainee, train_together
from flashtalk.training.losses import critic_hinge, feature_matching
from flashtalk.training.precision import mixed_precision

WIDTHS = (32, 64, 96)
FOOLED_WEIGHT = 0.6
FEATURE_WEIGHT = 20.0
MISREAD = 0.02  # of landmarks, for the cover: lips of smiling photographs are read worst
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


class Critics(nn.Module):
    """One for mouths, one for eyes."""

    def __init__(self) -> None:
        super().__init__()
        self.mouth, self.eyes = PatchCritic(), PatchCritic()

    def compare(self, painted: CloseUps) -> list[tuple[PatchCritic, Tensor, Tensor, Tensor]]:
        """Each critic with its painted and its true windows, both fading out at their borders.

        Last comes what weighs how much, [M, 1, h, w]: a mouth is judged by what is in it.
        """
        inside = F.max_pool2d(painted.inner, 9, stride=1, padding=4)
        pairs = [(self.mouth, painted.mouth.picture, painted.mouth_true, inside)]
        if painted.eyes is not None:
            pairs.append((self.eyes, painted.eyes.picture, painted.eyes_true, None))
        compared = []
        for critic, made, true, chosen in pairs:
            edges = soft_edges(*true.shape[-2:], true)
            weight = torch.ones_like(true[:, :1]) if chosen is None else chosen
            weight = weight.clamp(min=ELSEWHERE)
            compared.append((critic, made * edges, true * edges, weight / weight.mean()))
        return compared


def fooling_losses(critics: Critics, painted: CloseUps) -> dict[str, Tensor]:
    """What the painters lose to the critics."""
    fooled, matched = [], []
    for critic, made, true, weight in critics.compare(painted):
        verdict, features = critic(made)
        with torch.no_grad():
            _, expected = critic(true)
        fooled.append(-(verdict * F.adaptive_avg_pool2d(weight, verdict.shape[-2:])).mean())
        matched.append(feature_matching(features, expected, weight))
    return {"fooled": sum(fooled), "features": sum(matched)}


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
        choices=("closeups", "cover"),
        default="closeups",
        help="mouths and eyes, or lips over teeth",
    )
    parser.add_argument(
        "--go-on",
        action="store_true",
        help="the cover begins as that of --init, not as its painter of mouths",
    )
    add_precision(parser)
    add_workers(parser)
    arguments = begin(parser)
    device = arguments.device

    clips = ClipSet(arguments.data)
    held_out = ClipSet(arguments.data, held_out=True)
    cover = arguments.part == "cover"
    if arguments.go_on and not cover:
        parser.error("--go-on is for --part cover; closeups always go on from those of --init.")
    place = shut_place if cover else telling_place
    model = trained_in_part(arguments.part, arguments.init, device)
    if cover:
        clips.keep(shows_teeth)
        held_out.keep(shows_teeth)
        if not arguments.go_on:
            model.decoder.cover.load_state_dict(model.decoder.mouth.state_dict())
    critics = Critics().to(device, memory_format=torch.channels_last)
    rng = np.random.default_rng()
    coming = batches(clips, arguments.batch, rng, place, workers=arguments.workers)
    newest: list[CloseUps] = []  # the critics judge what was painted in the same step

    def painter_step(index: int) -> tuple[Tensor, dict[str, float]]:
        if index % EVALUATE_EVERY == EVALUATE_EVERY - 1:
            log_progress(model, held_out, place)
        model.train()
        critics.requires_grad_(False)
        with mixed_precision(arguments.precision, device.type):
            batch = next(coming).to(device)
            painted = (
                mouths_by(model.decoder.cover, unpainted(model, batch, MISREAD), batch)
                if cover
                else close_ups(model, batch)
            )
            losses = painting_losses(painted)
            fooling = fooling_losses(critics, painted)
        newest[:] = [painted]
        total = sum(WEIGHTS[name] * loss for name, loss in losses.items())
        total = total + FOOLED_WEIGHT * fooling["fooled"] + FEATURE_WEIGHT * fooling["features"]
        return total, {name: loss.item() for name, loss in (losses | fooling).items()}

    def critic_step(index: int) -> tuple[Tensor, dict[str, float]]:
        critics.requires_grad_(True)
        with mixed_precision(arguments.precision, device.type):
            total = sum(
                critic_hinge(critic(true)[0], critic(made.detach())[0], weight)
                for critic, made, true, weight in critics.compare(newest.pop())
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
    log_quality(arguments.out, model, held_out, place)


if __name__ == "__main__":
    sys.exit(main())
