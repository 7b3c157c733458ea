"""Many talks, made and measured: each portrait with each voice in each variant.

Every talk leaves ``NAME.mp4`` and ``NAME.json`` in one folder. Those that are there, made of the
same inputs and settings, are left as they are. So a suite that broke off goes on.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from flashtalk import __version__
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.figures import Figures, TalkMeasure, loudness_db
from flashtalk.evaluation.files import write_whole
from flashtalk.evaluation.variants import Variant
from flashtalk.inputs.portrait import portrait_for
from flashtalk.inputs.speech import load_speech
from flashtalk.outputs.film import Film, pieces_of
from flashtalk.provenance.credentials import Origin


@dataclass(frozen=True)
class Trial:
    """One talk of a suite."""

    portrait: Path
    voice: Path
    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """Of its files, without an ending."""
        return f"{self.portrait.stem}-{self.voice.stem}-{self.variant.slug}"


def trials_of(
    portraits: Sequence[Path], voices: Sequence[Path], variants: Sequence[Variant], seed: int
) -> list[Trial]:
    """Each portrait with each voice in each variant.

    Raises:
        FlashTalkError: two of them would have files of one name.
    """
    trials = [Trial(*each, seed) for each in product(portraits, voices, variants)]
    taken: dict[str, Trial] = {}
    for trial in trials:
        if taken.setdefault(trial.name.casefold(), trial) is not trial:
            raise FlashTalkError(
                f"Two inputs would both make {trial.name}.mp4. Rename {trial.portrait.name} or "
                f"{trial.voice.name}."
            )
    return trials


@dataclass(frozen=True)
class Result:
    """What a trial gave."""

    portrait: str
    voice: str
    variant: str
    seed: int
    figures: Figures
    timings: dict[str, float]
    """Mean seconds of a chunk by stage."""
    lip_gaps: list[float | None]
    """[F] over the distance of the eyes; None where no face is seen."""
    loudness_db: list[float]
    """[F] of the voice."""
    made_of: str
    """Digest of inputs and settings."""

    @property
    def name(self) -> str:
        """The trial's, without the variant."""
        return f"{Path(self.portrait).stem} · {Path(self.voice).stem}"

    def write(self, path: Path) -> None:
        """Writes JSON; a stop never leaves half a file."""
        content = asdict(self)
        content["figures"] = {
            name: None if math.isnan(value) else round(value, 5)
            for name, value in content["figures"].items()
        }
        write_whole(path, content)

    @classmethod
    def read(cls, path: Path) -> Result | None:
        """The result in ``path``; None if there is none, or another version wrote it."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            figures = {
                name: math.nan if value is None else value
                for name, value in content["figures"].items()
            }
            return cls(**content | {"figures": Figures(**figures)})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def digest_of(trial: Trial, preset: str) -> str:
    """Of all that decides what a trial's talk is."""
    found = hashlib.sha256(json.dumps([__version__, preset, trial.seed]).encode())
    found.update(repr(trial.variant).encode())
    for file in (trial.portrait, trial.voice):
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def result_there(trial: Trial, folder: Path, preset: str) -> Result | None:
    """The result of an earlier start, if film and figures are there and of the same inputs."""
    result = Result.read(folder / f"{trial.name}.json")
    if result is None or not (folder / f"{trial.name}.mp4").is_file():
        return None
    return result if result.made_of == digest_of(trial, preset) else None


def run_trial(
    engine: Engine,
    trial: Trial,
    folder: Path,
    *,
    stopped: Callable[[], bool] = lambda: False,
    on_video: Callable[[float], None] = lambda made_s: None,
) -> Result | None:
    """Makes and measures the talk of ``trial``; None if it was stopped before its end.

    What was made of one that broke off stays in ``NAME.part.mp4``.

    ``on_video`` hears of the seconds of video made so far.

    Raises:
        FlashTalkError: for an input or a setting that cannot be used.
        OSError: a file cannot be written to its end.
    """
    preset, variant = engine.preset.with_chunk(trial.variant.chunk_frames), trial.variant
    portrait = portrait_for(trial.portrait, preset, framing=variant.framing)
    speech = load_speech(trial.voice)
    measure = TalkMeasure(np.asarray(portrait.image), preset.geometry)
    start_s, first_s = time.perf_counter(), math.nan
    session = engine.open(
        portrait,
        seed=trial.seed,
        steps=variant.steps,
        color_strength=variant.color_match,
        chunk_frames=variant.chunk_frames,
        first_fragment_frames=preset.first_fragment_frames,
        timed=True,
    )
    part = folder / f"{trial.name}.part.mp4"
    origin = Origin(preset.name)
    with Film(portrait.image.size, preset.geometry.fps, speech, part, origin=origin) as film:
        for fragment in film.fragments(pieces_of(session, speech), stopped):
            if math.isnan(first_s):
                first_s = time.perf_counter() - start_s
            measure.add(fragment.piece)
            on_video(film.made_s)
    if not film.complete:
        return None
    loudness = loudness_db(speech.samples, preset.geometry.samples_per_frame)
    result = Result(
        portrait=trial.portrait.name,
        voice=trial.voice.name,
        variant=variant.name,
        seed=trial.seed,
        figures=measure.figures(loudness, real_time=film.real_time, first_fragment_s=first_s),
        timings=measure.timings,
        lip_gaps=[None if math.isnan(gap) else round(gap, 4) for gap in measure.lip_gaps.tolist()],
        loudness_db=[round(level, 1) for level in loudness.tolist()],
        made_of=digest_of(trial, engine.preset.name),
    )
    part.replace(folder / f"{trial.name}.mp4")
    result.write(folder / f"{trial.name}.json")
    return result
