"""A typed sentence is spoken by a library that is optional."""

from __future__ import annotations

import numpy as np
import pytest

from flashtalk.errors import FlashTalkError
from flashtalk.inputs import sentence as module
from flashtalk.inputs.sentence import MAX_CHARACTERS, say
from flashtalk.inputs.speech import load_speech


def test_a_sentence_is_the_same_speech_each_time() -> None:
    rate_hz, samples = say("I am made of numbers.")
    again = say("I am made of numbers.")[1]
    assert np.array_equal(samples, again)
    speech = load_speech((rate_hz, samples))
    assert 0.8 < speech.duration_s < 4
    assert np.abs(speech.samples).max() > 0.1
    assert not speech.notices


@pytest.mark.parametrize("sentence", ["", "   ", "!!!", "你好"])
def test_what_has_no_words_is_said(sentence: str) -> None:
    with pytest.raises(FlashTalkError, match="no English words"):
        say(sentence)


def test_too_many_letters_and_unknown_speakers_are_said() -> None:
    with pytest.raises(FlashTalkError, match=f"may have {MAX_CHARACTERS} characters, got"):
        say("la " * MAX_CHARACTERS)
    with pytest.raises(FlashTalkError, match=r"no speaker 'nobody'\. Choose one of heart"):
        say("Hello.", "nobody")


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIBRARY", "no_such_library")
    module._voice.cache_clear()
    assert module.speakers() == ()
    with pytest.raises(FlashTalkError, match=r"pip install 'flashtalk\[speech\]'"):
        say("Hello.")
