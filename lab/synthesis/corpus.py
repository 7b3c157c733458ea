"""Audio-only items for pre-training the speech encoder: sound, phones and mouth curves.

    python -m lab.synthesis.corpus --minutes 45 --out DIR --workers 2

Writes DIR/000000.npz, 000001.npz, ... of 8 to 12 s each with
    audio   int16 [S]      16 kHz, clean
    phones  uint8 [T]      index into PHONE_CLASSES at 25 fps, S = 640 T
    mouth   float16 [T, 6] MOUTH_CURVES at 25 fps, without emotion or personal habits
    voice   str            who speaks
Item n depends on n alone, files that exist are skipped, and three items in four are Kokoro's, at
0.3 s of one core per second; the rest come from flite and espeak-ng. Two thirds of the sentences
are invented, and no two items share one of those. The held-out voices never speak here unless
--held-out is given. LICENSES.md and options.json lie beside the items.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flashtalk.errors import command
from lab.synthesis.curves import loudness, mouth_curves, mouth_weights
from lab.synthesis.dataset import open_folder
from lab.synthesis.licenses import CORPUS
from lab.synthesis.voices.casting import cast_formant_reader, cast_reader
from lab.synthesis.voices.kokoro import speech_folder
from lab.synthesis.voices.phones import FRAME_RATE_HZ, phone_track
from lab.synthesis.voices.speech import check_voices, cut, open_studio, recite_around

SHORTEST_S, LONGEST_S = 8, 12
FORMANT_SHARE = 0.25
STREAM = 7001  # keeps the items' random numbers apart from those of rendered clips


@dataclass(frozen=True)
class CorpusItem:
    """One file to write: its number, folder, and the folder of the voices."""

    number: int
    out: Path
    assets: Path | None
    held_out: bool

    @property
    def path(self) -> Path:
        """Where the item lies."""
        return self.out / f"{self.number:06d}.npz"


def write_item(item: CorpusItem) -> None:
    """Speaks, measures and stores one item; does nothing where its file exists already."""
    if item.path.exists():
        return
    rng = np.random.default_rng((STREAM, item.number, int(item.held_out)))
    frames = int(rng.integers(SHORTEST_S * FRAME_RATE_HZ, LONGEST_S * FRAME_RATE_HZ + 1))
    formant = not item.held_out and rng.random() < FORMANT_SHARE
    reader = cast_formant_reader(rng) if formant else cast_reader(rng, item.held_out)
    studio = open_studio(speech_folder(item.assets))
    spoken, first = recite_around(studio, reader, rng, frames)
    weights = mouth_weights(spoken.phones, loudness(spoken.samples))
    heard = cut(spoken, first, frames)
    unfinished = item.path.with_suffix(f".{os.getpid()}.part")
    with unfinished.open("wb") as file:
        np.savez(
            file,
            audio=np.round(np.clip(heard.samples, -1.0, 1.0) * 32767).astype(np.int16),
            phones=phone_track(heard.phones, frames),
            mouth=mouth_curves(weights)[first : first + frames].astype(np.float16),
            voice=reader.speaker.name,
        )
    unfinished.replace(item.path)


def write_corpus(
    minutes: float, out: Path, workers: int, assets: Path | None, held_out: bool
) -> None:
    """Writes as many items as last `minutes` on average, over `workers` processes."""
    from tqdm import tqdm

    # a missing program or voice is reported once, before any worker starts
    check_voices(speech_folder(assets), formant=not held_out)
    open_folder(out, {"held_out": held_out}, CORPUS)
    count = round(minutes * 60 / (0.5 * (SHORTEST_S + LONGEST_S)))
    items = [CorpusItem(number, out, assets, held_out) for number in range(count)]
    if workers == 1:
        for item in tqdm(items, unit="item"):
            write_item(item)
        return
    with ProcessPoolExecutor(workers) as pool:
        for _ in tqdm(pool.map(write_item, items), total=count, unit="item"):
            pass


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line and writes the corpus."""
    parser = argparse.ArgumentParser(
        prog="python -m lab.synthesis.corpus", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--minutes", type=float, required=True, help="length of all items together")
    parser.add_argument("--out", type=Path, required=True, help="folder of the .npz files")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--assets", type=Path, help="default: $FLASHTALK_SYNTHESIS_ASSETS")
    parser.add_argument("--held-out", action="store_true", help="only voices kept for evaluation")
    options = parser.parse_args(arguments)
    if options.minutes <= 0 or options.workers < 1:
        parser.error("--minutes must be positive and --workers at least 1")
    write_corpus(options.minutes, options.out, options.workers, options.assets, options.held_out)


if __name__ == "__main__":
    sys.exit(main())
