"""Invented sentences and those who say them."""

import shutil

import numpy as np
import pytest

from lab.synthesis.voices import vocabulary
from lab.synthesis.voices.casting import HELD_OUT_VOICES, cast_formant_reader, cast_reader
from lab.synthesis.voices.kokoro import to_kokoro
from lab.synthesis.voices.phones import ARPABET, KOKORO
from lab.synthesis.voices.sentences import HELD_OUT_SENTENCES


@pytest.fixture
def few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the dictionary held two words: the real one needs the packages of the training."""
    monkeypatch.setattr(vocabulary, "vocabulary", lambda: ("hopscotch", "widest"))


def test_sentences_are_invented_anew_each_time(few_words: None) -> None:
    texts = [vocabulary.invent_sentence(np.random.default_rng(seed)) for seed in range(50)]
    assert len(set(texts)) == 50
    assert vocabulary.invent_sentence(np.random.default_rng(7)) == texts[7]
    for text in texts:
        assert text[0].isupper() and text[-1] in ".?"
        assert 4 <= len(text.split()) <= 10
    assert any("hopscotch" in text.lower() for text in texts)


def test_readers_in_training_are_never_the_held_out_ones(few_words: None) -> None:
    readers = [cast_reader(np.random.default_rng(seed)) for seed in range(200)]
    voices = {reader.speaker.voice for reader in readers}
    assert len(voices) > 30
    for reader in readers:
        assert not {reader.speaker.voice, reader.speaker.partner} & set(HELD_OUT_VOICES)
        assert not set(reader.texts) & set(HELD_OUT_SENTENCES)
    assert len({text for reader in readers for text in reader.texts}) > 3 * len(readers)
    formant = cast_formant_reader(np.random.default_rng(0))
    assert formant.speaker.engine in ("flite", "espeak")


def test_a_word_is_the_same_sounds_in_both_alphabets() -> None:
    symbols = list(to_kokoro("bɹˈɪd^ʒ", "en-us"))
    found = vocabulary._classes(symbols, KOKORO)
    assert found == vocabulary._classes(["B", "R", "IH", "JH"], ARPABET)
    assert found != vocabulary._classes(["B", "R", "IY", "JH"], ARPABET)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_the_vocabulary_is_large() -> None:
    pytest.importorskip("pocketsphinx")
    words = vocabulary.vocabulary()
    assert len(words) == len(set(words)) > 3000
