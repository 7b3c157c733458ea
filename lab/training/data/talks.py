"""Talks for the generator in Stage 2: portraits and speech, never video.

The generator is judged on what it makes itself. So a clip gives only a first picture and a voice.
Speech is joined from several clips until it lasts as long as the longest roll-out. It is heard as
in a live session. The window begins as silence and slides on by one chunk at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.nn import functional as F

from flashtalk.conditions import Conditions, gather_conditions
from flashtalk.conditions.loudness import LoudnessNormalizer
from flashtalk.config import Preset
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from flashtalk.models.networks import Networks
from lab.synthesis.heads.identity import is_held_out
from lab.synthesis.voices.augment import augment
from lab.training.data.chunks import windowed_features
from lab.training.data.clips import unpack
from lab.training.data.codec_dataset import change_colors
from lab.training.rollout import Talk

RECOLORED = 0.5
DEGRADED = 0.6  # share of talks that sound recorded
LONGEST_PAUSE_S = 0.6  # between two clips


@dataclass(frozen=True, eq=False)
class Person:
    """One clip, as far as Stage 2 looks at it."""

    pictures: np.ndarray
    """[F, H, W, 3] uint8: any moment may be a visitor's portrait."""
    samples: np.ndarray
    """[S] float32 at the model's rate."""


@dataclass(frozen=True)
class TalkSource:
    """Draws portraits and speech; the voice need not be the person's own."""

    people: Sequence[Person]
    geometry: ChunkGeometry

    def draw(self, size: int, chunks: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Portraits [size, 3, H, W] in [-1, 1] and samples [size, S] for ``chunks`` chunks."""
        portraits = torch.cat([self.portrait(rng) for _ in range(size)])
        sounds = np.stack([self.speech(chunks, rng) for _ in range(size)])
        return portraits, torch.from_numpy(sounds)

    def portrait(self, rng: np.random.Generator) -> Tensor:
        """[1, 3, H, W] in [-1, 1], scaled to cover the model's size and cut in the middle."""
        pictures = self._someone(rng).pictures
        picture = np.asarray(pictures[rng.integers(len(pictures))])
        if rng.random() < RECOLORED:
            picture = change_colors(picture[None], rng)[0]
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        shown = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None]
        return covering(shown.float() / 127.5 - 1.0, self.geometry)

    def speech(self, chunks: int, rng: np.random.Generator) -> np.ndarray:
        """[chunks * new_samples + lookahead_samples] float32."""
        count = chunks * self.geometry.new_samples + self.geometry.lookahead_samples
        first = self._someone(rng).samples
        pieces = [first[int(rng.integers(len(first) // 2)) :]]
        while sum(map(len, pieces)) < count:
            pause_s = rng.uniform(0.0, LONGEST_PAUSE_S)
            silence = np.zeros(int(pause_s * self.geometry.sample_rate_hz), np.float32)
            pieces += [silence, self._someone(rng).samples]
        sound = np.concatenate(pieces)[:count]
        if rng.random() < DEGRADED:
            sound = augment(sound, rng)
        return sound.astype(np.float32)

    def _someone(self, rng: np.random.Generator) -> Person:
        return self.people[int(rng.integers(len(self.people)))]


def load_people(folder: Path, sample_rate_hz: int) -> list[Person]:
    """All clips of ``folder``: pairs of NAME.mp4 and NAME.wav, held-out identities left out.

    Raises :class:`FlashTalkError` if there is none, or for sound of another rate.
    """
    people = []
    for sound in sorted(folder.glob("*.wav")):
        video = sound.with_suffix(".mp4")
        if not video.exists() or (sound.stem.isdigit() and is_held_out(int(sound.stem))):
            continue
        samples, rate_hz = soundfile.read(sound, dtype="float32")
        if rate_hz != sample_rate_hz or samples.ndim != 1:
            raise FlashTalkError(
                f"{sound} has {rate_hz} Hz and shape {samples.shape}, expected mono sound at "
                f"{sample_rate_hz} Hz. Convert it, for instance with ffmpeg -ac 1 -ar "
                f"{sample_rate_hz}."
            )
        people.append(Person(unpack(video), samples))
    if not people:
        raise FlashTalkError(
            f"There are no clips to train on in {folder} (pairs of NAME.mp4 and NAME.wav). Make "
            "some with python -m lab.synthesis."
        )
    return people


def covering(picture: Tensor, geometry: ChunkGeometry) -> Tensor:
    """Picture [1, 3, h, w] scaled to cover the geometry's size, the middle of it."""
    height, width = picture.shape[-2:]
    scale = max(geometry.height_px / height, geometry.width_px / width)
    if scale != 1.0:
        size = (math.ceil(height * scale - 1e-6), math.ceil(width * scale - 1e-6))
        picture = F.interpolate(picture, size, mode="bilinear", antialias=True)
        height, width = size
    top, left = (height - geometry.height_px) // 2, (width - geometry.width_px) // 2
    return picture[..., top : top + geometry.height_px, left : left + geometry.width_px]


def session_windows(samples: Tensor, geometry: ChunkGeometry) -> Tensor:
    """Speech windows of a live session, one for each chunk: [B, S] -> [B, K, speech window].

    S is K times ``new_samples`` and what the last chunk hears ahead.
    """
    window, step = geometry.speech_window_samples, geometry.new_samples
    heard = F.pad(samples, (window, 0))
    ends = range(window + step + geometry.lookahead_samples, heard.shape[1] + 1, step)
    return torch.stack([heard[:, end - window : end] for end in ends], dim=1)


@torch.no_grad()
def gather_talk(
    networks: Networks, portraits: Tensor, samples: Tensor, negative_prompt: str = ""
) -> Talk:
    """Portraits [B, 3, H, W] and samples [B, S] on the networks' device -> :class:`Talk`."""
    preset = networks.preset
    conditions, null_text = portrait_conditions(networks, portraits, negative_prompt)
    windows = leveled(session_windows(samples, preset.geometry), preset)
    # chunk by chunk, as a session does: a larger batch might round differently
    speech = [
        windowed_features(networks.speech_encoder, windows[:, index], preset)
        for index in range(windows.shape[1])
    ]
    return Talk(conditions=conditions, speech=torch.stack(speech, dim=1), null_text=null_text)


@torch.no_grad()
def portrait_conditions(
    networks: Networks, portraits: Tensor, negative_prompt: str
) -> tuple[Conditions, Tensor | None]:
    """Portraits [B, 3, H, W] -> their conditions and the negative prompt's states [B, L, text_dim].

    The latter are ``None`` for a model that reads no prompt.
    """
    preset = networks.preset
    texts: list[Tensor | None] = [None, None]
    if networks.text_encoder is not None:
        texts = [
            networks.text_encoder(prompt).expand(len(portraits), -1, -1)
            for prompt in (preset.prompt, negative_prompt)
        ]
    image = None if networks.image_encoder is None else networks.image_encoder(portraits)
    conditions = gather_conditions(networks, portraits, text=texts[0], image=image)
    return conditions, texts[1]


def leveled(windows: Tensor, preset: Preset) -> Tensor:
    """Windows [B, K, S] brought to the preset's loudness, if it asks for one."""
    if preset.speech_loudness_lufs is None:
        return windows
    leveled_talks = []
    for talk in windows.cpu().numpy():
        normalizer = LoudnessNormalizer(preset.speech_loudness_lufs, preset.geometry.sample_rate_hz)
        leveled_talks.append(np.stack([normalizer(window) for window in talk]))
    return torch.from_numpy(np.stack(leveled_talks)).to(windows.device)
