"""Pre-training of the speech encoder on free labels: phones and mouth curves from audio alone.

    python -m flashtalk.training.speech --data runs/speech-data --check runs/clips --out runs/speech

The two heads exist only here; the encoder's hidden states are what the transformer listens to.
Speech of clips that Stage 1 learns from does not belong into this training: Stage 1 would learn
from features that are surer than a visitor's will ever be.

With ``--like RUN`` an encoder learns to say of degraded speech what that one says of clean speech,
in its language, so that a transformer which listens to that one understands this one, too.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import TINY
from flashtalk.errors import command
from flashtalk.models.speech_encoder import SpeechEncoder
from flashtalk.synthesis.curves import MOUTH_CURVES
from flashtalk.synthesis.phones import PHONE_CLASSES
from flashtalk.training.command import add_precision, begin, training_parser
from flashtalk.training.hearing import other_voices
from flashtalk.training.labelled_speech import LabelledSpeech
from flashtalk.training.loop import (
    LoopConfig,
    load_average,
    load_part,
    prefetched,
    read_checkpoint,
    train,
)
from flashtalk.training.losses import correlation
from flashtalk.training.precision import mixed_precision

log = logging.getLogger(__name__)

LIKE_WEIGHT = 0.5  # of the distance to the encoder of --like


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
        with torch.autocast("cpu", enabled=False):  # squares of samples span ten powers of ten
            log_mel = self.encoder.log_mel(samples)
        features = self.encoder.listen(other_voices(log_mel) if self.training else log_mel)
        return features, self.phones(features[:, :, -1]), self.mouth(features[:, :, -1])


def load_any_size(run: Path) -> SpeechEncoder:
    """The encoder of a run, which may be narrower or wider inside than the preset's is now."""
    dim = len(read_checkpoint(run)["average"]["encoder.stem.0.bias"])
    encoder = SpeechEncoder(replace(TINY.speech_encoder, dim=dim))
    return load_part(run, "encoder", encoder)


@torch.no_grad()
def evaluate(model: SpeechPretraining, held_out: LabelledSpeech) -> dict[str, float]:
    """Phone accuracy and correlations of all curves and of the opening on unseen items, clean."""
    model.eval()
    right = total = 0
    scores, openings = [], []
    opening = MOUTH_CURVES.index("opening")
    for item in held_out.items[:80]:
        _, logits, curves = model(torch.from_numpy(item.samples)[None])
        right += (logits[0].argmax(-1) == torch.from_numpy(item.phones)).sum().item()
        total += len(item.phones)
        truth = torch.from_numpy(item.mouth).T
        kept = truth.std(dim=1) > 0.02
        if kept.any():
            found = correlation(curves[0].T, truth)
            scores.append(found[kept].mean().item())
            openings.append(found[opening].item())
    return {
        "phone_accuracy": right / total,
        "curve_correlation": float(np.mean(scores)),
        "opening_correlation": float(np.mean(openings)),
    }


@command
def main() -> None:
    """Entry point."""
    parser = training_parser(__doc__.splitlines()[0], steps=4000, batch=24, rate=2e-3)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="corpora")
    parser.add_argument(
        "--check", type=Path, nargs="+", required=True, help="clips, whose held-out voices tell"
    )
    parser.add_argument("--init", type=Path, help="run whose encoder to start from")
    parser.add_argument("--like", type=Path, help="run whose encoder's features to speak in")
    add_precision(parser)
    arguments = begin(parser)

    data = LabelledSpeech(arguments.data, held_out=False)
    held_out = LabelledSpeech(arguments.check, held_out=True)
    geometry = TINY.geometry
    encoder = SpeechEncoder(TINY.speech_encoder)
    if arguments.init:
        load_part(arguments.init, "encoder", encoder).requires_grad_(True)
    like = load_any_size(arguments.like) if arguments.like else None
    model = SpeechPretraining(encoder, len(PHONE_CLASSES), len(MOUTH_CURVES))
    rng = np.random.default_rng(0)
    spread = torch.from_numpy(
        np.concatenate([item.mouth for item in data.items]).std(axis=0) + 0.02
    )
    coming = prefetched(
        lambda: data.batch(arguments.batch, geometry.speech_window_frames, geometry, rng)
    )

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        model.train()
        clean, samples, phones, mouth = next(coming)
        with mixed_precision(arguments.precision):
            features, logits, prediction = model(samples)
        features, logits, prediction = features.float(), logits.float(), prediction.float()
        phone_loss = F.cross_entropy(logits.flatten(0, 1), phones.flatten(), label_smoothing=0.05)
        mouth_loss = F.mse_loss(prediction / spread, mouth / spread)
        loss = 0.5 * phone_loss + mouth_loss
        figures = {"phones": phone_loss.item(), "mouth": mouth_loss.item()}
        if like is not None:
            with torch.no_grad():
                wanted = like(clean)
            unlike = F.mse_loss(features, wanted)
            loss = loss + LIKE_WEIGHT * unlike
            figures["unlike"] = unlike.item()
        if (index + 1) % 500 == 0:
            log.info("held out: %s", evaluate(model, held_out))
        return loss, figures

    train(
        model,
        step,
        LoopConfig(out=arguments.out, steps=arguments.steps, learning_rate=arguments.rate),
    )
    log.info("averaged, held out: %s", evaluate(load_average(arguments.out, model), held_out))


if __name__ == "__main__":
    sys.exit(main())
