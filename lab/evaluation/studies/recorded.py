"""Talks to recordings of real people: do lips follow speech that no synthesizer made?

    python -m lab.evaluation.studies.recorded --recordings DIR --portraits PICTURE... --clips DIR \\
        --out runs/evaluation --videos runs/recorded

DIR holds a folder for each speaker, with NAME.wav (or .flac, .mp3 ...) and its words in NAME.txt. A
speaker's recordings are joined and spoken by each portrait through the same session as any talk.
Words are aligned with the sound (``lab.synthesis.voices.alignment``). What their phones ask of the
lips is compared with what the face reader sees. Recordings with words that the aligner does not
know, or that it cannot find, are left out, and said so. ``--clips`` are those that the reader's
scale comes from. With ``--videos`` each talk is kept as SPEAKER-PORTRAIT.mp4, beside what its lips
should do as SPEAKER-PORTRAIT.json, for ``lab/evaluation/studies/outside_lips.py``.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from flashtalk.config import TINY, Preset
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError, command
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.inputs.speech import load_speech
from flashtalk.weights.checkpoint import find_checkpoint
from lab.evaluation.measures.calibration import calibrate, for_calibration
from lab.evaluation.measures.reading import load_reader, read_faces
from lab.evaluation.segment import Judges, measure, reference_of
from lab.evaluation.talks import Speech, clip_names, join, load_clip
from lab.evaluation.videos import talk_to
from lab.options import TINY_WEIGHTS, read_options, set_up
from lab.synthesis.voices.alignment import AlignmentFailed, PhoneAligner, spoken_words
from lab.synthesis.voices.phones import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Utterance

log = logging.getLogger(__name__)

REPORT = "recorded.json"
MARGIN_S = 0.2  # of silence around each recording: the aligner wants to begin and end with it
SHOWN = ("lip_correlation", "lag_frames", "closures", "open_vowels", "lip_range", "identity")


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


def align(aligner: PhoneAligner, path: Path, words: str) -> Utterance:
    """The recording in ``path`` and its phones, whole frames long.

    Raises :class:`AlignmentFailed` if a word is unknown or the words are not found in the sound.
    """
    unknown = [word for word in spoken_words(words).split() if not aligner.knows(word)]
    if unknown:
        raise AlignmentFailed(f"The aligner does not know {', '.join(unknown)} in {path}.")
    margin = round(MARGIN_S * SAMPLE_RATE_HZ)
    samples = np.pad(load_speech(path).samples, margin)
    samples = np.pad(samples, (0, -len(samples) % SAMPLES_PER_FRAME))
    return Utterance(samples, aligner.align(samples, words))


def join_all(recordings: Sequence[Utterance]) -> Speech:
    """All ``recordings``, once, with pauses between them."""
    length_s = sum(recording.seconds for recording in recordings)
    return join(recordings, np.random.default_rng(0), length_s)  # longer than that with its pauses


def judge(
    judges: Judges, preset: Preset, portrait: Portrait, frames: np.ndarray, speech: Speech
) -> dict[str, float]:
    """Figures of ``frames`` [F, H, W, 3], all of a talk."""
    return measure(
        judges,
        reference_of(judges.reader, np.asarray(portrait.image)),
        frames,
        read_faces(judges.reader, frames),
        0,
        speech,
        preset.geometry.new_frames,
    )


@dataclass(frozen=True, kw_only=True)
class RecordedTalks:
    """Talk to recordings of real people, and measure."""

    recordings: Path
    """Folder of SPEAKER/NAME.wav and NAME.txt."""
    portraits: tuple[Path, ...]
    """Pictures of those who speak."""
    clips: Path
    """Folder of clips, as ``python -m lab.synthesis`` makes them."""
    weights: str = TINY.name
    """A preset's name or a folder."""
    reader: Path = TINY_WEIGHTS
    """Folder with the face reader that judges."""
    out: Path = Path("runs/evaluation")
    """Folder for the figures."""
    videos: Path | None = None
    """Folder for the talks themselves."""
    threads: int | None = None
    """Threads of the processor."""


def align_all(wanted: Mapping[str, Sequence[tuple[Path, str]]]) -> dict[str, list[Utterance]]:
    """Those of the ``wanted`` recordings that can be aligned, by speaker; others are logged.

    Raises :class:`FlashTalkError` if none is left.
    """
    aligner = PhoneAligner()
    spoken: dict[str, list[Utterance]] = {}
    for speaker, files in wanted.items():
        for path, words in files:
            try:
                spoken.setdefault(speaker, []).append(align(aligner, path, words))
            except AlignmentFailed as error:
                log.warning("left out: %s", error)
    if not spoken:
        raise FlashTalkError("None of the recordings could be aligned; see above.")
    return spoken


def measure_talks(config: RecordedTalks) -> list[dict[str, object]]:
    """Each speaker's recordings, spoken by each portrait: their figures."""
    wanted = speakers(config.recordings)
    networks = find_checkpoint(config.weights).load(torch.device("cpu"))
    preset = networks.preset.with_size(networks.preset.network_size)
    engine = Engine(replace(networks, preset=preset))
    portraits = {path.stem: portrait_for(path, engine.preset) for path in config.portraits}
    spoken = align_all(wanted)
    reader = load_reader(config.reader)
    names = for_calibration(clip_names(config.clips))
    clips = [load_clip(config.clips, name) for name in names]
    judges = Judges(reader, calibration=calibrate(reader, clips))
    talks: list[dict[str, object]] = []
    for speaker, recordings in spoken.items():
        speech = join_all(recordings)
        for name, portrait in portraits.items():
            video = config.videos and config.videos / f"{speaker}-{name}"
            frames = talk_to(engine, portrait, speech, video)
            figures = judge(judges, engine.preset, portrait, frames, speech)
            seconds = len(frames) / engine.preset.geometry.fps
            talk = {"speaker": speaker, "portrait": name, "recordings": len(recordings)}
            talks.append(talk | {"seconds": seconds, "figures": figures})
            shown = ", ".join(f"{figure} {figures[figure]:.2f}" for figure in SHOWN)
            log.info("%s, %s, %.0f s: %s", speaker, name, seconds, shown)
    return talks


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    config = read_options(RecordedTalks, arguments)
    set_up(config.threads)
    report = {"weights": config.weights, "talks": measure_talks(config)}
    config.out.mkdir(parents=True, exist_ok=True)
    (config.out / REPORT).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
