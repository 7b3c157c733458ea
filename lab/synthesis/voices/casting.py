"""Casting: who speaks a clip and which sentences are theirs.

Natural voices are Kokoro's, alone or as blends of two, at any tempo. Six of them and every tenth
sentence are kept for evaluation and never meet the training. There, two sentences in three are
invented and no two clips share one. From a few sentences of a few readers the speech encoder
memorizes utterances (phones 0.98 right on them, 0.71 on unseen voices).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lab.synthesis.voices.formant_voices import ESPEAK_ACCENTS, ESPEAK_VARIANTS, FLITE_VOICES
from lab.synthesis.voices.languages import (
    LANGUAGES,
    held_out_texts,
    invent_words,
    shuffled_words,
)
from lab.synthesis.voices.sentences import (
    HELD_OUT_SENTENCES,
    TRAINING_SENTENCES,
    open_sentence,
)
from lab.synthesis.voices.vocabulary import invent_sentence

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
ENGLISH = "english"
BLEND_ODDS = 0.6
SPEEDS = (0.75, 1.3)
CALM_SPEEDS = (0.85, 1.2)
INVENTED_ODDS = 0.67
REPERTOIRE_SIZE = 6  # about 20 s of speech
HELD_OUT_STREAM = 53  # keeps these random numbers apart from all others


@dataclass(frozen=True)
class Speaker:
    """The speaker of a clip: engine, voice and tempo.

    partner, share: a second Kokoro voice and its part of the blended style (0 without one).
    pitch: espeak-ng's 0..99.
    language: english, or one of LANGUAGES; Kokoro's texts are spelled in its symbols then.
    """

    engine: str  # kokoro, flite or espeak
    voice: str
    speed: float
    partner: str = ""
    share: float = 0.0
    pitch: int = 50
    language: str = ENGLISH

    def __post_init__(self) -> None:
        if self.engine not in ("kokoro", "flite", "espeak"):
            raise ValueError(f"Speaker engine is {self.engine!r}; use kokoro, flite or espeak.")
        if not 0.0 <= self.share < 1.0:
            raise ValueError(f"Speaker share is {self.share}; it must lie in [0, 1).")
        if self.language not in (ENGLISH, *LANGUAGES):
            raise ValueError(f"Speaker language is {self.language!r}; use one of {[*LANGUAGES]}.")

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


def held_out_reader(number: int) -> Reader:
    """Reader `number` (0 .. 5) with a voice and sentences that training never hears."""
    rng = np.random.default_rng((HELD_OUT_STREAM, 1000 + number))
    speaker = Speaker("kokoro", HELD_OUT_VOICES[number], float(rng.uniform(*CALM_SPEEDS)))
    return Reader(speaker, HELD_OUT_SENTENCES)


def cast_reader(rng: np.random.Generator, held_out: bool = False) -> Reader:
    """Draws a natural voice and its sentences: invented ones, or those kept for evaluation."""
    if held_out:
        return held_out_reader(int(rng.integers(len(HELD_OUT_VOICES))))
    voices = ENGLISH_VOICES if rng.random() < 0.75 else OTHER_VOICES
    voice, partner = str(rng.choice(voices)), str(rng.choice(ENGLISH_VOICES))
    share = float(rng.uniform(0.15, 0.6))
    if partner == voice or rng.random() > BLEND_ODDS:
        partner, share = "", 0.0
    speaker = Speaker("kokoro", voice, float(rng.uniform(*SPEEDS)), partner, share)
    return Reader(speaker, _draw_texts(rng))


def cast_foreign_reader(
    rng: np.random.Generator, language: str, held_out: bool = False, turn: int = 0
) -> Reader:
    """Draws a voice that speaks ``language``, its own or with an accent, and its sentences.

    Voices that are kept for evaluation take turns.
    """
    known = LANGUAGES[language]
    if held_out:
        voice = known.held_out[turn % len(known.held_out)]
        speaker = Speaker("kokoro", voice, float(rng.uniform(*CALM_SPEEDS)), language=language)
        return Reader(speaker, held_out_texts(language))
    others = [voice for voice in OTHER_VOICES if voice not in known.held_out]
    voices = known.voices if known.voices and rng.random() < 0.5 else (*others, *ENGLISH_VOICES)
    voice, partner = str(rng.choice(voices)), str(rng.choice((*others, *ENGLISH_VOICES)))
    share = float(rng.uniform(0.15, 0.6))
    if partner == voice or rng.random() > BLEND_ODDS:
        partner, share = "", 0.0
    speaker = Speaker(
        "kokoro", voice, float(rng.uniform(*SPEEDS)), partner, share, language=language
    )
    return Reader(speaker, tuple(invent_words(language, rng) for _ in range(REPERTOIRE_SIZE)))


def cast_formant_reader(rng: np.random.Generator, language: str = ENGLISH) -> Reader:
    """Draws a voice of flite or espeak-ng and its sentences."""
    speed = float(rng.uniform(*CALM_SPEEDS))
    if language != ENGLISH:
        voice = LANGUAGES[language].espeak + str(rng.choice(ESPEAK_VARIANTS))
        pitch = int(rng.integers(20, 85))
        spoken = tuple(shuffled_words(language, rng) for _ in range(REPERTOIRE_SIZE))
        return Reader(Speaker("espeak", voice, speed, pitch=pitch, language=language), spoken)
    texts = _draw_texts(rng)
    if rng.random() < 0.4:
        return Reader(Speaker("flite", str(rng.choice(FLITE_VOICES)), speed), texts)
    voice = str(rng.choice(ESPEAK_ACCENTS)) + str(rng.choice(ESPEAK_VARIANTS))
    return Reader(Speaker("espeak", voice, speed, pitch=int(rng.integers(20, 85))), texts)


def _draw_texts(rng: np.random.Generator) -> tuple[str, ...]:
    """A repertoire: two sentences in three are invented, the others are ours, some with opener."""

    def written() -> str:
        return open_sentence(TRAINING_SENTENCES[int(rng.integers(len(TRAINING_SENTENCES)))], rng)

    invented = rng.random(REPERTOIRE_SIZE) < INVENTED_ODDS
    return tuple(invent_sentence(rng) if new else written() for new in invented)
