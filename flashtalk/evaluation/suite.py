"""Many talks, made and measured: each portrait with each voice in each variant.

Every talk leaves ``NAME.mp4`` and ``NAME.json`` in one folder. Those that are there, made of the
same inputs and settings, are left as they are. So a suite that broke off goes on.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType

import numpy as np

from flashtalk import __version__
from flashtalk.config import Preset
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.figures import Figures, TalkMeasure, loudness_db
from flashtalk.evaluation.files import write_whole
from flashtalk.evaluation.variants import Variant
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.inputs.speech import Speech, load_speech
from flashtalk.inputs.wanted import AS_USUAL, Wanted
from flashtalk.outputs.credits import Credits
from flashtalk.outputs.film import Film, pieces_of
from flashtalk.provenance.credentials import Origin
from flashtalk.provenance.marking import Marking
from flashtalk.stream.contracts import TalkEngine
from flashtalk.stream.piece import VideoPiece


@dataclass(frozen=True)
class Trial:
    """One talk of a suite."""

    portrait: Path
    voice: Path
    variant: Variant
    seed: int
    wanted: Wanted = AS_USUAL
    """Of the portrait."""

    @property
    def name(self) -> str:
        """Of its files, without an ending."""
        return f"{self.portrait.stem}-{self.voice.stem}-{self.variant.slug}"


def trials_of(
    portraits: Sequence[Path],
    voices: Sequence[Path],
    variants: Sequence[Variant],
    seed: int,
    wanted: Mapping[Path, Wanted] = MappingProxyType({}),
) -> list[Trial]:
    """Each portrait with each voice in each variant; ``wanted`` says more about portraits.

    Raises:
        FlashTalkError: two of them would have files of one name.
    """
    trials = [
        Trial(portrait, voice, variant, seed, wanted.get(portrait, AS_USUAL))
        for portrait, voice, variant in product(portraits, voices, variants)
    ]
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
    series: dict[str, list[float | None]]
    """What each frame shows, by name, and the voice's ``loudness`` in dB; each [F], with None
    where it cannot be known."""
    new_frames: int
    """Frames of a chunk that are new: a border lies before every so many frames."""
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
    found.update(repr((trial.variant, trial.wanted)).encode())
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
    on_piece: Callable[[VideoPiece], None] = lambda piece: None,
) -> Result | None:
    """Reads the files of ``trial``, then :func:`make_talk`.

    Raises:
        FlashTalkError: for an input or a setting that cannot be used.
        OSError: a file cannot be written to its end.
    """
    wanted, framing = trial.wanted, trial.variant.framing
    portrait = portrait_for(
        trial.portrait,
        engine.preset,
        framing=framing,
        face=wanted.face,
        without_face=wanted.without_face,
        area=wanted.area,
    )
    speech = load_speech(trial.voice)
    return make_talk(
        engine, engine.preset, trial, portrait, speech, folder, stopped=stopped, on_piece=on_piece
    )


def make_talk(
    engine: TalkEngine,
    preset: Preset,
    trial: Trial,
    portrait: Portrait,
    speech: Speech,
    folder: Path,
    *,
    marking: Marking = Marking(),  # noqa: B008, it is frozen
    stopped: Callable[[], bool],
    on_piece: Callable[[VideoPiece], None],
) -> Result | None:
    """Makes and measures the talk of ``trial``; None if it was stopped before its end.

    What was made of one that broke off stays in ``NAME.part.mp4``. ``engine`` has the size that is
    wanted, as its ``preset`` says. ``on_piece`` hears of each piece of video; the next one is made
    once it returns.

    Raises:
        FlashTalkError: for a setting that cannot be used.
        OSError: a file cannot be written to its end.
    """
    variant, name = trial.variant, preset.name
    preset = preset.with_chunk(variant.chunk_frames)
    measure = TalkMeasure(np.asarray(portrait.image), preset.geometry)
    start_s, first_s, work_s = time.perf_counter(), math.nan, 0.0
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
    with _film(portrait, speech, part, trial, preset, marking) as film:
        for fragment in film.fragments(pieces_of(session, speech), stopped):
            if math.isnan(first_s):
                first_s = time.perf_counter() - start_s
            measure.add(fragment.piece)
            work_s += fragment.piece.compute_s + fragment.encode_s
            on_piece(fragment.piece)
    if not film.complete:
        return None
    result = _result(
        trial,
        measure,
        loudness_db(speech.samples, preset.geometry.samples_per_frame),
        new_frames=preset.geometry.new_frames,
        real_time=film.made_s / work_s,
        first_fragment_s=first_s,
        made_of=digest_of(trial, name),
    )
    part.replace(folder / f"{trial.name}.mp4")
    result.write(folder / f"{trial.name}.json")
    return result


def _film(
    portrait: Portrait,
    speech: Speech,
    file: Path,
    trial: Trial,
    preset: Preset,
    marking: Marking,
) -> Film:
    credits = Credits.of(
        trial.portrait,
        trial.voice,
        seed=trial.seed,
        steps=trial.variant.steps or preset.sampler.steps,
        preset=preset.name,
    )
    return Film(
        portrait.image.size,
        preset.geometry.fps,
        speech,
        file,
        metadata=credits.metadata,
        origin=Origin(preset.name),
        marking=marking,
    )


def _result(
    trial: Trial,
    measure: TalkMeasure,
    loudness: np.ndarray,
    *,
    new_frames: int,
    real_time: float,
    first_fragment_s: float,
    made_of: str,
) -> Result:
    series = {name: _listed(each, 4) for name, each in measure.series.items()}
    return Result(
        portrait=trial.portrait.name,
        voice=trial.voice.name,
        variant=trial.variant.name,
        seed=trial.seed,
        figures=measure.figures(loudness, real_time=real_time, first_fragment_s=first_fragment_s),
        timings=measure.timings,
        series=series | {"loudness": _listed(loudness, 1)},
        new_frames=new_frames,
        made_of=made_of,
    )


def _listed(series: np.ndarray, digits: int) -> list[float | None]:
    return [None if math.isnan(value) else round(value, digits) for value in series.tolist()]
