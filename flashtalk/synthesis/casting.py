"""Casting: who speaks a clip and which sentences are theirs.

Kokoro costs most of a core, so its speech is meant to be kept and reused: a fixed roster of readers
(a voice or a blend of two, with its own tempo) has a fixed repertoire of sentences each, and every
clip strings together sentences of one reader. Six Kokoro voices and every tenth sentence are kept
for evaluation and never meet the training roster. Readers with formant voices are cheap: any
number of them, any sentence.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flashtalk.synthesis.formant_voices import ESPEAK_ACCENTS, ESPEAK_VARIANTS, FLITE_VOICES
from flashtalk.synthesis.sentences import (
    HELD_OUT_SENTENCES,
    TRAINING_SENTENCES,
    open_sentence,
)
from flashtalk.synthesis.vocabulary import invent_sentence

HELD_OUT_VOICES = ("af_heart", "am_michael", "bf_emma", "bm_george", "ef_dora", "zm_yunxi")
ENGLISH_VOICES = (
    *("af_alloy", "af_aoede", "af_bella", "af_jessica", "af_kore", "af_nicole", "af_nova"),
    *("af_river", "af_sarah", "af_sky", "am_adam", "am_echo", "am_eric", "am_fenrir", "am_liam"),
    *("am_onyx", "am_puck", "am_santa", "bf_alice", "bf_isabella", "bf_lily", "bm_daniel"),
    *("bm_fable", "bm_lewis"),
)
OTHER_VOICES = (  # trained on other languages; they speak English with an accent
    *("em_alex", "em_santa", "ff_siwis", "hf_alpha", "hf_beta", "hm_omega", "hm_psi", "if_sara"),
    *("im_nicola", "jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo", "pf_dora"),
    *("pm_alex", "pm_santa", "zf_xiaobei", "zf_xiaoni", "zf_xiaoxiao", "zf_xiaoyi"),
    *("zm_yunjian", "zm_yunxia", "zm_yunyang"),
)
BLEND_ODDS = 0.3
SPEEDS = (0.85, 1.2)

STRANGERS_BLEND_ODDS = 0.6
STRANGERS_SPEEDS = (0.75, 1.3)

ROSTER_SIZE = 40
REPERTOIRE_SIZE = 6  # about 20 s of speech per reader, 13 minutes in all
ROSTER_STREAM = 53  # keeps these random numbers apart from all others


@dataclass(frozen=True)
class Speaker:
    """Who speaks a clip: engine, voice, and how fast.

    partner, share: a second Kokoro voice and its part of the blended style (0 without one).
    pitch: espeak-ng's 0..99.
    """

    engine: str  # kokoro, flite or espeak
    voice: str
    speed: float
    partner: str = ""
    share: float = 0.0
    pitch: int = 50

    def __post_init__(self) -> None:
        if self.engine not in ("kokoro", "flite", "espeak"):
            raise ValueError(f"Speaker engine is {self.engine!r}; use kokoro, flite or espeak.")
        if not 0.0 <= self.share < 1.0:
            raise ValueError(f"Speaker share is {self.share}; it must lie in [0, 1).")

    @property
    def name(self) -> str:
        """A label for logs and records, such as am_adam or am_adam+bf_lily@0.30."""
        return f"{self.voice}+{self.partner}@{self.share:.2f}" if self.partner else self.voice


@dataclass(frozen=True)
class Reader:
    """A speaker and the sentences that they read."""

    speaker: Speaker
    texts: tuple[str, ...]

    def stream(self, rng: np.random.Generator) -> Iterator[str]:
        """The texts in random order, again and again."""
        while True:
            for index in rng.permutation(len(self.texts)):
                yield self.texts[int(index)]


def training_reader(number: int) -> Reader:
    """Reader `number` of the roster, 0 .. ROSTER_SIZE - 1; every fourth has a foreign voice."""
    rng = np.random.default_rng((ROSTER_STREAM, number))
    if number % 4 == 3:
        voice = OTHER_VOICES[number // 4 * 5 % len(OTHER_VOICES)]
    else:
        voice = ENGLISH_VOICES[(number - number // 4) % len(ENGLISH_VOICES)]
    partner, share = str(rng.choice(ENGLISH_VOICES)), float(rng.uniform(0.15, 0.6))
    speed = float(rng.uniform(*SPEEDS))
    if partner == voice or rng.random() > BLEND_ODDS:
        partner, share = "", 0.0
    texts = _draw_texts(rng, TRAINING_SENTENCES, REPERTOIRE_SIZE)
    return Reader(Speaker("kokoro", voice, speed, partner, share), texts)


def held_out_reader(number: int) -> Reader:
    """Reader `number` (0 .. 5) with a voice and sentences that training never hears."""
    rng = np.random.default_rng((ROSTER_STREAM, 1000 + number))
    speaker = Speaker("kokoro", HELD_OUT_VOICES[number], float(rng.uniform(*SPEEDS)))
    return Reader(speaker, HELD_OUT_SENTENCES)


def cast_reader(rng: np.random.Generator, held_out: bool = False) -> Reader:
    """Draws a reader with a natural voice."""
    if held_out:
        return held_out_reader(int(rng.integers(len(HELD_OUT_VOICES))))
    return training_reader(int(rng.integers(ROSTER_SIZE)))


def cast_stranger(rng: np.random.Generator) -> Reader:
    """Draws a natural voice or a blend at any tempo, with sentences that nobody else says.

    For sound alone, where speech is cheap beside what it teaches: with the roster's few minutes,
    an encoder learned the utterances by heart.
    """
    voices = ENGLISH_VOICES if rng.random() < 0.75 else OTHER_VOICES
    voice, partner = str(rng.choice(voices)), str(rng.choice(ENGLISH_VOICES))
    share = float(rng.uniform(0.15, 0.6))
    if partner == voice or rng.random() > STRANGERS_BLEND_ODDS:
        partner, share = "", 0.0
    speed = float(rng.uniform(*STRANGERS_SPEEDS))
    return Reader(Speaker("kokoro", voice, speed, partner, share), _strange_texts(rng))


def cast_formant_reader(rng: np.random.Generator, strange: bool = False) -> Reader:
    """Draws a voice of flite or espeak-ng; it reads any training sentence, or invented ones."""
    speed = float(rng.uniform(*SPEEDS))
    texts = (
        _strange_texts(rng) if strange else _draw_texts(rng, TRAINING_SENTENCES, REPERTOIRE_SIZE)
    )
    if rng.random() < 0.4:
        return Reader(Speaker("flite", str(rng.choice(FLITE_VOICES)), speed), texts)
    voice = str(rng.choice(ESPEAK_ACCENTS)) + str(rng.choice(ESPEAK_VARIANTS))
    return Reader(Speaker("espeak", voice, speed, pitch=int(rng.integers(20, 85))), texts)


def _strange_texts(rng: np.random.Generator) -> tuple[str, ...]:
    """Enough for an item of the corpus; two in three are invented."""
    return tuple(
        invent_sentence(rng) if rng.random() < 0.67 else _draw_texts(rng, TRAINING_SENTENCES, 1)[0]
        for _ in range(REPERTOIRE_SIZE)
    )


def _draw_texts(
    rng: np.random.Generator, sentences: tuple[str, ...], count: int
) -> tuple[str, ...]:
    """`count` different sentences, some behind an opener."""
    chosen = rng.choice(len(sentences), count, replace=False)
    return tuple(open_sentence(sentences[int(index)], rng) for index in chosen)
