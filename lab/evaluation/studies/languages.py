"""What lips are asked to do by voices of many languages, by songs, and by what is no voice.

    python -m lab.synthesis.corpus --held-out --minutes 5.34 --out runs/held-world --languages \\
        english spanish french italian portuguese hindi japanese mandarin
    python -m lab.evaluation.studies.languages --speech runs/held-world --out runs/languages.json

The lip gap is read from the codes that the transformer makes, chunk after chunk; no mouth is
painted. For each language it is compared with the opening that its phones imply. Then come songs of
m and held vowels, speech over music, and sounds without any voice. The range of a sound's gap (5th
to 95th percentile) is told as a share of the range of English speech.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flashtalk.assets import ASSETS
from flashtalk.conditions import Conditions, gather_conditions
from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError, command
from flashtalk.evaluation.series import CLOSED_GAP, match_lips
from flashtalk.inputs.portrait import portrait_for, to_tensor
from flashtalk.inputs.speech import load_speech
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.face_code import groups_of
from flashtalk.stream.chunk import sample
from flashtalk.stream.speech_buffer import SpeechBuffer
from flashtalk.weights import modules_of
from flashtalk.weights.checkpoint import find_checkpoint
from lab.options import read_options, set_up
from lab.synthesis.curves import LEAD_S, MOUTH_CURVES
from lab.synthesis.voices.casting import ENGLISH
from lab.synthesis.voices.other_sounds import OTHER_SOUNDS, music
from lab.synthesis.voices.phones import (
    CLASS_INDEX,
    FRAME_RATE_HZ,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
)
from lab.synthesis.voices.song import MURMUR_FRAMES, PAUSE_FRAMES, song
from lab.training.loop import load_part
from lab.training.tiny.asked_lips import people_at_rest, relative_gaps, windows_of
from lab.training.tiny.networks import new_speech_encoder

log = logging.getLogger(__name__)

SOUND_STREAM = 97  # keeps these random numbers apart from those of any training
SOUND_S, SOUNDS_OF_A_KIND = 8, 4
SONGS = (("aoe", 130.0), ("uia", 220.0), ("oae", 196.0))
NOTE_FRAMES = 50
SETTLING_FRAMES = 5  # of a held vowel, before and after which lips still move
MUSIC_BELOW_DB = 5.0
SPEECH_MARGIN_FRAMES = 2  # around a closure


@dataclass(frozen=True, eq=False)
class Item:
    """A piece of speech whose lips are known, F frames long."""

    language: str
    samples: np.ndarray
    """[640 F] float32."""
    opening: np.ndarray
    """[F] that the phones imply."""
    closures: tuple[int, ...]
    """Frames in the middle of a p, b or m."""

    @classmethod
    def of_corpus(cls, path: Path) -> Item:
        """An item of ``lab.synthesis.corpus``."""
        with np.load(path) as item:
            if "language" not in item:
                raise FlashTalkError(
                    f"{path} does not say its language, expected items of this version of "
                    "lab.synthesis.corpus. Make the folder again."
                )
            return cls(
                language=str(item["language"]),
                samples=item["audio"].astype(np.float32) / 32_768,
                opening=item["mouth"][:, MOUTH_CURVES.index("opening")].astype(np.float64),
                closures=tuple(_middles(item["phones"] == CLASS_INDEX["P"])),
            )


def _middles(flags: np.ndarray) -> Iterator[int]:
    """The middle of each run of ``flags`` [F], moved to where lips meet: they lead the sound."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        yield int((begin + end) / 2 - LEAD_S * FRAME_RATE_HZ)


@dataclass(frozen=True, eq=False)
class Listener:
    """A person at rest, and what makes them talk."""

    networks: Networks
    conditions: Conditions
    """Of one portrait."""
    seed: int = 0

    @torch.inference_mode()
    def gaps(self, sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The lip gaps that ``sounds`` [640 F] ask for, over the eyes' distance: [F] each.

        All are heard side by side, each by a person of its own. Codes of the last frames go on to
        the next chunk as they are, and not through pictures.
        """
        networks, geometry = self.networks, self.networks.preset.geometry
        scene, state = people_at_rest(networks, self.conditions, len(sounds), self.seed)
        heard = [
            SpeechBuffer(geometry.speech_window_samples, geometry.lookahead_samples) for _ in sounds
        ]
        for buffer, samples in zip(heard, sounds, strict=True):
            buffer.append(samples.astype(np.float32))
        found: list[Tensor] = []
        while any(buffer.pending_samples for buffer in heard):
            for buffer in heard:
                buffer.take(geometry.new_samples)
            windows = torch.from_numpy(np.stack([buffer.window for buffer in heard]))
            features = networks.speech_encoder(windows)
            latents = sample(scene, state, windows_of(networks, features))
            codes = PortraitAutoencoder.codes_of(latents, 0)  # [B, 33, D, h, w]
            last = groups_of(codes[:, -geometry.motion_frames :]).flatten(2, 3).transpose(1, 2)
            state = replace(state, motion_latents=last, chunk_index=state.chunk_index + 1)
            found.append(relative_gaps(codes[:, geometry.motion_frames :], self.conditions))
        gaps = torch.cat(found, dim=1).numpy()
        return [
            gap[: len(samples) // geometry.samples_per_frame]
            for gap, samples in zip(gaps, sounds, strict=True)
        ]


def spread(gaps: np.ndarray) -> float:
    """5th to 95th percentile."""
    low, high = np.percentile(gaps, (5, 95))
    return float(high - low)


# --- the questions --------------------------------------------------------------------------------
def judge_speech(gaps: Sequence[np.ndarray], items: Sequence[Item]) -> dict[str, float]:
    """Figures of the ``items`` of one language."""
    found = [match_lips(gap, item.opening) for gap, item in zip(gaps, items, strict=True)]
    closed = [
        gap[max(at - 1, 0) : at + 2].min() < CLOSED_GAP
        for gap, item in zip(gaps, items, strict=True)
        for at in item.closures
        if SPEECH_MARGIN_FRAMES <= at < len(gap) - SPEECH_MARGIN_FRAMES
    ]
    return {
        "correlation": float(np.mean([lips.correlation for lips in found])),
        "lag_frames": float(np.mean([lips.lag_frames for lips in found])),
        "closures": float(np.mean(closed)) if closed else float("nan"),
        "range": float(np.mean([spread(gap) for gap in gaps])),
    }


def judge_songs(listener: Listener) -> dict[str, float]:
    """How lips shut at each sung m, and stay open through each held vowel."""
    shut, open_ = [], []
    songs = [song(vowels, note_hz, NOTE_FRAMES) for vowels, note_hz in SONGS]
    for (vowels, _), gaps in zip(SONGS, listener.gaps(songs), strict=True):
        for number, vowel in enumerate(vowels):
            begin = PAUSE_FRAMES + number * (MURMUR_FRAMES + NOTE_FRAMES)
            shut.append(gaps[begin : begin + MURMUR_FRAMES].min() < CLOSED_GAP)
            note = gaps[begin + MURMUR_FRAMES : begin + MURMUR_FRAMES + NOTE_FRAMES]
            held = note[SETTLING_FRAMES:-SETTLING_FRAMES]
            if vowel in "aoe":  # lips of u and i are nearly shut in speech, too
                open_.append(float((held > CLOSED_GAP).mean()))
    return {"m_shut": float(np.mean(shut)), "vowels_open": float(np.mean(open_))}


def judge_sounds(listener: Listener, full: float, files: Sequence[Path]) -> dict[str, float]:
    """Range of the gap during sounds without a voice, as a share of ``full``."""
    shares: dict[str, float] = {}
    for kind, make in OTHER_SOUNDS.items():
        sounds = [
            make(np.random.default_rng((SOUND_STREAM, *kind.encode(), n)), SOUND_S * SAMPLE_RATE_HZ)
            for n in range(SOUNDS_OF_A_KIND)
        ]
        ranges = [spread(gaps) / full for gaps in listener.gaps(sounds)]
        shares[kind] = float(np.mean(ranges))
        shares[f"{kind}, most"] = float(np.max(ranges))
    for path in files:
        samples = load_speech(path).samples
        samples = samples[: len(samples) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME]
        (gaps,) = listener.gaps([samples])
        shares[path.stem] = spread(gaps) / full
        log.info("%s: %s", path.stem, " ".join(f"{gap:.2f}" for gap in gaps))
    return shares


def judge_over_music(listener: Listener, items: Sequence[Item]) -> dict[str, float]:
    """Figures of speech with music below it, against the lips of the speech alone."""
    mixed = []
    for number, item in enumerate(items):
        rng = np.random.default_rng((SOUND_STREAM, number))
        level = 10.0 ** (-MUSIC_BELOW_DB / 20.0) * item.samples.std()
        other = music(rng, len(item.samples))
        mixed.append(item.samples + level * other / other.std())
    return judge_speech(listener.gaps(mixed), items)


@dataclass(frozen=True, kw_only=True)
class LanguageStudy:
    """Judge the lips of many languages, of songs and of what is no voice."""

    speech: Path
    """Held-out items of all languages, from ``lab.synthesis.corpus``."""
    weights: str = TINY.name
    """A preset's name or a folder."""
    encoder: Path | None = None
    """A training whose speech encoder takes the place of that of the weights."""
    sounds: tuple[Path, ...] = ()
    """Further sounds without a voice."""
    portrait: Path = ASSETS / "portraits" / "ada.jpg"
    """Who speaks."""
    bare: bool = False
    """Without the gate, so that the encoder hears every sound."""
    out: Path = Path("runs/languages.json")
    """File for the figures."""
    threads: int | None = None
    """Threads of the processor."""


def listener_of(config: LanguageStudy) -> Listener:
    """The portrait and networks that ``config`` names."""
    networks = find_checkpoint(config.weights).load(torch.device("cpu"))
    networks = replace(networks, preset=networks.preset.with_size(networks.preset.network_size))
    encoder = modules_of(networks)["speech_encoder"]
    if config.bare:
        bare = new_speech_encoder()
        bare.load_state_dict(encoder.state_dict())
        encoder = bare
    if config.encoder:
        load_part(config.encoder, "encoder", encoder)
    networks = replace(networks, speech_encoder=encoder.eval())
    portrait = to_tensor(portrait_for(config.portrait, networks.preset).image)
    with torch.inference_mode():
        return Listener(networks, gather_conditions(networks, portrait))


def study(config: LanguageStudy) -> Mapping[str, object]:
    """All figures."""
    items = [Item.of_corpus(path) for path in sorted(config.speech.glob("[0-9]*.npz"))]
    by_language: dict[str, list[Item]] = {}
    for item in items:
        by_language.setdefault(item.language, []).append(item)
    if ENGLISH not in by_language:
        raise FlashTalkError(
            f"There is no English in {config.speech}, with which others are compared. Make it with "
            "python -m lab.synthesis.corpus --held-out --languages english ..."
        )
    listener = listener_of(config)
    figures: dict[str, dict[str, float]] = {}
    for language, spoken in by_language.items():
        gaps = listener.gaps([item.samples for item in spoken])
        figures[language] = judge_speech(gaps, spoken)
        log.info("%s: %s", language, figures[language])
    english = figures[ENGLISH]
    for found in figures.values():
        found["of_english"] = found["correlation"] / english["correlation"]
    report = {
        "speech": figures,
        "over_music": judge_over_music(listener, by_language[ENGLISH]),
        "songs": judge_songs(listener),
        "sounds": judge_sounds(listener, english["range"], config.sounds),
    }
    log.info("%s", json.dumps(report, indent=1))
    return report


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    config = read_options(LanguageStudy, arguments)
    set_up(config.threads)
    report = study(config)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    config.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
