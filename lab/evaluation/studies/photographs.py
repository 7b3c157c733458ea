"""People of photographs say held-out sentences: films for an outside judge, figures, sheets.

    python -m lab.evaluation.studies.photographs PICTURE... --out runs/photographs \\
        [--count 40] [--described photos.csv] [--assets DIR]
    PYTHONPATH=. .judge/bin/python lab/evaluation/studies/outside_lips.py \\
        runs/photographs/talks --out runs/photographs/outside.json

Person n speaks with held-out voice n modulo 6, each of which has sentences that no training hears.
``talks/NAME.mp4`` is what a visitor downloads, and ``talks/NAME.json`` what its lips should do.
Lips are read by MediaPipe's 478 points: its 468 points, which the product has, see mouths of
photographs half as far open. A second start makes what is missing. With ``outside.json`` there, it
prints lips beside likeness and sharpness, by the kinds of people that ``--described`` tells.
A second table tells voices from faces: what all who speak with one voice do is the voice's.

``sheets/`` has a row for each person. After the portrait come four frames in which the sentence
asks for the widest mouths. Three in which it asks for shut ones follow.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tyro
from PIL import Image

from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError, command
from flashtalk.evaluation.figures import TalkMeasure, loudness_db
from flashtalk.evaluation.files import write_whole
from flashtalk.evaluation.series import correlation
from flashtalk.inputs.portrait import portrait_for
from flashtalk.models.tiny.confidence import MOUTH_HIDDEN
from flashtalk.outputs.film import pieces_of
from flashtalk.stream.piece import VideoPiece
from lab.evaluation.talks import Speech
from lab.evaluation.videos import heard, keep
from lab.options import read_options, require_at_least
from lab.synthesis.voices.casting import HELD_OUT_VOICES, held_out_reader
from lab.synthesis.voices.kokoro import speech_folder
from lab.synthesis.voices.phones import FRAME_RATE_HZ, SAMPLES_PER_FRAME
from lab.synthesis.voices.speech import open_studio, recite

KINDS: Mapping[str, tuple[str, ...]] = {
    "glasses": ("glasses",),
    "beard": ("beard", "goatee", "mustache", "stubble", "sideburns"),
    "hat": ("hat", "cap", "beanie", "fedora", "pandana", "crown", "headphones"),
    "hard light": ("light", "night", "hour"),
    "old": ("senior",),
    "turned": ("three-quarter", "sideways", "tilted", "looking down", "looking up"),
}
"""Words of a description that make a kind of people; everybody else is ``other``."""
HARDLY_OPEN = 0.06  # range of the lip gap over the distance of the eyes, as issue and table count
OPEN, SHUT = 4, 3  # frames of a sheet
TILE_PX = 192
ROWS = 8  # people on a sheet
STREAM = 97  # begins the seeds of who is drawn and what is said


@dataclass(frozen=True, kw_only=True)
class Photographs:
    """Let people of photographs say held-out sentences."""

    pictures: tyro.conf.Positional[tuple[Path, ...]]
    """Photographs with a face."""
    out: Path = Path("runs/photographs")
    """Folder of talks, figures and sheets."""
    count: int | None = None
    """So many of the pictures, drawn at random; all by default."""
    described: Path | None = None
    """CSV file whose columns ``file`` and ``described_as`` tell kinds of people."""
    seconds: float = 6.0
    """Length of a talk."""
    seed: int = 1
    """Of the talks, and of who is drawn."""
    assets: Path | None = None
    """Folder of :mod:`lab.synthesis.assets`, or what $FLASHTALK_SYNTHESIS_ASSETS names."""
    threads: int | None = None
    """Threads of the processor."""

    def __post_init__(self) -> None:
        require_at_least(1, self, "count")
        require_at_least(1.0, self, "seconds")

    @property
    def people(self) -> tuple[Path, ...]:
        """Who speaks, in the order in which voices are given to them."""
        if self.count is None or self.count >= len(self.pictures):
            return self.pictures
        order = np.random.default_rng((STREAM, self.seed)).permutation(len(self.pictures))
        return tuple(self.pictures[int(index)] for index in order[: self.count])

    def figures_of(self, picture: Path) -> Path:
        """Where the figures of a talk are kept."""
        return self.out / "figures" / f"{picture.stem}.json"


def sentences(config: Photographs) -> list[Speech]:
    """What the held-out voices say, one after another."""
    studio = open_studio(speech_folder(config.assets))
    frames = round(config.seconds * FRAME_RATE_HZ)
    spoken = []
    for number in range(min(len(HELD_OUT_VOICES), len(config.people))):
        rng = np.random.default_rng((STREAM, number))
        whole = recite(studio, held_out_reader(number), rng, config.seconds, long_pauses=False)
        samples = np.pad(whole.samples, (0, -len(whole.samples) % SAMPLES_PER_FRAME))
        spoken.append(Speech.whole(samples, whole.phones).within(0, frames))
    return spoken


def measured(
    pieces: Iterable[VideoPiece], measure: TalkMeasure, notices: list[str]
) -> Iterator[VideoPiece]:
    """The same pieces, seen by ``measure``; ``notices`` gathers what visitors are told."""
    for piece in pieces:
        measure.add(piece)
        notices += piece.notices
        yield piece


def make(engine: Engine, picture: Path, speech: Speech, config: Photographs) -> dict[str, object]:
    """The talk of ``picture``, its row of a sheet and its figures.

    Raises :class:`FlashTalkError` for a picture that the product refuses.
    """
    portrait = portrait_for(picture, engine.preset)
    session = engine.open(
        portrait,
        seed=config.seed,
        first_fragment_frames=engine.preset.first_fragment_frames,
    )
    measure = TalkMeasure(np.asarray(portrait.image), engine.preset.geometry)
    notices: list[str] = []
    pieces = measured(pieces_of(session, heard(speech)), measure, notices)
    path = config.out / "talks" / picture.stem
    frames = keep(path, pieces, speech, portrait.image.size)
    row = config.out / "rows" / f"{picture.stem}.png"
    row.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet_row(np.asarray(portrait.image), frames, speech)).save(row)
    loudness = loudness_db(speech.samples, SAMPLES_PER_FRAME)
    figures = measure.figures(loudness, real_time=np.nan, first_fragment_s=np.nan).row()
    known = {name: round(value, 4) for name, value in figures.items() if not np.isnan(value)}
    return {"notices": notices, **known}


def make_missing(config: Photographs) -> None:
    """Makes every talk whose figures are not there yet, and says so; nothing is loaded for none."""
    missing = [n for n, p in enumerate(config.people) if not config.figures_of(p).exists()]
    if not missing:
        return
    engine, spoken = Engine.from_pretrained(threads=config.threads), sentences(config)
    for number in missing:
        picture = config.people[number]
        try:
            found = make(engine, picture, spoken[number % len(spoken)], config)
        except FlashTalkError as error:
            sys.stdout.write(f"{picture.stem}: {error}\n")
            continue
        path = config.figures_of(picture)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, found)
        sys.stdout.write(f"{picture.stem}: {path.read_text().strip()}\n")
        sys.stdout.flush()


def sheet_row(portrait: np.ndarray, frames: np.ndarray, speech: Speech) -> np.ndarray:
    """``portrait`` and frames [F, H, W, 3], most open and most shut: one row of a sheet."""
    order = np.argsort(speech.expected_opening[: len(frames)], kind="stable")
    half = len(order) // 10 or 1  # spread over the tenth that is widest, or narrowest
    chosen = [*_spread(order[-half:], OPEN), *_spread(order[:half], SHUT)]
    tiles = [portrait, *(frames[index] for index in chosen)]
    size = (TILE_PX, TILE_PX)
    return np.concatenate([cv2.resize(t, size, interpolation=cv2.INTER_AREA) for t in tiles], 1)


def _spread(frames: np.ndarray, count: int) -> np.ndarray:
    """``count`` of these ``frames``, in time and as far from each other as may be."""
    ordered = np.sort(frames)
    return ordered[np.linspace(0, len(ordered) - 1, count).round().astype(int)]


def write_sheets(config: Photographs, names: Sequence[str]) -> None:
    """Rows of ``names`` below each other, some people on each sheet."""
    folder = config.out / "sheets"
    folder.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(names), ROWS):
        rows = [
            np.asarray(Image.open(config.out / "rows" / f"{name}.png"))
            for name in names[first : first + ROWS]
        ]
        Image.fromarray(np.concatenate(rows)).save(folder / f"{first // ROWS:02d}.jpg", quality=90)


def kinds_of(description: str) -> list[str]:
    """The :data:`KINDS` that ``description`` tells of, or ``other``."""
    found = [kind for kind, words in KINDS.items() if any(word in description for word in words)]
    return found or ["other"]


def descriptions(path: Path | None) -> dict[str, str]:
    """What a CSV file tells of each picture, by its stem."""
    if path is None:
        return {}
    with path.open(newline="") as file:
        return {Path(row["file"]).stem: row["described_as"] for row in csv.DictReader(file)}


def table(
    figures: Mapping[str, Mapping[str, Any]],
    outside: Mapping[str, Mapping[str, Any]],
    described: Mapping[str, str],
) -> str:
    """Means of all people and of each kind, in Markdown.

    Lips leave out the people whose visitors are told that no mouth moves.
    """
    groups: dict[str, list[str]] = {"all": list(figures)}
    for name in figures:
        for kind in kinds_of(described.get(name, "")) if described else ():
            groups.setdefault(kind, []).append(name)
    lines = [
        "| who | people | told | lips | lag | p b m closed | range | hardly open | likeness "
        "| sharpness |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, names in groups.items():
        told = [name for name in names if MOUTH_HIDDEN in figures[name]["notices"]]
        lips = [outside[name] for name in names if name in outside and name not in told]
        closures = sum(each["closures"] for each in lips)
        hardly = sum(each["gap_range"] < HARDLY_OPEN for each in lips)
        cells = [
            _mean([each["correlation"] for each in lips]),
            _median([each["lag_frames"] for each in lips]),
            f"{sum(each['closed'] for each in lips) / closures:.2f}" if closures else "",
            _mean([each["gap_range"] for each in lips]),
            f"{hardly} of {len(lips)}" if lips else "",
            *(
                _mean([figures[name][key] for name in names if key in figures[name]])
                for key in ("likeness", "sharpness")
            ),
        ]
        lines.append(f"| {kind} | {len(names)} | {len(told)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def alike(gaps: np.ndarray, opening: np.ndarray) -> tuple[float, float]:
    """Lips [P, F] of P people with one voice: (all together to ``opening`` [F], one to the others).

    Lips that everybody moves alike, and wrongly, are the fault of what is heard. Lips that one
    person moves unlike the others are the fault of the face. Both are correlations.
    """
    spread = gaps.std(axis=1, keepdims=True)
    standard = (gaps - gaps.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, np.inf)
    whole = standard.sum(axis=0)
    others = [correlation(one, whole - one) for one in standard]
    return correlation(whole, opening), float(np.nanmean(others))


def voices_table(config: Photographs, outside: Mapping[str, Mapping[str, Any]]) -> str:
    """How far lips are the voices', and how far the faces', in Markdown."""
    lines = ["| voice | people | all together | one against the others |", "|---|---|---|---|"]
    names = [picture.stem for picture in config.people]
    for number, voice in enumerate(HELD_OUT_VOICES):
        people = [name for name in names[number :: len(HELD_OUT_VOICES)] if name in outside]
        if len(people) < 2:
            continue
        wanted = json.loads((config.out / "talks" / f"{people[0]}.json").read_text())["opening"]
        gaps = np.array([outside[name]["gaps"][: len(wanted)] for name in people])
        together, other = alike(gaps, np.array(wanted))
        lines.append(f"| {voice} | {len(people)} | {together:.2f} | {other:.2f} |")
    return "\n".join(lines) + "\n"


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f}" if values else ""


def _median(values: Sequence[float]) -> str:
    return f"{np.median(values):.1f}" if values else ""


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    config = read_options(Photographs, arguments)
    make_missing(config)
    made: dict[str, dict[str, Any]] = {}
    for picture in config.people:
        path = config.figures_of(picture)
        if path.exists():
            made[picture.stem] = json.loads(path.read_text())
    write_sheets(config, list(made))
    judged = config.out / "outside.json"
    outside = {}
    if judged.exists():
        outside = json.loads(judged.read_text())["folders"]["talks"]["videos"]
    sys.stdout.write(table(made, outside, descriptions(config.described)))
    sys.stdout.write("\n" + voices_table(config, outside) if outside else "")


if __name__ == "__main__":
    sys.exit(main())
