"""Talks for the toy networks, shared by the tests of Stage 2."""

from __future__ import annotations

import numpy as np
import pytest

from flashtalk.models.networks import Networks
from lab.training.data.talks import Person, TalkSource


@pytest.fixture(scope="session")
def source(speech: np.ndarray, toy_networks: Networks) -> TalkSource:
    pictures = np.random.default_rng(0).integers(0, 255, (2, 5, 64, 64, 3), dtype=np.uint8)
    people = [
        Person(each, samples) for each, samples in zip(pictures, np.split(speech, 2), strict=True)
    ]
    return TalkSource(people, toy_networks.preset.geometry)
