"""Pre-training of the speech encoder on free labels: phones and mouth curves from audio alone.

    python -m lab.training.tiny.speech_encoder --data runs/speech-data --check runs/clips \\
        --out runs/speech

With --judge the encoder of a folder of weights stays as it is. Only fresh heads learn, on its
hidden states. They tell how much of phones and mouth can be heard in them:

    python -m lab.training.tiny.speech_encoder --judge assets/flashtalk-tiny \\
        --data runs/speech-data --check runs/held-out-speech --out runs/judged --steps 400 --rate
        1e-2

Figures are logged and written to OUT/figures.json.

The two heads exist only here; the encoder's hidden states are what the transformer listens to. The
clips' own speech is not in the training, or its few utterances would be known by heart. Stage 1
would learn from features that are surer than a visitor's will ever be.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError, command
from flashtalk.models.tiny.speech_encoder import SpeechEncoder
from flashtalk.weights import load_weights
from lab.options import read_options, require_at_least
from lab.synthesis.curves import MOUTH_CURVES
from lab.synthesis.voices.augment import augment
from lab.synthesis.voices.phones import CLASS_INDEX, PHONE_CLASSES, SILENCE
from lab.training.data.labeled_speech import LabeledSpeech
from lab.training.loop import (
    device_of,
    has_checkpoint,
    load_average,
    load_part,
    prefetched,
    read_checkpoint,
    train,
)
from lab.training.losses.basic import correlation, curve_error, phone_error
from lab.training.options import Training, begin
from lab.training.tiny.networks import new_speech_encoder

log = logging.getLogger(__name__)

EVALUATE_EVERY = 500  # steps
LEAST_SPREAD = 0.02  # of a curve: one that hardly moves must not count without end
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


def report(model: SpeechPretraining, held_out: LabeledSpeech) -> dict[str, dict[str, float]]:
    """Figures of :func:`evaluate` on clean sound, and on sound as a visitor's microphone has it."""
    return {
        "clean": evaluate(model, held_out),
        "degraded": evaluate(model, held_out, np.random.default_rng(DEGRADED_SEED)),
    }


@torch.no_grad()
def evaluate(
    model: SpeechPretraining, held_out: LabeledSpeech, degrading: np.random.Generator | None = None
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
        kept = truth.std(dim=1) > LEAST_SPREAD
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


@dataclass(frozen=True, kw_only=True)
class SpeechTraining(Training):
    """Pre-train the speech encoder, or judge one."""

    data: tuple[Path, ...]
    """Corpora, as ``python -m lab.synthesis.corpus`` makes them, or clips."""
    check: tuple[Path, ...]
    """Corpora or clips whose held-out voices tell how good it is."""
    init: Path | None = None
    """Run whose encoder to start from."""
    judge: Path | None = None
    """Folder of weights whose encoder stays; only heads learn."""
    steps: int = 4000
    rate: float = 2e-3
    batch: int = 24
    """Windows of speech."""
    workers: int = 1
    """Threads that make batches; a GPU waits for one alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(1, self, "batch", "workers")
        if self.init and self.judge:
            raise ValueError("--init and --judge exclude each other: one learns, the other stays")


def starting_encoder(config: SpeechTraining) -> SpeechEncoder:
    """The encoder that ``config`` begins with; one to be judged is frozen."""
    encoder = new_speech_encoder()
    if config.init:
        load_part(config.init, "encoder", encoder).requires_grad_(True)
    if config.judge:
        load_weights(config.judge, TINY.name, {"speech_encoder": encoder})
        encoder.requires_grad_(False)
        _require_same_encoder(config.out, encoder)
    return encoder


def train_speech_encoder(config: SpeechTraining) -> None:
    """Train encoder and heads, or heads alone, and write figures of held-out speech."""
    device = begin(config)
    data = LabeledSpeech(config.data, held_out=False)
    held_out = LabeledSpeech(config.check, held_out=True)
    geometry = TINY.geometry
    encoder = starting_encoder(config)
    model = SpeechPretraining(encoder, len(PHONE_CLASSES), len(MOUTH_CURVES)).to(device)
    rng = np.random.default_rng(0)
    spread = torch.from_numpy(
        np.concatenate([item.mouth for item in data.items]).std(axis=0) + LEAST_SPREAD
    ).to(device)
    coming = prefetched(
        lambda: data.batch(config.batch, geometry.speech_window_frames, geometry, rng),
        config.workers,
    )

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        model.train()
        samples, phones, mouth = (each.to(device) for each in next(coming))
        _, logits, prediction = model(samples)
        phone_loss = phone_error(logits, phones)
        mouth_loss = curve_error(prediction, mouth, spread)
        figures = {"phones": phone_loss.item(), "mouth": mouth_loss.item()}
        if index % EVALUATE_EVERY == EVALUATE_EVERY - 1:
            log.info("held out: %s", report(model, held_out))
        return 0.5 * phone_loss + mouth_loss, figures

    train(model, step, config)
    load_average(config.out, model)
    figures = report(model, held_out)
    log.info("averaged, held out: %s", figures)
    (config.out / FIGURES).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    train_speech_encoder(read_options(SpeechTraining, arguments))


if __name__ == "__main__":
    sys.exit(main())
