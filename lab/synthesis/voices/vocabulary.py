"""Words for sentences that nobody wrote, so that no sound is learned with its sentence.

Words stand in any order beside any others. Below `casting`. The words are those of the aligner's
own dictionary whose pronunciation it shares with espeak-ng. That program turns text into phonemes
for Kokoro. Names and loan words on which the two disagree would be spoken in one way and aligned in
another.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from flashtalk.errors import FlashTalkError
from lab.synthesis.voices.kokoro import spoken_as_ipa, to_kokoro
from lab.synthesis.voices.phones import ARPABET, KOKORO
from lab.synthesis.voices.sentences import TRAINING_SENTENCES

CANDIDATES = 9000
VOCABULARY_STREAM = 61  # keeps these random numbers apart from all others
SPELLING = re.compile(r"[a-z]{2,9}")
WORDS = (4, 10)  # fewest, most words of a sentence
COMMON = tuple(
    sorted({word for text in TRAINING_SENTENCES for word in re.findall("[a-z]+", text.lower())})
)
COMMON_ODDS = 0.5
REDUCED = {"IH": "AH", "UH": "AH"}  # unstressed vowels on which dictionaries differ


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """Some thousands of words; takes a second."""
    pronounced = _dictionary()
    rng = np.random.default_rng(VOCABULARY_STREAM)
    words = sorted(pronounced)
    words = [words[int(index)] for index in rng.choice(len(words), CANDIDATES, replace=False)]
    spoken = _espeak(words)
    return tuple(
        word
        for word, symbols in zip(words, spoken, strict=True)
        if _classes(symbols, KOKORO) == _classes(pronounced[word], ARPABET)
    )


def invent_sentence(rng: np.random.Generator) -> str:
    """Words at random, common ones and others, with some commas and a mark at the end."""
    count = int(rng.integers(WORDS[0], WORDS[1] + 1))
    sources = (COMMON if rng.random() < COMMON_ODDS else vocabulary() for _ in range(count))
    chosen = [words[int(rng.integers(len(words)))] for words in sources]
    for index in range(1, count - 1):
        if rng.random() < 0.12:
            chosen[index] += ","
    text = " ".join(chosen)
    return text[0].upper() + text[1:] + ("?" if rng.random() < 0.2 else ".")


def _dictionary() -> dict[str, list[str]]:
    """Words with one pronunciation of the aligner's dictionary, in ARPABET."""
    try:
        from pocketsphinx import get_model_path
    except ImportError as error:
        raise FlashTalkError(
            "Sentences are made of the words of the package pocketsphinx; "
            "install it with: pip install pocketsphinx==5.1.1"
        ) from error
    found: dict[str, list[str]] = {}
    path = Path(get_model_path()) / "en-us" / "cmudict-en-us.dict"
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *phones = line.split()
        if SPELLING.fullmatch(word):
            found[word] = phones
        elif word.endswith("(2)"):  # several ways to say it
            found.pop(word.removesuffix("(2)"), None)
    return found


def _espeak(words: list[str]) -> list[list[str]]:
    """Kokoro's symbols of each word, as espeak-ng says it alone."""
    lines = spoken_as_ipa("".join(f"{word}.\n" for word in words), "en-us").strip().splitlines()
    if len(lines) != len(words):
        raise FlashTalkError(
            f"espeak-ng read {len(words)} words and answered with {len(lines)} lines; this version "
            "of espeak-ng (espeak-ng --version) does not put each word on a line of its own."
        )
    return [list(to_kokoro(line, "en-us")) for line in lines]


def _classes(names: list[str], table: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The sound classes of phones; reduced vowels are one, and symbols without a sound none."""
    return [REDUCED.get(each, each) for name in names for each in table.get(name, ())]
