"""Speech of a given length: speaking and aligning sentences, joining them with pauses.

Sentences are spoken and aligned one by one and joined with gaps of known length.
"""

from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from lab.synthesis.voices.alignment import AlignmentFailed, PhoneAligner, check_aligner
from lab.synthesis.voices.casting import (
    ENGLISH,
    ENGLISH_VOICES,
    HELD_OUT_VOICES,
    OTHER_VOICES,
    Reader,
    Speaker,
)
from lab.synthesis.voices.formant_voices import Espeak, check_formant_voices, say_flite
from lab.synthesis.voices.kokoro import Kokoro, check_kokoro
from lab.synthesis.voices.phones import (
    FRAME_RATE_HZ,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
    SILENCE,
    Phone,
    Utterance,
)

LONG_PAUSE_ODDS = 0.4
MID_SPEECH_ODDS = 0.35
QUIET_END_ODDS = 0.3
SPOKEN_RMS = 0.08  # level of the speech, pauses left out
ONSET_S, RELEASE_S = 0.06, 0.14  # breath kept around a sentence


def check_voices(folder: Path, formant: bool = False) -> None:
    """FlashTalkError where the engines, or a voice that may be cast, are not all there.

    formant: flite and the library of espeak-ng speak, too.
    """
    check_kokoro(folder, (*ENGLISH_VOICES, *OTHER_VOICES, *HELD_OUT_VOICES))
    check_aligner()
    if formant:
        check_formant_voices()


class Studio:
    """The loaded engines of one process; each is loaded when it first speaks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kokoro: Kokoro | None = None
        self._espeak = (Espeak(), Espeak(ipa=True))
        self._aligner: PhoneAligner | None = None

    def say(self, speaker: Speaker, text: str) -> Utterance:
        """One sentence with a short breath on either side, and its phones."""
        if speaker.engine == "flite":
            return _trimmed(say_flite(text, speaker.voice, speaker.speed))
        if speaker.engine == "espeak":
            espeak = self._espeak[speaker.language != ENGLISH]
            return _trimmed(espeak.say(text, speaker.voice, speaker.speed, speaker.pitch))
        self._kokoro = self._kokoro or Kokoro(self._folder)
        self._aligner = self._aligner or PhoneAligner()
        style = self._kokoro.style(speaker.voice)
        if speaker.partner:
            partner = self._kokoro.style(speaker.partner)
            style = (1.0 - speaker.share) * style + speaker.share * partner
        style = style.astype(np.float32)
        if speaker.language != ENGLISH:
            spoken = self._kokoro.speak(text, style, speaker.speed)
            known = self._kokoro.known(text)
            align = partial(self._aligner.align_spelled, spelled=known)
        else:
            accent = "en-gb" if speaker.voice.startswith("b") else "en-us"
            spoken = self._kokoro.say(text, style, speaker.speed, accent)
            align = partial(self._aligner.align, text=text)
        with suppress(AlignmentFailed):  # then the model's own durations stay, 12 ms less exact
            spoken = Utterance(spoken.samples, align(spoken.samples))
        return _trimmed(spoken)


@lru_cache(maxsize=2)
def open_studio(folder: Path) -> Studio:
    """The studio of this process for `folder`; loading Kokoro takes a second, so it is kept."""
    return Studio(folder)


def recite_around(
    studio: Studio, reader: Reader, rng: np.random.Generator, frames: int
) -> tuple[Utterance, int]:
    """Speech for a clip of `frames` video frames, and the frame of it at which the clip begins.

    Two clips in three begin with a short silence, the others in mid-speech. Two in five contain
    pauses of 0.5 to 1.5 s; three in ten stop talking before their end.
    """
    seconds = frames / FRAME_RATE_HZ
    lead_s, skipped_s = float(rng.uniform(0.1, 0.7)), 0.0
    if rng.random() < MID_SPEECH_ODDS:
        lead_s, skipped_s = 0.0, float(rng.uniform(0.3, 2.0))
    quiet_s = float(rng.uniform(0.5, 2.0)) if rng.random() < QUIET_END_ODDS else 0.0
    wanted_s = max(seconds + skipped_s - lead_s - quiet_s, 0.5)
    spoken = recite(studio, reader, rng, wanted_s, rng.random() < LONG_PAUSE_ODDS)
    first = round(skipped_s * FRAME_RATE_HZ)
    lead = round(lead_s * SAMPLE_RATE_HZ)
    needed = max((first + frames) * SAMPLES_PER_FRAME, lead + len(spoken.samples))
    samples = np.zeros(-(-needed // SAMPLES_PER_FRAME) * SAMPLES_PER_FRAME, np.float32)
    samples[lead : lead + len(spoken.samples)] = spoken.samples
    moved = tuple(phone.shifted(lead / SAMPLE_RATE_HZ) for phone in spoken.phones)
    return Utterance(samples, moved), first


def recite(
    studio: Studio, reader: Reader, rng: np.random.Generator, seconds: float, long_pauses: bool
) -> Utterance:
    """Sentence after sentence until at least `seconds` are filled.

    long_pauses: the first gap lasts 0.5 to 1.5 s, later ones every other time; otherwise a gap
    lasts 0.1 to 0.4 s.
    """
    pieces: list[np.ndarray] = []
    phones: list[Phone] = []
    length = 0
    for number, text in enumerate(reader.stream(rng)):
        if length >= seconds * SAMPLE_RATE_HZ:
            break
        if number:
            long = long_pauses and (number == 1 or rng.random() < 0.5)
            gap_s = rng.uniform(0.5, 1.5) if long else rng.uniform(0.1, 0.4)
            gap = max(0, round((gap_s - ONSET_S - RELEASE_S) * SAMPLE_RATE_HZ))
            pieces.append(np.zeros(gap, np.float32))
            length += gap
        spoken = studio.say(reader.speaker, text)
        phones += [phone.shifted(length / SAMPLE_RATE_HZ) for phone in spoken.phones]
        pieces.append(spoken.samples)
        length += len(spoken.samples)
    return Utterance(np.concatenate(pieces), tuple(phones))


def cut(spoken: Utterance, first: int, frames: int) -> Utterance:
    """The `frames` video frames of `spoken` from frame `first` on; edges fade over 10 ms."""
    begin = first * SAMPLES_PER_FRAME
    samples = spoken.samples[begin : begin + frames * SAMPLES_PER_FRAME].copy()
    _fade_edges(samples, SAMPLE_RATE_HZ // 100)
    start_s, length_s = first / FRAME_RATE_HZ, frames / FRAME_RATE_HZ
    phones = [
        Phone(p.name, max(p.start_s - start_s, 0.0), min(p.end_s - start_s, length_s))
        for p in spoken.phones
        if p.end_s - start_s > 1e-3 and p.start_s - start_s < length_s - 1e-3
    ]
    return Utterance(samples, tuple(phones))


def _trimmed(spoken: Utterance) -> Utterance:
    """Speech at SPOKEN_RMS without its silent ends and silent phones."""
    sounding = [phone for phone in spoken.phones if phone.name != SILENCE]
    if not sounding:
        return Utterance(spoken.samples, ())
    first = max(0, int((sounding[0].start_s - ONSET_S) * SAMPLE_RATE_HZ))
    last = int((sounding[-1].end_s + RELEASE_S) * SAMPLE_RATE_HZ)
    samples = spoken.samples[first:last].astype(np.float32)
    _fade_edges(samples, SAMPLE_RATE_HZ // 50)
    loud = samples[np.abs(samples) > 0.1 * np.abs(samples).max()]
    gain = SPOKEN_RMS / (float(np.sqrt(np.mean(loud**2))) + 1e-6)
    gain = min(gain, 0.95 / (float(np.abs(samples).max()) + 1e-6))
    moved = tuple(phone.shifted(-first / SAMPLE_RATE_HZ) for phone in sounding)
    return Utterance(samples * np.float32(gain), moved)


def _fade_edges(samples: np.ndarray, length: int) -> None:
    """Fades both ends of [S] over `length` samples, in place."""
    fade = np.linspace(0.0, 1.0, length, dtype=np.float32)
    samples[:length] *= fade
    samples[-length:] *= fade[::-1]
