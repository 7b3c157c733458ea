"""Batches for :mod:`lab.training.tiny.world_speech`: what is heard, and what it should sound like.

Each window is of one kind:

* ``clean``: English as it is; features stay what they are
* ``mixed``: speech under music, noise, knocks or in a room; features of the speech alone
* ``varied``: English by a smaller or a larger mouth; phones and lips are known, features are not
* ``foreign``: another language, half of it varied; phones and lips are known, features may move
* ``alone``: music, noise, breath or knocks; features of silence
* ``sung``: English whose vowels last for seconds; features of the vowels last as long
* ``hummed``: m and held vowels by no voice that speaks here; lips are known, features are not

Letters: B windows, S samples, F = S / 640 frames, K mouth curves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from lab.synthesis.curves import MOUTH_CURVES, loudness, mouth_curves, mouth_weights
from lab.synthesis.voices.augment import augment
from lab.synthesis.voices.casting import ENGLISH
from lab.synthesis.voices.other_sounds import OTHER_SOUNDS
from lab.synthesis.voices.phones import CLASS_INDEX, SAMPLE_RATE_HZ, VOWELS, phone_track
from lab.synthesis.voices.pitch import shift_pitch
from lab.synthesis.voices.song import melody
from lab.synthesis.voices.stretch import stretch
from lab.training.data.labeled_speech import LabeledSpeech, SpeechItem, vary

SHARES: Mapping[str, float] = {
    "clean": 0.2,
    "mixed": 0.2,
    "varied": 0.13,
    "foreign": 0.25,
    "alone": 0.04,
    "sung": 0.1,
    "hummed": 0.08,
}
CLEAN_TRUST = 1.0  # weight of the old features where they have to stay
VARIED_ODDS = 0.5  # of another language
FOREIGN_TRUST = 0.1  # weight of the old features in another language
POOL_SECONDS, POOL_OF_A_KIND = 8, 24  # other sounds, made once
RATIO_DB = (-3.0, 20.0)  # of speech over what is mixed with it
LEVEL_DB = (-20.0, 6.0)  # of what is heard alone
HELD_FRAMES = (10, 60)  # of a sung vowel
SUNG_ODDS = 0.6  # of a vowel
SUNG_SEMITONES = (-5.0, 7.0)
OPENING, CLOSURE = MOUTH_CURVES.index("opening"), MOUTH_CURVES.index("closure")
SUNG_OPENING, LIPS_MEET = 0.3, 0.1
VOWEL_INDEX = np.array([CLASS_INDEX[name] for name in VOWELS])


@dataclass(frozen=True)
class WorldBatch:
    """B windows of sound."""

    heard: Tensor
    """[B, S] what the encoder that learns hears."""
    model: Tensor
    """[B, S] what the encoder that stays hears."""
    source: Tensor
    """[B, F] the frame of ``model`` whose features are right."""
    trust: Tensor
    """[B] weight of those features; 1 or more where they are right."""
    labeled: Tensor
    """[B] bool: whether phones and lips are known."""
    phones: Tensor
    """[B, F] int64."""
    mouth: Tensor
    """[B, F, K] float32."""

    def to(self, device: torch.device) -> WorldBatch:
        """The same on another device."""
        return WorldBatch(*(getattr(self, field.name).to(device) for field in fields(self)))


class WorldSounds:
    """Speech of many languages in memory, and a pool of other sounds."""

    def __init__(self, speech: LabeledSpeech, geometry: ChunkGeometry, seed: int = 0) -> None:
        self.english = [item for item in speech.items if item.language == ENGLISH]
        self.foreign = [item for item in speech.items if item.language != ENGLISH]
        if not self.english or not self.foreign:
            raise FlashTalkError(
                f"Speech of the world needs English and other languages, got {len(self.english)} "
                f"items of English and {len(self.foreign)} others. Make them with python -m "
                "lab.synthesis.corpus --languages english spanish ..."
            )
        self.frames = geometry.speech_window_frames
        self.step = geometry.samples_per_frame
        rng = np.random.default_rng(seed)
        self.pool: list[np.ndarray] = [
            make(rng, POOL_SECONDS * SAMPLE_RATE_HZ)
            for make in OTHER_SOUNDS.values()
            for _ in range(POOL_OF_A_KIND)
        ]

    def draw(self, size: int, rng: np.random.Generator) -> WorldBatch:
        """``size`` windows, each of a kind drawn by ``SHARES``."""
        kinds = rng.choice(list(SHARES), size, p=list(SHARES.values()))
        rows = [getattr(self, f"_{kind}")(rng) for kind in kinds]
        heard, model, source, trust, labeled, phones, mouth = zip(*rows, strict=True)
        return WorldBatch(
            heard=torch.from_numpy(np.stack(heard)),
            model=torch.from_numpy(np.stack(model)),
            source=torch.from_numpy(np.stack(source)),
            trust=torch.tensor(trust, dtype=torch.float32),
            labeled=torch.tensor(labeled),
            phones=torch.from_numpy(np.stack(phones)),
            mouth=torch.from_numpy(np.stack(mouth)),
        )

    # --- the kinds ------------------------------------------------------------------------------
    def _clean(self, rng: np.random.Generator) -> tuple[object, ...]:
        samples, phones, mouth = self._window(self.english, rng)
        return samples, samples, self._in_order, CLEAN_TRUST, True, phones, mouth

    def _mixed(self, rng: np.random.Generator) -> tuple[object, ...]:
        foreign = rng.random() < 0.4
        samples, phones, mouth = self._window(self.foreign if foreign else self.english, rng)
        heard = samples
        if rng.random() < 0.7:
            other = self._other(rng)
            ratio = 10.0 ** (-rng.uniform(*RATIO_DB) / 20.0)
            heard = heard + ratio * samples.std() / (other.std() + 1e-6) * other
        if rng.random() < 0.5:
            heard = augment(heard.astype(np.float32), rng)
        trust = FOREIGN_TRUST if foreign else 1.0
        return heard.astype(np.float32), samples, self._in_order, trust, True, phones, mouth

    def _varied(self, rng: np.random.Generator) -> tuple[object, ...]:
        return self._by_another(self.english, rng)

    def _foreign(self, rng: np.random.Generator) -> tuple[object, ...]:
        if rng.random() < VARIED_ODDS:
            return self._by_another(self.foreign, rng)
        samples, phones, mouth = self._window(self.foreign, rng)
        heard = augment(samples, rng) if rng.random() < 0.4 else samples
        return heard, samples, self._in_order, FOREIGN_TRUST, True, phones, mouth

    def _alone(self, rng: np.random.Generator) -> tuple[object, ...]:
        heard = self._other(rng) * np.float32(10.0 ** (rng.uniform(*LEVEL_DB) / 20.0))
        item = self.english[0]
        phones = np.zeros(self.frames, np.int64)
        mouth = np.zeros((self.frames, item.mouth.shape[1]), np.float32)
        silence = np.zeros_like(heard)
        return np.clip(heard, -1, 1), silence, self._in_order, 1.0, False, phones, mouth

    def _sung(self, rng: np.random.Generator) -> tuple[object, ...]:
        samples, phones, mouth = self._window(self.english, rng)
        source = sung_frames(phones, rng)[: self.frames]
        shifted = shift_pitch(samples, rng.uniform(*SUNG_SEMITONES))
        frame = np.arange(self.frames * self.step) / self.step
        place = np.interp(frame, np.arange(len(source)) + 0.5, source + 0.5)
        heard = stretch(shifted, place * self.step)
        phones, mouth = phones[source], mouth[source]
        return heard, samples, source, 1.0, True, phones, opened(mouth, phones)

    def _hummed(self, rng: np.random.Generator) -> tuple[object, ...]:
        heard, told = melody(rng, self.frames)
        heard = heard[: self.frames * self.step] * np.float32(10.0 ** (rng.uniform(-12, 6) / 20))
        phones = phone_track(told, self.frames).astype(np.int64)
        mouth = mouth_curves(mouth_weights(told, loudness(heard)))[: self.frames]
        mouth = opened(mouth.astype(np.float32), phones)
        return np.clip(heard, -1, 1), heard, self._in_order, 0.0, True, phones, mouth

    # --- parts ----------------------------------------------------------------------------------
    @property
    def _in_order(self) -> np.ndarray:
        return np.arange(self.frames)

    def _window(
        self, items: Sequence[SpeechItem], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        item = items[int(rng.integers(len(items)))]
        start = int(rng.integers(0, len(item.phones) - self.frames + 1))
        frames = slice(start, start + self.frames)
        samples = item.samples[start * self.step : (start + self.frames) * self.step]
        loud = np.float32(10.0 ** (rng.uniform(-10.0, 6.0) / 20.0))
        return np.clip(loud * samples, -1, 1), item.phones[frames], item.mouth[frames]

    def _by_another(
        self, items: Sequence[SpeechItem], rng: np.random.Generator
    ) -> tuple[object, ...]:
        """A window whose pitch, formants and tempo all move; nobody knows its features."""
        item = items[int(rng.integers(len(items)))]
        heard, told = vary(item, self.frames, self.step, rng)
        heard = np.clip(augment(heard, rng) if rng.random() < 0.4 else heard, -1, 1)
        return heard, heard, self._in_order, 0.0, True, item.phones[told], item.mouth[told]

    def _other(self, rng: np.random.Generator) -> np.ndarray:
        sound = self.pool[int(rng.integers(len(self.pool)))]
        start = int(rng.integers(0, len(sound) - self.frames * self.step + 1))
        return sound[start : start + self.frames * self.step]


def opened(mouth: np.ndarray, phones: np.ndarray) -> np.ndarray:
    """Curves [F, K] of a song: a sung vowel opens lips as far as a spoken e, whichever it is."""
    held = np.isin(phones, VOWEL_INDEX) & (mouth[:, CLOSURE] < LIPS_MEET)
    raised = mouth.copy()
    raised[held, OPENING] = np.maximum(raised[held, OPENING], SUNG_OPENING)
    return raised


def sung_frames(phones: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each frame of a song the frame of speech [F] that it comes from: some vowels last."""
    vowel = np.isin(phones, VOWEL_INDEX)
    edges = np.flatnonzero(np.diff(phones)) + 1
    source: list[int] = []
    for begin, end in zip((0, *edges), (*edges, len(phones)), strict=True):
        length = end - begin
        if vowel[begin] and rng.random() < SUNG_ODDS:
            low, high = map(math.log, HELD_FRAMES)
            length = round(math.exp(rng.uniform(low, high)))
        source += list(np.linspace(begin, end - 1, length).round().astype(int))
    return np.array(source, np.int64)
