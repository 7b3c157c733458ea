"""People who speak in a whole picture: is the border of what moves seen, and what does it cost?

    python -m lab.evaluation.studies.whole_picture PICTURE... [--sheets FOLDER]

Each picture speaks with an example voice. The table has the border
(:mod:`lab.evaluation.measures.border`) and the seconds of work for a second of video: networks,
pictures, encoder. A sheet shows the part that moves, as it is and six times while it speaks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError, command
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.inputs.speech import load_speech
from flashtalk.outputs.fragments import FragmentEncoder
from flashtalk.stream.piece import VideoPiece
from lab.evaluation.measures.border import border_of
from lab.options import read_options

SHEET_PX = 420
_SHOWN = 6


@dataclass(frozen=True)
class Options:
    """The border of what moves in whole pictures, measured."""

    pictures: tyro.conf.Positional[tuple[Path, ...]]
    voice: Path = ASSETS / "voices" / "emma.flac"
    seconds: float = 4.0
    seed: int = 1
    threads: int = 2
    sheets: Path | None = None
    """Folder of what moves, as PNG."""


def row_of(portrait: Portrait, pieces: Sequence[VideoPiece]) -> str:
    """A row of the table."""
    still = portrait.still
    assert still is not None
    frames = np.concatenate([piece.frames for piece in pieces])
    border = border_of(frames, still)
    encoder = FragmentEncoder(*portrait.image.size)
    begin_s = time.perf_counter()
    for piece in pieces:
        encoder.encode(piece.frames, np.zeros((1, 0), np.float32))
    seconds = len(frames) / 25
    encode = (time.perf_counter() - begin_s) / seconds
    finish = sum(piece.timings["finish"] for piece in pieces) / seconds
    work = sum(sum(piece.timings.values()) for piece in pieces) / seconds - finish
    size = "{} x {}".format(*portrait.image.size)
    measured = f"{border.seam:.2f} | {border.motion:.2f} | {border.still:.0f}"
    return (
        f"{size} | {still.square.width_px} | {measured} | {work:.2f} | {finish:.2f} | {encode:.2f}"
    )


def write_sheet(path: Path, portrait: Portrait, frames: np.ndarray) -> None:
    """The square at rest, and in frames from first to last."""
    square = portrait.square
    assert square is not None
    margin = square.width_px // 6
    shown = [np.asarray(portrait.image), *frames[:: max(1, len(frames) // _SHOWN)]]
    tiles = [
        cv2.resize(
            picture[
                max(0, square.top_px - margin) : square.bottom_px + margin,
                max(0, square.left_px - margin) : square.right_px + margin,
            ],
            (SHEET_PX, SHEET_PX),
            interpolation=cv2.INTER_CUBIC,
        )
        for picture in shown
    ]
    Image.fromarray(np.concatenate(tiles, axis=1)).save(path)


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    options = read_options(Options, arguments)
    engine = Engine.from_pretrained(threads=options.threads, turn_threads=1)
    samples = load_speech(options.voice).samples[: round(16_000 * options.seconds)]
    sys.stdout.write(
        "| picture | size | part | seam | motion | outside | networks | pictures | encoder |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    for path in options.pictures:
        try:
            portrait = portrait_for(path, engine.preset, framing="picture")
        except FlashTalkError as error:
            sys.stdout.write(f"| {path.stem} | {error} |\n")
            continue
        session = engine.open(portrait, seed=options.seed, timed=True)
        pieces = [*session.push(samples), *session.flush()]
        sys.stdout.write(f"| {path.stem} | {row_of(portrait, pieces)} |\n")
        sys.stdout.flush()
        if options.sheets is not None:
            options.sheets.mkdir(parents=True, exist_ok=True)
            frames = np.concatenate([piece.frames for piece in pieces])
            write_sheet(options.sheets / f"{path.stem}.png", portrait, frames)
    return 0


if __name__ == "__main__":
    sys.exit(main())
