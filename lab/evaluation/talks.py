"""Talks of an evaluation: held-out people, held-out voices, speech without end.

Reads what ``python -m lab.synthesis`` writes. Clips whose number ends in 9 have people, voices and
sentences that no training sees; nothing else is ever read here. A talk is one portrait and one
voice. The voice's clips are joined, shuffled anew in each round, until the talk is long enough. A
voice has few clips, or one, each of a few seconds, so sentences come back in a long talk. Faces,
which drift or not, do not know that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import av
import numpy as np
import soundfile
from PIL import Image

from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.face_track import FaceTrack
from lab.evaluation.measures.reading import track_of
from lab.synthesis.curves import MOUTH_CURVES, loudness, mouth_curves, mouth_weights
from lab.synthesis.heads.identity import is_held_out
from lab.synthesis.voices.phones import (
    FRAME_RATE_HZ,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
    Phone,
)

PAUSE_S = (0.12, 0.48)  # between two clips of a talk; whole frames
TALK_STREAM = 71  # keeps these random numbers apart from all others


@dataclass(frozen=True, eq=False)
class RenderedClip:
    """A clip of the clip factory and its truth. Letters: F frames, S = 640 F samples."""

    folder: Path
    name: str
    voice: str
    samples: np.ndarray
    """[S] float32 at 16 kHz."""
    phones: tuple[Phone, ...]
    track: FaceTrack
    """The renderer's landmarks."""
    turns: np.ndarray
    """[F, 3] yaw, pitch, roll in radians."""

    @cached_property
    def portrait(self) -> np.ndarray:
        """[H, W, 3] uint8: the same person at another moment."""
        return np.asarray(Image.open(self.folder / f"{self.name}.png").convert("RGB"))

    def frames(self) -> np.ndarray:
        """[F, H, W, 3] uint8, decoded anew."""
        with av.open(str(self.folder / f"{self.name}.mp4")) as container:
            pictures = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        return np.stack(pictures)[: len(self.track.points)]


def load_clip(folder: Path, name: str) -> RenderedClip:
    """Clip ``name`` of ``folder``; its large label maps are not read."""
    samples, rate_hz = soundfile.read(folder / f"{name}.wav", dtype="float32")
    if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
        raise FlashTalkError(
            f"{folder / name}.wav has {rate_hz} Hz and shape {samples.shape}, expected mono sound "
            f"at {SAMPLE_RATE_HZ} Hz. Render the clip again with python -m lab.synthesis."
        )
    with np.load(folder / f"{name}.npz") as known:
        names = tuple(known["landmark_names"].tolist())
        curve_names = known["curve_names"].tolist()
        columns = [curve_names.index(turn) for turn in ("yaw", "pitch", "roll")]
        landmarks = known["landmarks"]
        spoken = zip(known["phones"].tolist(), known["phone_times"].tolist(), strict=True)
        frames = min(len(landmarks), len(samples) // SAMPLES_PER_FRAME)
        return RenderedClip(
            folder=folder,
            name=name,
            voice=str(known["voice"]),
            samples=samples[: frames * SAMPLES_PER_FRAME],
            phones=tuple(Phone(sound, *times) for sound, times in spoken),
            track=track_of(landmarks[:frames], names),
            turns=known["curves"][:frames, columns].astype(np.float64),
        )


def clip_names(folder: Path, held_out: bool = True) -> list[str]:
    """Finished clips of ``folder``: those that nothing is trained on, or all others.

    Raises :class:`FlashTalkError` if there is none.
    """
    names = [path.stem for path in sorted(folder.glob("[0-9]*.npz"))]
    names = [name for name in names if is_held_out(int(name)) == held_out]
    if not names:
        kind = "whose number ends in 9 " if held_out else ""
        raise FlashTalkError(
            f"There is no finished clip {kind}in {folder}. Make some with python -m lab.synthesis."
        )
    return names


def load_held_out(folder: Path) -> list[RenderedClip]:
    """All finished clips of ``folder`` that nothing is trained on; raises as :func:`clip_names`."""
    return [load_clip(folder, name) for name in clip_names(folder)]


@dataclass(frozen=True, eq=False)
class Speech:
    """Speech, its phones and what they ask of the lips, F frames long."""

    samples: np.ndarray
    """[640 F] float32."""
    phones: tuple[Phone, ...]
    """Of a part, those that lie in it from beginning to end."""
    expected_opening: np.ndarray
    """[F] the lip opening that all phones imply, by the rules that the clips are made with."""

    @classmethod
    def whole(cls, samples: np.ndarray, phones: tuple[Phone, ...]) -> Speech:
        """Speech from its first sound to its last."""
        curves = mouth_curves(mouth_weights(phones, loudness(samples)))
        opening = curves[:, MOUTH_CURVES.index("opening")].astype(np.float64)
        return cls(samples, phones, opening)

    def within(self, start_frame: int, stop_frame: int) -> Speech:
        """The part between two frames.

        Its lips are expected to do what the whole asks there. From the part alone, they would be
        shut during phones that stick out of it.
        """
        start_s = start_frame * SAMPLES_PER_FRAME / SAMPLE_RATE_HZ
        stop_s = stop_frame * SAMPLES_PER_FRAME / SAMPLE_RATE_HZ
        inside = (p for p in self.phones if start_s <= p.start_s and p.end_s <= stop_s)
        return Speech(
            self.samples[start_frame * SAMPLES_PER_FRAME : stop_frame * SAMPLES_PER_FRAME],
            tuple(phone.shifted(-start_s) for phone in inside),
            self.expected_opening[start_frame:stop_frame],
        )


class Spoken(Protocol):
    """An utterance: [640 F] samples at 16 kHz and their phones."""

    @property
    def samples(self) -> np.ndarray:
        """[640 F] float32."""

    @property
    def phones(self) -> tuple[Phone, ...]:
        """In their order."""


@dataclass(frozen=True, eq=False)
class Talk:
    """A portrait and what it is to say."""

    person: RenderedClip
    voice: str
    clips: int
    """So many different ones are joined, again and again."""
    clips_s: float
    """Seconds of speech in them."""
    speech: Speech


def make_talk(clips: Sequence[RenderedClip], seed: int, seconds: float) -> Talk:
    """Talk ``seed``: a person, and at least ``seconds`` of one voice, not the person's own clip.

    A longer talk of the same seed begins with the shorter one. Raises :class:`FlashTalkError` if
    nobody else speaks in ``clips``.
    """
    order = np.random.default_rng((TALK_STREAM, 0)).permutation(len(clips))
    person = clips[int(order[seed % len(clips)])]
    others = [clip for clip in clips if clip.phones and clip is not person]
    voices = sorted({clip.voice for clip in others})
    if not voices:
        raise FlashTalkError(
            f"A talk needs two held-out clips, one for the person and one that speaks; got "
            f"{len(clips)} clips. Render more with python -m lab.synthesis."
        )
    voice = voices[seed % len(voices)]
    spoken = [clip for clip in others if clip.voice == voice]
    return Talk(
        person=person,
        voice=voice,
        clips=len(spoken),
        clips_s=sum(len(clip.samples) for clip in spoken) / SAMPLE_RATE_HZ,
        speech=join(spoken, np.random.default_rng((TALK_STREAM, 1, seed)), seconds),
    )


def join(clips: Sequence[Spoken], rng: np.random.Generator, seconds: float) -> Speech:
    """The speech of ``clips`` in random order, again and again, until it lasts ``seconds``."""
    pieces: list[np.ndarray] = []
    phones: list[Phone] = []
    length = 0  # samples
    shortest, longest = (round(pause_s * FRAME_RATE_HZ) for pause_s in PAUSE_S)
    while length < seconds * SAMPLE_RATE_HZ:
        for index in rng.permutation(len(clips)):
            clip = clips[int(index)]
            phones += [phone.shifted(length / SAMPLE_RATE_HZ) for phone in clip.phones]
            pause = rng.integers(shortest, longest)
            silence = np.zeros(int(pause) * SAMPLES_PER_FRAME, np.float32)
            pieces += [clip.samples, silence]
            length += len(clip.samples) + len(silence)
    return Speech.whole(np.concatenate(pieces), tuple(phones))
