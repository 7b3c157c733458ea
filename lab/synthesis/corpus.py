"""Audio-only items for pre-training the speech encoder: sound, phones and mouth curves.

    python -m lab.synthesis.corpus --minutes 45 --out DIR --workers 2

Writes DIR/000000.npz, 000001.npz, ... of 8 to 12 s each with
    audio   int16 [S]      16 kHz, clean
    phones  uint8 [T]      index into PHONE_CLASSES at 25 fps, S = 640 T
    mouth   float16 [T, 6] MOUTH_CURVES at 25 fps, without emotion or personal habits
    voice   str            who speaks
    language str           what is spoken
    held_out bool          whether voice and sentences are kept for evaluation

Item n depends on n alone, and files that exist are skipped. Three items in four are Kokoro's, at
0.3 s of one core per second; --formant-share sets it. The rest come from flite and espeak-ng. Two
thirds of the English sentences are invented, and no two items share one of those. --languages asks
for others, in turns. The held-out voices never speak here unless --held-out is given. LICENSES.md
and options.json lie beside the items.
"""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from flashtalk.errors import command
from lab.options import read_options, require_at_least, require_shares
from lab.synthesis.curves import loudness, mouth_curves, mouth_weights
from lab.synthesis.dataset import open_folder
from lab.synthesis.licenses import CORPUS
from lab.synthesis.voices.casting import (
    ENGLISH,
    Reader,
    cast_foreign_reader,
    cast_formant_reader,
    cast_reader,
)
from lab.synthesis.voices.kokoro import speech_folder
from lab.synthesis.voices.languages import LANGUAGES
from lab.synthesis.voices.phones import FRAME_RATE_HZ, phone_track
from lab.synthesis.voices.speech import check_voices, cut, open_studio, recite_around

SHORTEST_S, LONGEST_S = 8, 12
FORMANT_SHARE = 0.25
STREAM = 7001  # keeps the items' random numbers apart from those of rendered clips


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Write speech with phones and mouth curves."""

    minutes: float
    """Length of all items together."""
    out: Path
    """Folder of the .npz files."""
    workers: int = 1
    """Processes."""
    assets: Path | None = None
    """Folder of :mod:`lab.synthesis.assets`, or what $FLASHTALK_SYNTHESIS_ASSETS names."""
    held_out: bool = False
    """Only voices that are kept for evaluation."""
    formant_share: float = FORMANT_SHARE
    """Share of the items that flite and espeak-ng speak, not Kokoro."""
    languages: tuple[str, ...] = (ENGLISH,)
    """What is spoken, each language in its turn."""

    def __post_init__(self) -> None:
        require_at_least(1, self, "workers")
        require_shares(self, "formant_share")
        if unknown := set(self.languages) - {ENGLISH, *LANGUAGES}:
            raise ValueError(f"languages: got {unknown}, expected some of {[ENGLISH, *LANGUAGES]}")
        if self.minutes <= 0:
            raise ValueError(f"minutes must be above 0, got {self.minutes:g}")

    @property
    def kept_options(self) -> dict[str, str | float]:
        """What every item of a folder has in common; whatever is usual is left out."""
        kept: dict[str, str | float] = {"held_out": self.held_out}
        if self.languages != (ENGLISH,):
            kept["languages"] = " ".join(self.languages)
        if self.formant_share != FORMANT_SHARE:
            kept["formant_share"] = self.formant_share
        return kept

    @property
    def items(self) -> int:
        """As many as last ``minutes`` on average."""
        return round(self.minutes * 60 / (0.5 * (SHORTEST_S + LONGEST_S)))


def write_item(config: Corpus, number: int) -> None:
    """Speaks, measures and stores one item; does nothing where its file exists already."""
    path = config.out / f"{number:06d}.npz"
    if path.exists():
        return
    rng = np.random.default_rng((STREAM, number, int(config.held_out)))
    frames = int(rng.integers(SHORTEST_S * FRAME_RATE_HZ, LONGEST_S * FRAME_RATE_HZ + 1))
    turn, place = divmod(number, len(config.languages))
    language = config.languages[place]
    reader = _cast(config, language, turn, rng)
    studio = open_studio(speech_folder(config.assets))
    spoken, first = recite_around(studio, reader, rng, frames)
    weights = mouth_weights(spoken.phones, loudness(spoken.samples))
    heard = cut(spoken, first, frames)
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    with unfinished.open("wb") as file:
        np.savez(
            file,
            audio=np.round(np.clip(heard.samples, -1.0, 1.0) * 32767).astype(np.int16),
            phones=phone_track(heard.phones, frames),
            mouth=mouth_curves(weights)[first : first + frames].astype(np.float16),
            voice=reader.speaker.name,
            language=language,
            held_out=config.held_out,
        )
    unfinished.replace(path)


def _cast(config: Corpus, language: str, turn: int, rng: np.random.Generator) -> Reader:
    """Who speaks in the item of this ``turn`` of its language."""
    formant = not config.held_out and rng.random() < config.formant_share
    if formant:
        return cast_formant_reader(rng, language)
    if language != ENGLISH:
        return cast_foreign_reader(rng, language, config.held_out, turn)
    return cast_reader(rng, config.held_out)


def write_corpus(config: Corpus) -> None:
    """Writes all items that are not there yet."""
    from tqdm import tqdm

    # a missing program or voice is reported once, before any worker starts
    check_voices(speech_folder(config.assets), formant=not config.held_out)
    open_folder(config.out, config.kept_options, CORPUS)
    write = partial(write_item, config)
    numbers = range(config.items)
    if config.workers == 1:
        for number in tqdm(numbers, unit="item"):
            write(number)
        return
    with ProcessPoolExecutor(config.workers) as pool:
        for _ in tqdm(pool.map(write, numbers), total=len(numbers), unit="item"):
            pass


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    write_corpus(read_options(Corpus, arguments))


if __name__ == "__main__":
    sys.exit(main())
