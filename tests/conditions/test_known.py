"""Conditions that are known before a talk begins: the same video, and no work at its beginning."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import flashtalk.conditions.known as known_conditions
from flashtalk.acceleration.settings import DEFAULT
from flashtalk.assets import ASSETS
from flashtalk.conditions.known import KnownConditions
from flashtalk.engine import Engine
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.models.networks import Networks


@pytest.fixture
def engine(toy_networks: Networks) -> Engine:
    return Engine(toy_networks)


@pytest.fixture(scope="module")
def ada(toy_networks: Networks) -> Portrait:
    return portrait_for(ASSETS / "portraits" / "ada.jpg", toy_networks.preset)


def test_a_prepared_portrait_makes_the_same_video(
    engine: Engine, ada: Portrait, speech: np.ndarray
) -> None:
    plain = next(engine.open(ada.image, seed=3).push(speech)).frames
    engine.prepare(ada)
    for _ in range(2):
        session = engine.open(ada, seed=3)
        assert np.array_equal(next(session.push(speech)).frames, plain)


def test_conditions_are_gathered_once(engine: Engine, ada: Portrait) -> None:
    engine.prepare(ada)
    first, second = engine.open(ada), engine.open(ada)
    assert first._scene.conditions is second._scene.conditions
    engine.accelerate(DEFAULT)
    assert engine.open(ada)._scene.conditions is not first._scene.conditions, "networks changed"


def test_few_are_known_and_none_beyond_its_portrait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_conditions, "MOST", 2)
    known, gathered = KnownConditions(), []
    portraits = [Portrait(Image.new("RGB", (8, 8))) for _ in range(3)]

    def asked(portrait: Portrait, prompt: str | None = None) -> bool:
        """Whether the conditions were not known."""
        before = len(gathered)
        known.of(portrait, prompt, lambda: gathered.append(portrait))  # type: ignore[arg-type, func-returns-value]
        return len(gathered) > before

    assert [asked(each) for each in portraits] == [True, True, True]
    assert not asked(portraits[2])
    assert asked(portraits[0]), "two others came"
    assert asked(portraits[0], "a prompt")
    assert not asked(portraits[0], "a prompt")
    gathered.clear()
    del portraits[0]
    assert len(known._known) == 1, "nobody has it"


def test_where_a_gpu_is_lent_nothing_is_computed_before_a_session(
    toy_networks: Networks, ada: Portrait
) -> None:
    lent = Engine(toy_networks, gpu_is_lent=True)
    lent.prepare(ada)
    lent.open(ada.image)
    assert not [each for each in lent._known._known if each is ada]
