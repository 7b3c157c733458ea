"""Other languages: their voices, their spelling, and words that nobody wrote."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from lab.synthesis.corpus import Corpus
from lab.synthesis.voices import languages
from lab.synthesis.voices.casting import (
    ENGLISH,
    Speaker,
    cast_foreign_reader,
    cast_formant_reader,
)
from lab.synthesis.voices.formant_voices import ipa_classes
from lab.synthesis.voices.kokoro import (
    LENGTHENING,
    PINYIN,
    _ended_with_sound,
    _phone_rows,
    to_kokoro,
)
from lab.synthesis.voices.languages import (
    HELD_OUT_TEXTS,
    LANGUAGES,
    held_out_texts,
    invent_words,
    shuffled_words,
    spelled_texts,
)
from lab.synthesis.voices.phones import KOKORO, SAMPLE_RATE_HZ

SPELLED = ("bwˈenos ðˈias.", "kˈomo estˈas?", "me ʎˈamo pˈaβlo.", "el pˈan, kaljˈente.")


@pytest.fixture
def spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if espeak-ng had spelled four sentences: the real ones need the program."""
    monkeypatch.setattr(languages, "spelled_texts", lambda name: SPELLED)
    languages.chain.cache_clear()
    yield
    languages.chain.cache_clear()


def test_voices_that_are_held_out_in_a_language_never_speak_it_in_training(spelled: None) -> None:
    for name, language in LANGUAGES.items():
        readers = [cast_foreign_reader(np.random.default_rng(seed), name) for seed in range(60)]
        voices = {v for r in readers for v in (r.speaker.voice, r.speaker.partner)}
        assert not voices & set(language.held_out), name
        assert set(language.voices) <= voices, name
        kept = [cast_foreign_reader(np.random.default_rng(0), name, True, turn) for turn in (0, 1)]
        assert tuple(reader.speaker.voice for reader in kept) == language.held_out


def test_a_voice_cannot_be_held_out_and_trained_on() -> None:
    french = LANGUAGES["french"]
    with pytest.raises(ValueError, match=r"french.*ff_siwis"):
        replace(french, voices=("ff_siwis",))
    with pytest.raises(ValueError, match="'latin'"):
        Speaker("kokoro", "ff_siwis", 1.0, language="latin")
    with pytest.raises(ValueError, match=r"latin.*english"):
        Corpus(minutes=1.0, out="x", languages=(ENGLISH, "latin"))  # type: ignore[arg-type]


def test_invented_words_have_only_sounds_that_follow_each_other(spelled: None) -> None:
    texts = [invent_words("spanish", np.random.default_rng(seed)) for seed in range(30)]
    assert len(set(texts)) == 30 and texts[3] == invent_words("spanish", np.random.default_rng(3))
    known = " ".join(SPELLED[1:])  # the first one is held out
    words = [word.strip(",.?") for text in texts for word in text.split()]
    pairs = {word[n : n + 2] for word in words for n in range(len(word) - 1)}
    assert pairs and all(pair in known for pair in pairs)
    assert not any("ðˈ" in text for text in texts)
    assert held_out_texts("spanish") != SPELLED[1:]


def test_shuffled_words_are_those_of_training() -> None:
    for name, language in LANGUAGES.items():
        assert len(language.texts) >= 16, name
        trained = "".join(t for n, t in enumerate(language.texts) if n % HELD_OUT_TEXTS)
        said = shuffled_words(name, np.random.default_rng(1))
        assert all(word in trained for word in said.strip(".").split()), name
        reader = cast_formant_reader(np.random.default_rng(2), name)
        assert reader.speaker.voice.startswith(language.espeak)


def test_lengths_and_tones_belong_to_the_sound_before_them() -> None:
    ends = np.array([0.1, 0.2, 0.3, 0.5, 0.6])
    rows = _phone_rows(["m", "a", "ː"], ends)
    assert rows == [("m", 0.1, 0.2), ("a", 0.2, pytest.approx(0.5))]
    assert all(mark not in KOKORO for mark in LENGTHENING)


def test_a_sound_before_a_pause_ends_where_it_is_heard_last() -> None:
    heard = ((0.0, 0.3), (0.6, 0.8), (1.0, 1.1))
    samples = np.full(round(2.0 * SAMPLE_RATE_HZ), 1e-4, np.float32)
    for begin_s, end_s in heard:
        samples[round(begin_s * SAMPLE_RATE_HZ) : round(end_s * SAMPLE_RATE_HZ)] = 0.2
    rows = [("m", 0.0, 0.1), ("a", 0.1, 0.5), ("t", 0.6, 0.9), ("i", 0.9, 1.9), ("p", 1.92, 2.0)]
    ended = _ended_with_sound(rows, samples)
    assert [name for name, _, _ in ended] == ["m", "a", "t", "i", "p"]
    # a stop within a word may be silent, and nothing ends before it has begun
    assert np.allclose([end_s for _, _, end_s in ended], (0.1, 0.3, 0.9, 1.1, 1.96))
    assert [start_s for _, start_s, _ in ended] == [start_s for _, start_s, _ in rows]


def test_spellings_of_espeak_become_kokoros() -> None:
    assert to_kokoro("t^s.ˈu5 ɕjˈɑ^u2", PINYIN) == "ꭧˈu↘ ɕjˈɑu↓"
    assert to_kokoro("d^ʑi", "ja") == "ʥi"
    assert ipa_classes("tʃ") == ("SH",) and ipa_classes("aʊ") == ("AA", "UH")
    assert ipa_classes("ɔ̃") == ("AO",) and ipa_classes("ː") == ()


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
@pytest.mark.parametrize("name", LANGUAGES)
def test_every_sound_of_a_language_has_a_class(name: str) -> None:
    marks = set(LENGTHENING) | set("ˈˌ ,.?-()") | set("\u031e\u0308\u032a0123456789")
    symbols = set("".join(spelled_texts(name))) - marks
    assert symbols <= set(KOKORO), symbols - set(KOKORO)
