"""Pre-training of the speech encoder on free labels: phones and mouth curves from audio alone.

    python -m lab.training.tiny.speech_encoder --data runs/speech-data --check runs/clips \\
        --out runs/speech

With --judge the encoder of a folder of weights stays as it is: only fresh heads learn, on its
hidden states, and tell how much of phones and mouth can be heard in them:

    python -m lab.training.tiny.speech_encoder --judge assets/flashtalk-tiny \\
        --data runs/speech-data --check runs/held-out-speech --out runs/judged --steps 400 --rate
        1e-2

Figures are logged and written to OUT/figures.json.

The two heads exist only here; the encoder's hidden states are what the transformer listens to. The
clips' own speech is not in the training: its few utterances would be known by heart, and Stage 1
would learn from features that are surer than a visitor's will ever be.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError, command
from flashtalk.models.tiny.speech_encoder import SpeechEncoder
from flashtalk.weights import load_weights
from lab.synthesis.curves import MOUTH_CURVES
from lab.synthesis.voices.augment import augment
from lab.synthesis.voices.phones import CLASS_INDEX, PHONE_CLASSES, SILENCE
from lab.training.cli import add_workers, begin, training_parser
from lab.training.data.labeled_speech import LabelledSpeech
from lab.training.loop import (
    LoopConfig,
    device_of,
    has_checkpoint,
    load_average,
    load_part,
    prefetched,
    read_checkpoint,
    train,
)
from lab.training.losses.basic import correlation, curve_error, phone_error

log = logging.getLogger(__name__)

CHECKED_ITEMS = 80  # of those held out; about twelve minutes of a corpus
DEGRADED_SEED = 20  # the same rooms, noises and lines in every evaluation
FIGURES = "figures.json"


class SpeechPretraining(nn.Module):
    """Encoder plus linear heads for phones and mouth curves on its last hidden state."""

    def __init__(self, encoder: SpeechEncoder, phone_classes: int, curves: int) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.config.features.width
        self.phones = nn.Linear(width, phone_classes)
        self.mouth = nn.Linear(width, curves)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, S] -> features [B, F, layers, width], phone logits, mouth curves."""
        features = self.encoder(samples)
        return features, self.phones(features[:, :, -1]), self.mouth(features[:, :, -1])


def report(model: SpeechPretraining, held_out: LabelledSpeech) -> dict[str, dict[str, float]]:
    """Figures of :func:`evaluate` on clean sound, and on sound as a visitor's microphone has it."""
    return {
        "clean": evaluate(model, held_out),
        "degraded": evaluate(model, held_out, np.random.default_rng(DEGRADED_SEED)),
    }


@torch.no_grad()
def evaluate(
    model: SpeechPretraining, held_out: LabelledSpeech, degrading: np.random.Generator | None = None
) -> dict[str, float]:
    """Phone accuracy and correlations of all curves and of the opening on unseen items.

    ``spoken_accuracy`` leaves out the frames whose label is silence. With ``degrading`` every item
    passes :func:`augment` first. ``items`` and the frames say how much was heard.
    """
    model.eval()
    right = total = right_spoken = spoken_frames = 0
    scores, openings = [], []
    opening = MOUTH_CURVES.index("opening")
    checked = held_out.items[:CHECKED_ITEMS]
    for item in checked:
        samples = item.samples if degrading is None else augment(item.samples, degrading)
        heard = torch.from_numpy(samples)[None].to(device_of(model))
        logits, curves = (each.cpu() for each in model(heard)[1:])
        hits = logits[0].argmax(-1).numpy() == item.phones
        spoken = item.phones != CLASS_INDEX[SILENCE]
        right, total = right + int(hits.sum()), total + len(hits)
        right_spoken += int(hits[spoken].sum())
        spoken_frames += int(spoken.sum())
        truth = torch.from_numpy(item.mouth).T
        kept = truth.std(dim=1) > 0.02
        if kept.any():
            found = correlation(curves[0].T, truth)
            scores.append(found[kept].mean().item())
            openings.append(found[opening].item())
    return {
        "phone_accuracy": right / total,
        "spoken_accuracy": right_spoken / max(spoken_frames, 1),
        "curve_correlation": float(np.mean(scores)),
        "opening_correlation": float(np.mean(openings)),
        "items": len(checked),
        "frames": total,
        "spoken_frames": spoken_frames,
    }


def _require_same_encoder(out: Path, encoder: SpeechEncoder) -> None:
    """FlashTalkError where a checkpoint in ``out``, which would be gone on with, has another."""
    if not has_checkpoint(out):
        return
    average = read_checkpoint(out)["average"]
    for name, value in encoder.state_dict().items():
        known = average.get(f"encoder.{name}")
        if known is None or not torch.equal(known, value):
            raise FlashTalkError(
                f"The checkpoint in {out} belongs to another speech encoder, and its figures would "
                "be told in place of the judged one's. Give an empty folder as --out."
            )


@command
def main() -> None:
    """Entry point."""
    parser = training_parser(__doc__.splitlines()[0], steps=4000, batch=24, rate=2e-3)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="corpora")
    parser.add_argument(
        "--check", type=Path, nargs="+", required=True, help="clips, whose held-out voices tell"
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--init", type=Path, help="run whose encoder to start from")
    start.add_argument("--judge", type=Path, help="weights whose encoder stays; only heads learn")
    add_workers(parser)
    arguments = begin(parser)
    device = arguments.device

    data = LabelledSpeech(arguments.data, held_out=False)
    held_out = LabelledSpeech(arguments.check, held_out=True)
    geometry = TINY.geometry
    encoder = SpeechEncoder(TINY.speech_encoder)
    if arguments.init:
        load_part(arguments.init, "encoder", encoder).requires_grad_(True)
    if arguments.judge:
        load_weights(arguments.judge, TINY.name, {"speech_encoder": encoder})
        encoder.requires_grad_(False)
        _require_same_encoder(arguments.out, encoder)
    model = SpeechPretraining(encoder, len(PHONE_CLASSES), len(MOUTH_CURVES)).to(device)
    rng = np.random.default_rng(0)
    spread = torch.from_numpy(
        np.concatenate([item.mouth for item in data.items]).std(axis=0) + 0.02
    ).to(device)
    coming = prefetched(
        lambda: data.batch(arguments.batch, geometry.speech_window_frames, geometry, rng),
        arguments.workers,
    )

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        model.train()
        samples, phones, mouth = (each.to(device) for each in next(coming))
        _, logits, prediction = model(samples)
        phone_loss = phone_error(logits, phones)
        mouth_loss = curve_error(prediction, mouth, spread)
        figures = {"phones": phone_loss.item(), "mouth": mouth_loss.item()}
        if (index + 1) % 500 == 0:
            log.info("held out: %s", report(model, held_out))
        return 0.5 * phone_loss + mouth_loss, figures

    train(
        model,
        step,
        LoopConfig(out=arguments.out, steps=arguments.steps, learning_rate=arguments.rate),
    )
    figures = report(load_average(arguments.out, model), held_out)
    log.info("averaged, held out: %s", figures)
    (arguments.out / FIGURES).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
