"""Pre-training of the speech encoder on free labels: phones and mouth curves from audio alone.

    python -m flashtalk.training.speech --data runs/speech --out runs/speech-encoder

``--data`` is a folder made by ``python -m flashtalk.synthesis.speech``. The two heads exist only
here; the encoder's hidden states are what the transformer listens to.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import TINY
from flashtalk.geometry import ChunkGeometry
from flashtalk.models.speech_encoder import SpeechEncoder
from flashtalk.synthesis.augment import augment
from flashtalk.training.loop import LoopConfig, load_average, train
from flashtalk.training.losses import correlation

log = logging.getLogger(__name__)


class LabelledSpeech:
    """Items of the audio-only set, whole in memory: samples, phone classes, mouth curves."""

    def __init__(self, folder: Path, held_out: bool) -> None:
        paths = [p for p in sorted(folder.glob("*.npz")) if (int(p.stem) % 20 == 19) == held_out]
        self.items = []
        for path in paths:
            with np.load(path) as item:
                self.items.append((item["audio"], item["phones"].astype(np.int64), item["mouth"]))
        if not self.items:
            raise FileNotFoundError(
                f"no labelled speech in {folder}; make it with synthesis.speech"
            )

    def batch(
        self, size: int, frames: int, geometry: ChunkGeometry, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Augmented samples [B, S], phones [B, F], mouth [B, F, K] of random windows."""
        step = geometry.samples_per_frame
        sounds, phones, mouths = [], [], []
        for _ in range(size):
            audio, phone, mouth = self.items[rng.integers(len(self.items))]
            start = rng.integers(0, len(phone) - frames + 1)
            cut = audio[start * step : (start + frames) * step].astype(np.float32) / 32768
            sounds.append(augment(cut, rng) if rng.random() < 0.8 else cut)
            phones.append(phone[start : start + frames])
            mouths.append(mouth[start : start + frames].astype(np.float32))
        stack = [torch.from_numpy(np.stack(each)) for each in (sounds, phones, mouths)]
        return stack[0].float(), stack[1], stack[2]


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
    """Phone accuracy and mean curve correlation on unseen items, clean audio."""
    model.eval()
    right = total = 0
    scores = []
    for audio, phones, mouth in held_out.items[:60]:
        _, logits, curves = model(torch.from_numpy(audio.astype(np.float32) / 32768)[None])
        frames = min(len(phones), logits.shape[1])
        right += (logits[0, :frames].argmax(-1) == torch.from_numpy(phones[:frames])).sum().item()
        total += frames
        truth = torch.from_numpy(mouth[:frames].astype(np.float32)).T
        kept = truth.std(dim=1) > 0.02
        scores.append(correlation(curves[0, :frames].T, truth)[kept].mean().item())
    return {"phone_accuracy": right / total, "curve_correlation": float(np.nanmean(scores))}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    data, held_out = (LabelledSpeech(arguments.data, part) for part in (False, True))
    geometry = TINY.geometry
    classes = 1 + max(int(phones.max()) for _, phones, _ in data.items + held_out.items)
    curves = data.items[0][2].shape[1]
    model = SpeechPretraining(SpeechEncoder(TINY.speech_encoder), classes, curves)
    rng = np.random.default_rng(0)
    spread = torch.from_numpy(
        np.concatenate([mouth for _, _, mouth in data.items]).astype(np.float32).std(axis=0) + 0.02
    )

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        model.train()
        samples, phones, mouth = data.batch(
            arguments.batch, geometry.speech_window_frames, geometry, rng
        )
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
        LoopConfig(out=arguments.out, steps=arguments.steps, learning_rate=2e-3),
    )
    log.info("averaged, held out: %s", evaluate(load_average(arguments.out, model), held_out))


if __name__ == "__main__":
    main()
