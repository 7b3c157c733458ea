"""The speech encoder learns other languages, songs, and what is no speech; English stays.

    python -m lab.synthesis.corpus --minutes 60 --out runs/world --languages \\
        english spanish french italian portuguese hindi japanese mandarin
    python -m lab.training.tiny.world_speech --data runs/world --out runs/world-speech

The transformer was trained on the features of the encoder that ships. So that encoder stays beside
the one that learns, and says what features should be (distillation):

* of the speech alone, whatever is mixed with it
* of silence, where nobody speaks
* of a short vowel, where a long one is sung

In other languages, in varied voices and in hummed songs it cannot say. There the phones and lips of
the speech are known. Phones are told by a head that has learned from the old features alone. Lips
are told by the transformer itself, which stays as it is: gradient flows through its first denoising
step.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.assets import ASSETS
from flashtalk.conditions import gather_conditions
from flashtalk.config import TINY
from flashtalk.errors import command
from flashtalk.evaluation.series import CLOSED_GAP
from flashtalk.inputs.portrait import portrait_for, to_tensor
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.speech_encoder import SpeechEncoder
from flashtalk.stream.chunk import sample
from flashtalk.weights import modules_of
from flashtalk.weights.checkpoint import find_checkpoint
from lab.options import TINY_WEIGHTS, read_options, require_at_least
from lab.synthesis.voices.phones import PHONE_CLASSES
from lab.training.data.labeled_speech import LabeledSpeech, SpeechItem
from lab.training.data.world_sounds import CLOSURE, OPENING, WorldBatch, WorldSounds
from lab.training.loop import load_part, prefetched, train
from lab.training.losses.basic import correlation, phone_error
from lab.training.options import Training, begin
from lab.training.tiny.asked_lips import people_at_rest, relative_gaps, windows_of
from lab.training.tiny.networks import new_speech_encoder

log = logging.getLogger(__name__)

SHUT, SHUT_GAP = 0.7, 0.03  # a closure from which on lips are asked to meet, and how near
SHUT_WEIGHT = 2.5  # of lips that are asked to meet: a p that stays open is seen at once
PARTED_GAP = 0.075  # what lips that are asked to part by more must show at the least
HEAD_ITERATIONS = 60
FIT_BATCHES = 6  # from which the scale of lips is taken
STARTING_FRAMES = 8  # of a chunk, in which lips come from the portrait's
PHONE_WEIGHT, LIP_WEIGHT = 0.15, 0.5
STILL_RANGE = 0.02  # spread of an opening below which no correlation is asked for


@dataclass(frozen=True, kw_only=True)
class WorldSpeechTraining(Training):
    """Teach the speech encoder other languages, songs, and what is no speech."""

    data: tuple[Path, ...]
    """Corpora of several languages, as ``python -m lab.synthesis.corpus`` makes them."""
    weights: Path = TINY_WEIGHTS
    """Folder of weights whose encoder is learned from, and whose transformer listens."""
    init: Path | None = None
    """Run of such a training to go on from, in place of the encoder of the weights."""
    portrait: Path = ASSETS / "portraits" / "ada.jpg"
    """Whose lips are asked to move."""
    steps: int = 2000
    rate: float = 3e-4
    batch: int = 16
    """Windows of sound."""
    spoken: int = 4
    """Windows of a batch that the transformer listens to."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(1, self, "batch", "spoken")


def fitted_head(teacher: SpeechEncoder, items: Sequence[SpeechItem]) -> nn.Linear:
    """A head that tells the phones of ``items`` from the features of ``teacher``, and stays."""
    with torch.no_grad():
        heard = [teacher(torch.from_numpy(item.samples)[None])[0, :, -1] for item in items]
    features = torch.cat(heard)
    phones = torch.cat([torch.from_numpy(item.phones) for item in items])
    head = nn.Linear(features.shape[1], len(PHONE_CLASSES))
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=HEAD_ITERATIONS)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = phone_error(head(features)[None], phones[None])
        loss.backward()
        return loss

    optimizer.step(closure)
    right = (head(features).argmax(dim=1) == phones).float().mean().item()
    log.info("the head tells %.3f of the phones that it learned from", right)
    return head.requires_grad_(False)


class Audience:
    """The transformer that ships, and how far it opens lips for an opening."""

    def __init__(self, networks: Networks, portrait: Tensor) -> None:
        self.networks = networks
        for module in modules_of(networks).values():
            module.requires_grad_(False)
        with torch.no_grad():
            self.conditions = gather_conditions(networks, portrait)
        geometry = networks.preset.geometry
        end = geometry.speech_window_frames - geometry.lookahead_frames
        self.frames = slice(end - geometry.chunk_frames + STARTING_FRAMES, end)
        """Frames of a window whose lips are judged."""
        self.scale, self.offset = 1.0, 0.0

    def gaps(self, features: Tensor, seed: int) -> Tensor:
        """Lips in ``frames`` of windows with these features [B, F, layers, width]: [B, f]."""
        scene, state = people_at_rest(self.networks, self.conditions, len(features), seed)
        latents = sample(scene, state, windows_of(self.networks, features), exit_step=0)
        codes = PortraitAutoencoder.codes_of(latents, STARTING_FRAMES)
        return relative_gaps(codes, self.conditions)

    @torch.no_grad()
    def fit(self, encoder: SpeechEncoder, batches: Sequence[WorldBatch]) -> None:
        """Takes the scale of lips from speech whose features are right."""
        known = [(b.model[b.trust >= 1.0], b.mouth[b.trust >= 1.0]) for b in batches]
        gaps = torch.cat([self.gaps(encoder(sound), 0) for sound, _ in known]).flatten()
        wanted = torch.cat([mouth[:, self.frames, OPENING] for _, mouth in known]).flatten()
        self.scale = float(gaps.std() / wanted.std())
        self.offset = float(gaps.mean() - self.scale * wanted.mean())

    def error(self, features: Tensor, mouth: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Loss of lips against mouth curves [B, F, K], and their correlation."""
        gaps = self.gaps(features, seed)
        wanted = mouth[:, self.frames, OPENING]
        moving = wanted.std(dim=1) > STILL_RANGE
        alike = correlation(gaps, wanted)[moving].sum() / moving.sum().clamp(min=1)
        target = (self.scale * wanted + self.offset).clamp(min=0.0)
        square = F.mse_loss(gaps, target) / (self.scale * wanted.std()).square().clamp(min=1e-4)
        shut = mouth[:, self.frames, CLOSURE] > SHUT
        ajar = (F.relu(gaps - SHUT_GAP) * shut).sum() / shut.sum().clamp(min=1) / CLOSED_GAP
        parted = target > PARTED_GAP
        tight = (F.relu(PARTED_GAP - gaps) * parted).sum() / parted.sum().clamp(min=1) / CLOSED_GAP
        return 1.0 - alike + 0.5 * square + SHUT_WEIGHT * ajar + tight, alike


def feature_error(features: Tensor, old: Tensor, batch: WorldBatch) -> Tensor:
    """Squared difference [B] of features [B, F, layers, width] to those that are right."""
    index = batch.source[:, :, None, None].expand_as(features)
    return (features - old.gather(1, index)).square().mean(dim=(1, 2, 3))


def train_world_speech(config: WorldSpeechTraining) -> None:
    """Train the encoder of ``config.weights`` on the speech of ``config.data``."""
    begin(config)
    networks = find_checkpoint(str(config.weights)).load(torch.device("cpu"))
    preset = networks.preset.with_size(networks.preset.network_size)
    student, teacher = new_speech_encoder(), new_speech_encoder()
    for encoder in (student, teacher):
        encoder.load_state_dict(modules_of(networks)["speech_encoder"].state_dict())
    teacher.eval().requires_grad_(False)
    if config.init:
        load_part(config.init, "encoder", student).requires_grad_(True)
    portrait = to_tensor(portrait_for(config.portrait, preset).image)
    audience = Audience(replace(networks, preset=preset), portrait)
    sounds = WorldSounds(LabeledSpeech(config.data, held_out=False), TINY.geometry)
    rng = np.random.default_rng(0)
    audience.fit(teacher, [sounds.draw(config.batch, rng) for _ in range(FIT_BATCHES)])
    head = fitted_head(teacher, sounds.english)
    model = nn.ModuleDict({"encoder": student})
    coming = prefetched(lambda: sounds.draw(config.batch, rng))

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        batch = next(coming)
        with torch.no_grad():
            old = teacher(batch.model)
        features = student(batch.heard)
        errors = feature_error(features, old, batch)
        known = torch.nonzero(batch.labeled)[:, 0]
        phones = phone_error(head(features[known, :, -1]), batch.phones[known])
        asked = known[: config.spoken]
        lips, alike = audience.error(features[asked], batch.mouth[asked], index)
        loss = (batch.trust * errors).mean() + PHONE_WEIGHT * phones + LIP_WEIGHT * lips
        figures = {
            "features": errors[batch.trust >= 1.0].mean().item(),
            "phones": phones.item(),
            "lips": alike.item(),
        }
        return loss, figures

    train(model, step, config)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    train_world_speech(read_options(WorldSpeechTraining, arguments))


if __name__ == "__main__":
    sys.exit(main())
