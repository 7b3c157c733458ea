"""How surely the watermark is found, and how rarely where there is none.

Each picture of a folder sways for a second as a head does. It goes through the product's encoder
and then through each attack. Without the watermark it is searched as it is, cut and compressed, and
for a pattern that nobody uses. The report holds every score, so rates follow for any threshold.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import gumbel_r
from tqdm import tqdm

from flashtalk.errors import command
from flashtalk.outputs.fragments import FragmentEncoder
from flashtalk.provenance.detection import THRESHOLD, find_watermark
from flashtalk.provenance.pattern import tile
from lab.evaluation.measures.attacks import ATTACKS, decoded
from lab.options import read_options

PICTURES = (".jpg", ".jpeg", ".png", ".webp")
SIDE_PX = 256


@dataclass(frozen=True, kw_only=True)
class WatermarkStudy:
    """Scores of marked and unmarked pictures."""

    pictures: tuple[Path, ...]
    """Folders of photographs or renders."""
    marked: int = 50
    """How many of them are marked and attacked; all are searched without a mark."""
    out: Path
    """JSON with every score; lines that are there already are not measured again."""


def swaying(picture: Image.Image, side_px: int = SIDE_PX, count: int = 28) -> np.ndarray:
    """A picture that moves a little from side to side: [F, side, side, 3] uint8."""
    still = picture.convert("RGB").resize((side_px + 8, side_px + 8))
    offsets = np.rint(4 + 3 * np.sin(np.arange(count) / 5)).astype(int)
    return np.stack([np.asarray(still)[at : at + side_px, at : at + side_px] for at in offsets])


def through_the_encoder(frames: np.ndarray, *, visible_mark: bool = False) -> np.ndarray:
    """What a viewer sees of ``frames`` [F, H, W, 3]."""
    encoder = FragmentEncoder(*frames.shape[2:0:-1], visible_mark=visible_mark)
    return decoded(encoder.encode(frames, np.zeros((1, 0), np.float32)) + encoder.finish())


def of_marked(picture: Image.Image) -> dict[str, float]:
    """The score after each attack."""
    shown = through_the_encoder(swaying(picture))
    return {name: _score(attack(shown).mean(axis=0)) for name, attack in ATTACKS.items()}


def of_unmarked(picture: Image.Image, number: int) -> dict[str, float]:
    """Scores of chance; ``number`` says how it is cut and which pattern is searched for."""
    plain = picture.convert("RGB")
    rng = np.random.default_rng(number)
    width, height = plain.size
    left, top, right, bottom = rng.uniform(0, 0.3, 4)
    part = plain.crop((left * width, top * height, (1 - right) * width, (1 - bottom) * height))
    part = part.resize([max(96, round(0.7 * side)) for side in part.size])
    file = BytesIO()
    part.save(file, "JPEG", quality=35)
    pixels = np.asarray(plain)
    return {
        "unmarked": _score(pixels),
        "unmarked, cut and compressed": _score(np.asarray(Image.open(file))),
        "another pattern": find_watermark([pixels], tile(1_000 + number)).score,
    }


def summary(scores: dict[str, list[float]]) -> Iterator[str]:
    """A row of a table for each kind of picture."""
    yield "| pictures | count | lowest | median | highest | found |"
    yield "|---|---|---|---|---|---|"
    for name, values in scores.items():
        found = sum(value >= THRESHOLD for value in values)
        low, middle, high = np.quantile(values, (0, 0.5, 1))
        yield f"| {name} | {len(values)} | {low:.1f} | {middle:.1f} | {high:.1f} | {found} |"
    chance = [value for name in ("unmarked", "another pattern") for value in scores.get(name, ())]
    if len(chance) > 1:
        beyond = gumbel_r.sf(THRESHOLD, *gumbel_r.fit(chance))
        yield f"\nChance beyond {THRESHOLD:g} by a Gumbel fit to {len(chance)} scores: {beyond:.1e}"


def _score(pixels: np.ndarray) -> float:
    return find_watermark([pixels]).score


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    options = read_options(WatermarkStudy, arguments)
    files = [file for folder in options.pictures for file in sorted(folder.rglob("*"))]
    files = [file for file in files if file.suffix.lower() in PICTURES]
    attacked = set(files[:: max(1, len(files) // max(1, options.marked))][: options.marked])
    done: dict[str, dict[str, float]] = {}
    if options.out.exists():
        done = dict(json.loads(line) for line in options.out.read_text().splitlines())
    with options.out.open("a") as out:
        for number, file in enumerate(tqdm(files, unit="picture")):
            if str(file) in done:
                continue
            picture = Image.open(file)
            found = of_unmarked(picture, number)
            if file in attacked:
                found |= of_marked(picture)
            done[str(file)] = found
            out.write(json.dumps([str(file), found]) + "\n")
            out.flush()
    scores: dict[str, list[float]] = {}
    for found in done.values():
        for name, value in found.items():
            scores.setdefault(name, []).append(value)
    sys.stdout.write("\n".join([*summary(scores), ""]))


if __name__ == "__main__":
    sys.exit(main())
