"""Where sounds of other languages lie: they are aligned as the English ones that they are like."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from lab.synthesis.voices.alignment import ALIKE, SPELLED, AlignmentFailed, PhoneAligner
from lab.synthesis.voices.phones import ARPABET, KOKORO

BONJOUR = "bɔ̃ʒˈuʁ, lə ʦˈa."


class PatientDecoder:
    """A decoder of pocketsphinx in whose alignments each phone lasts 0.1 s, each pause 0.5 s."""

    def __init__(self, lost_words: int = 0) -> None:
        self.words: dict[str, str] = {}
        self.lost_words = lost_words

    def lookup_word(self, name: str) -> str | None:
        return self.words.get(name)

    def add_word(self, name: str, phones: str) -> None:
        assert name not in self.words
        self.words[name] = phones

    def set_align_text(self, text: str) -> None:
        self.text = text.split()[self.lost_words :]

    def get_alignment(self) -> list[object]:
        aligned, start = [], 0
        for name in ("<sil>", *self.text, "<sil>"):
            phones = []
            for phone in self.words.get(name, "SIL").split():
                length = 50 if phone == "SIL" else 10
                phones.append(SimpleNamespace(name=phone, start=start, duration=length))
                start += length
            aligned.append(AlignedWord(name, phones))
        return aligned

    def set_alignment(self) -> None: ...
    def start_utt(self) -> None: ...
    def process_raw(self, pcm: bytes, full_utt: bool) -> None: ...
    def end_utt(self) -> None: ...


class AlignedWord(list[object]):
    """Phones of a word, which has a name."""

    def __init__(self, name: str, phones: list[object]) -> None:
        super().__init__(phones)
        self.name = name


def aligner(decoder: PatientDecoder) -> PhoneAligner:
    found = object.__new__(PhoneAligner)
    found._decoder = decoder
    return found


def test_every_sound_of_kokoro_is_like_an_english_one() -> None:
    assert set(ALIKE) == set(KOKORO)
    assert {phone for phones in ALIKE.values() for phone in phones.split()} <= set(ARPABET)


def test_spelled_words_are_aligned_sound_by_sound() -> None:
    decoder = PatientDecoder()
    sound = np.zeros(16_000, np.float32)
    phones = aligner(decoder).align_spelled(sound, BONJOUR)
    assert [phone.name for phone in phones] == ["P", "AO", "SH", "UW", "K", "L", "AH", "S", "AA"]
    ends_s = [phone.end_s for phone in phones]
    # an affricate has two phones of the model and is one sound; nothing else lasts longer
    assert np.allclose(ends_s, [0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.5])
    assert all(name.startswith(SPELLED) for name in decoder.words)
    assert aligner(decoder).align_spelled(sound, BONJOUR) == phones  # words are learned once


def test_an_alignment_without_a_word_fails() -> None:
    with pytest.raises(AlignmentFailed, match="bɔ"):
        aligner(PatientDecoder(lost_words=1)).align_spelled(np.zeros(640, np.float32), BONJOUR)
