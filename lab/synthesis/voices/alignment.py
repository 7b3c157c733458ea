"""Phone alignment: where in a recording each sound of its known text lies.

The acoustic model is the US-English one inside the `pocketsphinx` wheel (BSD-like). It places /p/
and /b/ on the energy minimum of their closure (median 0 ms over 84 cases). So it is taken as the
truth wherever it works. It does the same for recorded speech whose words are known.

Sounds of other languages are aligned as the English ones that they are most alike. In Mandarin the
closures of stops then lie 10 ms before the minimum, and 30 ms before it by Kokoro's durations.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np

from flashtalk.errors import FlashTalkError
from lab.synthesis.voices.phones import (
    ARPABET,
    KOKORO,
    SAMPLE_RATE_HZ,
    SILENCE,
    Phone,
    classify,
)

ALIGNER_STEP_S = 0.01
Timed: TypeAlias = tuple[str, float, float]
"""A name, its start and its end in seconds."""

SPELLED = "spelled_"  # begins words that the dictionary learns
BETWEEN_WORDS = re.compile(r"[\s,.?!]+")

# A symbol of Kokoro's as it sounds to the model: an English phone, or two.
ALIKE: Mapping[str, str] = {
    **{"p": "P", "b": "B", "m": "M", "f": "F", "ɸ": "F", "v": "V", "β": "V", "ʋ": "V", "θ": "TH"},
    **{"ð": "DH", "t": "T", "ʈ": "T", "d": "D", "ɖ": "D", "ɾ": "D", "ɽ": "D", "T": "D", "s": "S"},
    **{"S": "S", "ʦ": "T S", "z": "Z", "ʣ": "Z", "ʃ": "SH", "ɕ": "SH", "ʂ": "SH", "ʒ": "ZH"},
    **{"ʧ": "CH", "ʨ": "CH", "c": "CH", "ʤ": "JH", "ʥ": "JH", "ɟ": "JH", "ꭧ": "JH", "k": "K"},
    **{"q": "K", "ʔ": "K", "ɡ": "G", "g": "G", "ɣ": "G", "ɰ": "G", "ŋ": "NG", "ɴ": "NG", "n": "N"},
    **{"ɲ": "N", "ɳ": "N", "l": "L", "ɹ": "R", "ɻ": "R", "r": "R", "ʁ": "R", "w": "W", "ɥ": "W"},
    **{"j": "Y", "ʎ": "Y", "ʝ": "Y", "h": "HH", "ç": "HH", "x": "HH", "χ": "HH", "ɑ": "AA"},
    **{"a": "AA", "ɒ": "AO", "ɔ": "AO", "æ": "AE", "ʌ": "AH", "ə": "AH", "ᵊ": "AH", "ɐ": "AH"},
    **{"ɤ": "AH", "o": "OW", "O": "OW", "Q": "OW", "ɛ": "EH", "e": "EH", "ɜ": "ER", "ɚ": "ER"},
    **{"œ": "ER", "ɪ": "IH", "ᵻ": "IH", "ɨ": "IH", "i": "IY", "ʊ": "UH", "ø": "UH", "u": "UW"},
    **{"y": "UW", "ɯ": "UW", "A": "EY", "I": "AY", "W": "AW", "Y": "OY"},
}


class AlignmentFailed(FlashTalkError):
    """The aligner found no path through this recording; use the engine's own durations."""


def check_aligner() -> None:
    """FlashTalkError where pocketsphinx is missing."""
    if find_spec("pocketsphinx") is None:
        raise FlashTalkError(
            "Phone alignment needs the package pocketsphinx; "
            "install it with: pip install pocketsphinx==5.1.1"
        )


class PhoneAligner:
    """Forced alignment with pocketsphinx; about 5 % of the recording's length on one core."""

    def __init__(self) -> None:
        check_aligner()
        from pocketsphinx import Decoder

        self._decoder = Decoder(lm=None, samprate=SAMPLE_RATE_HZ, loglevel="FATAL")

    def knows(self, word: str) -> bool:
        """Whether the pronunciation dictionary holds `word`."""
        return self._decoder.lookup_word(word) is not None

    def align(self, samples: np.ndarray, text: str) -> tuple[Phone, ...]:
        """Timed phones of `text` as spoken in `samples` (float [S], 16 kHz).

        Raises AlignmentFailed where the recording and the text do not fit together.
        """
        rows = [
            (name if name in ARPABET else SILENCE, start_s, end_s)  # fillers: +NSN+ and the like
            for _, phones in self._words(samples, spoken_words(text))
            for name, start_s, end_s in phones
        ]
        return classify(rows, ARPABET)

    def align_spelled(self, samples: np.ndarray, spelled: str) -> tuple[Phone, ...]:
        """The same for speech that is ``spelled`` in Kokoro's symbols, in any language."""
        said = [[c for c in word if c in KOKORO] for word in BETWEEN_WORDS.split(spelled)]
        said = [word for word in said if word]
        names = [self._learned(" ".join(ALIKE[symbol] for symbol in word)) for word in said]
        found = [w for w in self._words(samples, " ".join(names)) if w[0].startswith(SPELLED)]
        if [name for name, _ in found] != names:
            raise AlignmentFailed(f"{spelled!r} could not be aligned: words are missing.")
        rows: list[Timed] = []
        for symbols, (_, phones) in zip(said, found, strict=True):
            parts = iter(phones)
            for symbol in symbols:
                own = [next(parts) for _ in ALIKE[symbol].split()]
                rows.append((symbol, own[0][1], own[-1][2]))
        return classify(rows, KOKORO)

    def _learned(self, phones: str) -> str:
        """The name of a word of these ``phones``, which the dictionary has from then on."""
        name = SPELLED + phones.replace(" ", "_").lower()
        if not self.knows(name):
            self._decoder.add_word(name, phones)
        return name

    def _words(self, samples: np.ndarray, text: str) -> list[tuple[str, list[Timed]]]:
        """Words of the dictionary and fillers, each with its timed phones."""
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        try:
            self._decoder.set_align_text(text)
            self._decode(pcm)
            self._decoder.set_alignment()
            self._decode(pcm)
            words = self._decoder.get_alignment()
        except RuntimeError as error:
            raise AlignmentFailed(
                f"The text {text!r} could not be aligned with its {len(samples)} samples."
            ) from error
        return [(word.name, list(_timed(word))) for word in words]

    def _decode(self, pcm: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()


def _timed(phones: Iterable[Any]) -> Iterator[Timed]:
    """Pocketsphinx's ``phones`` of a word: names, starts and ends."""
    for phone in phones:
        end = phone.start + phone.duration
        yield phone.name, phone.start * ALIGNER_STEP_S, end * ALIGNER_STEP_S


def spoken_words(text: str) -> str:
    """Lower-case words with single spaces, as the aligner's dictionary spells them."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())
