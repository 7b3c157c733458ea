"""Languages other than English: who speaks them, what is said, and sentences that nobody wrote.

Kokoro speaks any language that is spelled in its symbols, and espeak-ng spells it. Sentences of
ours lie in ``texts``; Mandarin is in pinyin there. Every fourth one is kept for evaluation. The
others teach a chain of three sounds, which invents words of the language without end. Words of two
languages hardly ever agree, and no sentence is heard twice. Below `casting`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from lab.synthesis.voices.kokoro import PINYIN, spoken_as_ipa, to_kokoro

TEXTS = Path(__file__).parent / "texts"
HELD_OUT_TEXTS = 4  # every so-many-th sentence
WORDS = (4, 10)  # fewest, most words of a sentence
SOUNDS = (2, 9)  # fewest, most symbols of a word
COMMA_ODDS = 0.12
SPLIT = re.compile(r"[\s,.?!、。।]+")
SHUFFLED_LETTERS = 40
END = ""  # of a word, in the chain


@dataclass(frozen=True)
class Language:
    """A language: how espeak-ng names it and which of Kokoro's voices learned it."""

    name: str
    accent: str
    """espeak-ng's name of it for phonemes."""
    espeak: str
    """espeak-ng's own voice."""
    held_out: tuple[str, ...]
    """Voices that no training hears in this language."""
    voices: tuple[str, ...] = ()
    """Voices that may speak in a training."""

    def __post_init__(self) -> None:
        if both := set(self.held_out) & set(self.voices):
            raise ValueError(f"{self.name}: {both} are held out and trained on, expected one of it")

    @property
    def texts(self) -> tuple[str, ...]:
        """All sentences in the language's own spelling."""
        lines = (TEXTS / f"{self.name}.txt").read_text(encoding="utf-8").splitlines()
        return tuple(line for line in lines if line)


LANGUAGES: Mapping[str, Language] = {
    language.name: language
    for language in (
        Language("spanish", "es", "roa/es", ("ef_dora", "em_alex"), ("em_santa",)),
        # there is one French voice; the other one learned English and has never been trained on
        Language("french", "fr-fr", "roa/fr", ("ff_siwis", "bf_emma")),
        Language("italian", "it", "roa/it", ("if_sara", "im_nicola")),
        Language("portuguese", "pt-br", "roa/pt-BR", ("pf_dora", "pm_alex"), ("pm_santa",)),
        Language("hindi", "hi", "inc/hi", ("hf_alpha", "hm_omega"), ("hf_beta", "hm_psi")),
        Language(
            "japanese",
            "ja",
            "jpx/ja",
            ("jf_alpha", "jm_kumo"),
            ("jf_gongitsune", "jf_nezumi", "jf_tebukuro"),
        ),
        Language(
            "mandarin",
            PINYIN,
            "sit/cmn-Latn-pinyin",
            ("zm_yunxi", "zf_xiaobei"),
            ("zf_xiaoni", "zf_xiaoxiao", "zf_xiaoyi", "zm_yunjian", "zm_yunxia", "zm_yunyang"),
        ),
    )
}
"""By name. Voices that are held out in one language may speak another with an accent."""


@lru_cache(maxsize=len(LANGUAGES))
def spelled_texts(name: str) -> tuple[str, ...]:
    """The sentences of a language in Kokoro's symbols, each with the mark at its end."""
    language = LANGUAGES[name]
    return tuple(
        to_kokoro(spoken_as_ipa(text, language.accent), language.accent)
        + ("?" if text.endswith("?") else ".")
        for text in language.texts
    )


def held_out_texts(name: str) -> tuple[str, ...]:
    """The sentences that are kept for evaluation, in Kokoro's symbols."""
    return spelled_texts(name)[::HELD_OUT_TEXTS]


@lru_cache(maxsize=len(LANGUAGES))
def chain(name: str) -> Mapping[tuple[str, str], Sequence[str]]:
    """What follows two symbols in the words of a language, as often as it does; ``END`` ends."""
    following: dict[tuple[str, str], list[str]] = {}
    for number, text in enumerate(spelled_texts(name)):
        if number % HELD_OUT_TEXTS == 0:
            continue
        for word in text[:-1].replace(",", " ").split():
            letters = (END, END, *word, END)
            for first, second, third in zip(letters, letters[1:], letters[2:], strict=False):
                following.setdefault((first, second), []).append(third)
    return following


def shuffled_words(name: str, rng: np.random.Generator) -> str:
    """Words of the sentences for training in any order, in the language's own spelling."""
    texts = [t for n, t in enumerate(LANGUAGES[name].texts) if n % HELD_OUT_TEXTS]
    words = [word for text in texts for word in SPLIT.split(text) if word]
    chosen: list[str] = []
    while sum(map(len, chosen)) < SHUFFLED_LETTERS:
        chosen.append(words[int(rng.integers(len(words)))])
    return " ".join(chosen) + "."


def invent_word(name: str, rng: np.random.Generator) -> str:
    """A word that the language might have, in Kokoro's symbols."""
    following = chain(name)
    while True:
        word: list[str] = []
        before = (END, END)
        while len(word) <= SOUNDS[1]:
            options = following[before]
            symbol = options[int(rng.integers(len(options)))]
            if symbol == END:
                break
            word.append(symbol)
            before = (before[1], symbol)
        if SOUNDS[0] <= len(word) <= SOUNDS[1]:
            return "".join(word)


def invent_words(name: str, rng: np.random.Generator) -> str:
    """A sentence of invented words in Kokoro's symbols, with some commas and a mark at its end."""
    words = [invent_word(name, rng) for _ in range(int(rng.integers(WORDS[0], WORDS[1] + 1)))]
    marked = [word + "," if rng.random() < COMMA_ODDS else word for word in words[:-1]]
    return " ".join((*marked, words[-1])) + ("?" if rng.random() < 0.2 else ".")
