"""Talks to recordings of real people, whose words are known: do lips follow speech, too, that no
synthesizer made?

    python -m flashtalk.evaluation.recorded --recordings DIR --portraits PICTURE... --clips DIR \\
        --out docs/evaluation

DIR holds a folder for each speaker, with NAME.wav (or .flac, .mp3 ...) and its words in NAME.txt.
A speaker's recordings are joined and spoken by each portrait through the same session as any talk.
Words are aligned with the sound (``flashtalk.synthesis.alignment``), and what their phones ask of
the lips is compared with what the face reader sees. Recordings with words that the aligner does not
know, or that it cannot find, are left out, and said so. ``--clips`` are those that the reader's
scale comes from.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from flashtalk.config import TINY
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError, command
from flashtalk.evaluation.calibration import calibrate, for_calibration
from flashtalk.evaluation.reading import load_reader
from flashtalk.evaluation.run import Measured, Plan, run_talk
from flashtalk.evaluation.stretch import Judges
from flashtalk.evaluation.talks import Speech, Talk, clip_names, join, load_clip
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.inputs.speech import load_speech
from flashtalk.synthesis.alignment import AlignmentFailed, PhoneAligner, spoken_words
from flashtalk.synthesis.phones import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Phone
from flashtalk.weights.checkpoint import find_checkpoint

log = logging.getLogger(__name__)

REPORT = "recorded.json"
MARGIN_S = 0.2  # of silence around each recording: the aligner wants to begin and end with it
SHOWN = ("lip_correlation", "lag_frames", "closures", "open_vowels", "lip_range", "identity")


@dataclass(frozen=True, eq=False)
class Recording:
    """Something that a real person said."""

    samples: np.ndarray
    """[640 F] float32 at 16 kHz."""
    phones: tuple[Phone, ...]


@dataclass(frozen=True)
class Sitter:
    """Whoever is seen in a picture."""

    name: str
    portrait: Portrait


def speakers(folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """Recordings below ``folder`` and their words, by speaker.

    Raises :class:`FlashTalkError` if there is none, or a text without a recording.
    """
    found: dict[str, list[tuple[Path, str]]] = {}
    for text in sorted(folder.glob("*/*.txt")):
        sounds = [path for path in sorted(text.parent.glob(f"{text.stem}.*")) if path != text]
        if not sounds:
            raise FlashTalkError(f"{text} has no recording beside it; put {text.stem}.wav there.")
        found.setdefault(text.parent.name, []).append((sounds[0], text.read_text().strip()))
    if not found:
        raise FlashTalkError(
            f"There is no recording in {folder}; expected {folder}/SPEAKER/NAME.wav and its words "
            "in NAME.txt beside it."
        )
    return found


def align(aligner: PhoneAligner, path: Path, words: str) -> Recording:
    """The recording in ``path`` and its phones.

    Raises :class:`AlignmentFailed` if a word is unknown or the words are not found in the sound.
    """
    unknown = [word for word in spoken_words(words).split() if not aligner.knows(word)]
    if unknown:
        raise AlignmentFailed(f"The aligner does not know {', '.join(unknown)} in {path}.")
    margin = round(MARGIN_S * SAMPLE_RATE_HZ)
    samples = np.pad(load_speech(path).samples, margin)
    samples = np.pad(samples, (0, -len(samples) % SAMPLES_PER_FRAME))
    return Recording(samples, aligner.align(samples, words))


def talk_to(recordings: Sequence[Recording], sitter: Sitter, voice: str) -> tuple[Talk, Plan]:
    """All ``recordings``, once, and the plan that measures them as one stretch."""
    length_s = sum(len(recording.samples) for recording in recordings) / SAMPLE_RATE_HZ
    # with pauses it lasts longer than that: each of them comes once
    joined = join(recordings, np.random.default_rng(0), length_s)
    seconds = len(joined.samples) // SAMPLE_RATE_HZ
    # the session hears a little beyond what it draws
    samples = np.pad(joined.samples, (0, 2 * SAMPLE_RATE_HZ))
    talk = Talk(sitter, voice, Speech.whole(samples, joined.phones))
    return talk, Plan((seconds,), float(seconds))


def speak(
    engine: Engine,
    judges: Judges,
    spoken: dict[str, list[Recording]],
    sitters: Sequence[Sitter],
) -> Iterator[tuple[str, str, Measured]]:
    """Speaker, sitter and figures of every talk."""
    for voice, recordings in spoken.items():
        for sitter in sitters:
            talk, plan = talk_to(recordings, sitter, voice)
            (measured,) = run_talk(engine, judges, talk, 0, plan)
            yield voice, sitter.name, measured


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Talk to recordings of real people, and measure.")
    parser.add_argument("--recordings", type=Path, required=True, help="SPEAKER/NAME.wav and .txt")
    parser.add_argument("--portraits", type=Path, nargs="+", required=True)
    parser.add_argument("--clips", type=Path, required=True, help="made by flashtalk.synthesis")
    parser.add_argument("--weights", default=TINY.name, help="a preset's name or a folder")
    parser.add_argument("--reader", type=Path, default=Path("assets/flashtalk-tiny"))
    parser.add_argument("--out", type=Path, default=Path("docs/evaluation"))
    parser.add_argument("--threads", type=int)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if options.threads is not None:
        torch.set_num_threads(options.threads)

    wanted = speakers(options.recordings)
    engine = Engine(find_checkpoint(options.weights).load(torch.device("cpu")))
    sitters = [Sitter(path.stem, portrait_for(path, engine.preset)) for path in options.portraits]
    aligner = PhoneAligner()
    spoken: dict[str, list[Recording]] = {}
    for voice, files in wanted.items():
        for path, words in files:
            try:
                spoken.setdefault(voice, []).append(align(aligner, path, words))
            except AlignmentFailed as error:
                log.warning("left out: %s", error)
    if not spoken:
        raise FlashTalkError(f"No recording in {options.recordings} could be aligned; see above.")
    reader = load_reader(options.reader)
    clips = [load_clip(options.clips, name) for name in for_calibration(clip_names(options.clips))]
    judges = Judges(reader, calibration=calibrate(reader, clips))

    rows = []
    for voice, sitter, measured in speak(engine, judges, spoken, sitters):
        rows.append(
            {
                "speaker": voice,
                "portrait": sitter,
                "recordings": len(spoken[voice]),
                "seconds": measured.seconds,
                "figures": measured.figures,
            }
        )
        shown = ", ".join(f"{name} {measured.figures[name]:.2f}" for name in SHOWN)
        log.info("%s, %s, %d s: %s", voice, sitter, measured.seconds, shown)
    options.out.mkdir(parents=True, exist_ok=True)
    report = {"weights": str(options.weights), "talks": rows}
    (options.out / REPORT).write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
