"""Speech with phone and mouth labels, as the speech encoder's pre-training reads it.

Two kinds of folders are told apart by what their files hold. Items of ``python -m
lab.synthesis.corpus`` have sound alone. Rendered clips of ``python -m lab.synthesis`` have sound
and phones that cost nothing more. The mouth of a clip is computed anew from its phones. What was
rendered has an emotion and a person's habits on top, which cannot be heard.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from scipy.signal import resample
from torch import Tensor

from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from lab.synthesis.curves import loudness, mouth_curves, mouth_weights
from lab.synthesis.heads.identity import is_held_out
from lab.synthesis.voices.augment import augment
from lab.synthesis.voices.casting import ENGLISH, HELD_OUT_VOICES
from lab.synthesis.voices.phones import FRAME_RATE_HZ, Phone, phone_track

log = logging.getLogger(__name__)

HELD_OUT_ITEMS = 20  # every so-many-th item of a corpus, besides all with held-out voices
VOICE_RANGE = 0.2  # natural logarithm of how much faster and higher, or slower and lower


@dataclass(frozen=True, eq=False)
class SpeechItem:
    """A piece of speech. Letters: S samples, F = S / 640 video frames, K curves."""

    samples: np.ndarray
    """[S] float32 at 16 kHz."""
    phones: np.ndarray
    """[F] int64, index into ``PHONE_CLASSES``."""
    mouth: np.ndarray
    """[F, K] float32, ``MOUTH_CURVES``."""
    language: str = ENGLISH

    @classmethod
    def of_corpus(cls, path: Path) -> SpeechItem:
        """An item of ``lab.synthesis.corpus``."""
        with np.load(path) as item:
            return cls(
                item["audio"].astype(np.float32) / 32768,
                item["phones"].astype(np.int64),
                item["mouth"].astype(np.float32),
                str(item["language"]) if "language" in item else ENGLISH,
            )

    @classmethod
    def of_clip(cls, path: Path) -> SpeechItem:
        """The sound of the rendered clip whose labels are in ``path``."""
        samples, _ = soundfile.read(path.with_suffix(".wav"), dtype="float32")
        with np.load(path) as known:
            frames = len(known["landmarks"])
            spoken = zip(known["phones"].tolist(), known["phone_times"].tolist(), strict=True)
            phones = [Phone(name, *times) for name, times in spoken]
        mouth = mouth_curves(mouth_weights(phones, loudness(samples)))
        track = phone_track(phones, frames).astype(np.int64)
        return cls(samples, track, mouth[:frames].astype(np.float32))


def _is_held_out(path: Path, clip: bool) -> bool:
    """By number; a corpus of the voices that are kept for evaluation is held out as a whole."""
    number = int(path.stem)
    if clip:
        return is_held_out(number)
    if number % HELD_OUT_ITEMS == HELD_OUT_ITEMS - 1:
        return True
    with np.load(path) as item:
        kept = "held_out" in item and bool(item["held_out"])
        return kept or ("voice" in item and str(item["voice"]) in HELD_OUT_VOICES)


def vary(
    item: SpeechItem, frames: int, step: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A window of ``item`` in another voice, and the frames of the item that it shows.

    Pitch, formants and tempo all move, as with a larger or smaller mouth. Returns the samples
    [``frames`` * ``step``] float32 and [``frames``] int.
    """
    factor = math.exp(rng.uniform(-VOICE_RANGE, VOICE_RANGE))
    length = int(frames * min(factor, len(item.phones) / frames))
    start = rng.integers(0, len(item.phones) - length + 1)
    heard = resample(item.samples[start * step : (start + length) * step], frames * step)
    told = start + ((np.arange(frames) + 0.5) * length / frames).astype(int)
    return heard.astype(np.float32), told


class LabeledSpeech:
    """Items of several folders, whole in memory; either those trained on or those held out."""

    def __init__(self, folders: Sequence[Path], held_out: bool) -> None:
        self.items: list[SpeechItem] = []
        for path in (path for folder in folders for path in sorted(folder.glob("[0-9]*.npz"))):
            clip = path.with_suffix(".wav").exists()
            if _is_held_out(path, clip) == held_out:
                self.items.append(SpeechItem.of_clip(path) if clip else SpeechItem.of_corpus(path))
        if not self.items:
            raise FlashTalkError(
                f"There is no {'held-out ' if held_out else ''}speech in "
                f"{', '.join(map(str, folders))}. Make some with python -m lab.synthesis.corpus or "
                "lab.synthesis."
            )
        log.info(
            "%d items, %.0f s",
            len(self.items),
            sum(len(i.phones) for i in self.items) / FRAME_RATE_HZ,
        )

    def batch(
        self, size: int, frames: int, geometry: ChunkGeometry, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Augmented samples [B, S], phones [B, F], mouth [B, F, K] of random windows."""
        step = geometry.samples_per_frame
        drawn = []
        for _ in range(size):
            item = self.items[rng.integers(len(self.items))]
            heard, told = vary(item, frames, step, rng)
            heard = augment(heard, rng) if rng.random() < 0.9 else heard
            drawn.append((heard.astype(np.float32), item.phones[told], item.mouth[told]))
        samples, phones, mouth = zip(*drawn, strict=True)
        return (
            torch.from_numpy(np.stack(samples)),
            torch.from_numpy(np.stack(phones)),
            torch.from_numpy(np.stack(mouth)),
        )
