"""Pre-training of the speech encoder on free labels: phones and mouth curves from audio alone.

    python -m flashtalk.training.speech --data runs/speech-data --check runs/clips --out runs/speech

The two heads exist only here; the encoder's hidden states are what the transformer listens to. The
clips' own speech is not in the training: its few utterances would be known by heart, and Stage 1
would learn from features that are surer than a visitor's will ever be.
"""

from __future__ import annotations

import logging
import sys
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
from flashtalk.training.command import begin, training_parser
from flashtalk.training.labelled_speech import LabelledSpeech
from flashtalk.training.loop import LoopConfig, load_average, load_part, prefetched, train
from flashtalk.training.losses import correlation

log = logging.getLogger(__name__)


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
    arguments = begin(parser)

    data = LabelledSpeech(arguments.data, held_out=False)
    held_out = LabelledSpeech(arguments.check, held_out=True)
    geometry = TINY.geometry
    encoder = SpeechEncoder(TINY.speech_encoder)
    if arguments.init:
        load_part(arguments.init, "encoder", encoder).requires_grad_(True)
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
        samples, phones, mouth = next(coming)
        _, logits, prediction = model(samples)
        phone_loss = F.cross_entropy(logits.flatten(0, 1), phones.flatten(), label_smoothing=0.05)
        mouth_loss = F.mse_loss(prediction / spread, mouth / spread)
        figures = {"phones": phone_loss.item(), "mouth": mouth_loss.item()}
        if (index + 1) % 500 == 0:
            log.info("held out: %s", evaluate(model, held_out))
        return 0.5 * phone_loss + mouth_loss, figures

    train(
        model,
        step,
        LoopConfig(out=arguments.out, steps=arguments.steps, learning_rate=arguments.rate),
    )
    log.info("averaged, held out: %s", evaluate(load_average(arguments.out, model), held_out))


if __name__ == "__main__":
    sys.exit(main())
