"""Lips of many languages: figures of made-up lips, and lips that what ships asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flashtalk.assets import ASSETS
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.speech import load_speech
from lab.evaluation.studies.languages import (
    Item,
    LanguageStudy,
    judge_speech,
    listener_of,
    spread,
    study,
)
from lab.synthesis.curves import MOUTH_CURVES
from lab.synthesis.voices.phones import CLASS_INDEX

FRAMES = 100
AA, P = CLASS_INDEX["AA"], CLASS_INDEX["P"]


def write_item(folder: Path, number: int, **said: object) -> Path:
    """Vowels with a P of 0.2 s in each second."""
    phones = np.where(np.arange(FRAMES) % 25 >= 20, P, AA).astype(np.uint8)
    path = folder / f"{number:06d}.npz"
    np.savez(
        path,
        audio=np.zeros(FRAMES * 640, np.int16),
        phones=phones,
        mouth=np.repeat((phones == AA)[:, None], len(MOUTH_CURVES), 1).astype(np.float16),
        voice="af_heart",
        **said,
    )
    return path


def test_lips_that_do_what_phones_ask_have_full_marks(tmp_path: Path) -> None:
    item = Item.of_corpus(write_item(tmp_path, 0, language="english"))
    assert len(item.closures) == 4 and item.language == "english"
    right = judge_speech([0.2 * item.opening], [item])
    assert right["correlation"] == pytest.approx(1.0) and right["closures"] == 1.0
    assert right["lag_frames"] == 0.0 and right["range"] == pytest.approx(0.2)
    open_always = judge_speech([0.1 + 0.2 * item.opening], [item])
    assert open_always["closures"] == 0.0
    late = judge_speech([0.2 * np.roll(item.opening, 2)], [item])
    assert late["lag_frames"] == 2.0 and late["correlation"] < 0.6


def test_items_have_to_say_their_language_and_some_are_english(tmp_path: Path) -> None:
    with pytest.raises(FlashTalkError, match="does not say its language"):
        Item.of_corpus(write_item(tmp_path, 0))
    write_item(tmp_path, 0, language="french")
    with pytest.raises(FlashTalkError, match="There is no English"):
        study(LanguageStudy(speech=tmp_path))


def test_what_ships_opens_lips_for_a_voice_and_not_for_silence() -> None:
    listener = listener_of(LanguageStudy(speech=Path()))
    voice = load_speech(ASSETS / "voices" / "emma.flac").samples[: 50 * 640]
    silence = np.zeros(30 * 640, np.float32)
    spoken, silent = listener.gaps([voice, silence])
    assert len(spoken) == 50 and len(silent) == 30
    assert spread(spoken) > 0.1
    assert silent.max() < 0.05
