"""Who is held out, and how often clips are idle or carry which emotion: odds, drawn for real."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from lab.synthesis import performance
from lab.synthesis.heads import identity
from lab.synthesis.heads.identity import (
    HELD_OUT_HAIR,
    HELD_OUT_SKINS,
    Identity,
    is_held_out,
    sample_identity,
)
from lab.synthesis.motion import EMOTION_ODDS, EMOTIONS, draw_emotion
from lab.synthesis.performance import IDLE, perform
from lab.synthesis.voices.casting import HELD_OUT_VOICES, cast_reader


@pytest.fixture(scope="module")
def people() -> dict[int, Identity]:
    """Seeds 0 .. 2999, with heads of no shape: the shapes need data that is a download."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "sample_face", lambda *_: np.zeros((1, 3)))
        base = SimpleNamespace(vertices=np.zeros((1, 3)))
        return {seed: sample_identity(seed, None, base) for seed in range(3000)}


def test_one_person_in_ten_is_held_out() -> None:
    assert sum(map(is_held_out, range(5000))) == 500


def test_two_skins_and_one_hair_style_are_never_trained_on(people: dict[int, Identity]) -> None:
    trained = [person for seed, person in people.items() if not is_held_out(seed)]
    assert not {person.skin for person in trained} & set(HELD_OUT_SKINS)
    assert HELD_OUT_HAIR not in {person.hair for person in trained}
    assert len({person.skin for person in trained}) >= 12
    assert len({person.hair for person in trained}) >= 8


def test_held_out_people_wear_what_is_kept_for_them(people: dict[int, Identity]) -> None:
    kept = [person for seed, person in people.items() if is_held_out(seed)]
    assert len(HELD_OUT_SKINS) == 2 and set(HELD_OUT_SKINS) <= {person.skin for person in kept}
    assert HELD_OUT_HAIR in {person.hair for person in kept}
    young = [p for p in kept if p.skin.startswith("young_light") and p.ancestry]
    share = np.mean([person.skin in HELD_OUT_SKINS for person in young])
    assert share > 0.5, "where a kept skin fits, it is taken"


def test_six_voices_are_kept_for_held_out_clips() -> None:
    voices = {
        cast_reader(np.random.default_rng(seed), held_out=True).speaker.voice for seed in range(100)
    }
    assert len(HELD_OUT_VOICES) == 6 and voices == set(HELD_OUT_VOICES)


class Speaks(Exception):
    """Raised in place of speaking."""


def test_one_clip_in_ten_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    def speak(rng: np.random.Generator, held_out: bool) -> None:
        raise Speaks

    monkeypatch.setattr(performance, "cast_reader", speak)
    idle = []
    for seed in range(2000):
        try:
            idle.append(perform(seed, 0.4))
        except Speaks:
            continue
    assert 0.08 < len(idle) / 2000 < 0.12
    for clip in idle:
        assert clip.voice == IDLE and not clip.phones
        assert "jawOpen" not in clip.weights and np.abs(clip.audio).max() < 0.1


def test_emotions_come_at_their_odds() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_emotion(rng) for _ in range(4000)]
    assert set(EMOTION_ODDS) == set(EMOTIONS)
    for emotion, odds in EMOTION_ODDS.items():
        assert drawn.count(emotion) / 4000 == pytest.approx(odds, abs=0.025)
