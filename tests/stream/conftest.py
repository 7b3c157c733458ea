"""Sessions of the toy networks."""

import numpy as np
import pytest
import torch
from scenes import scene_of
from talking import picture, talk

from flashtalk.conditions import gather_conditions
from flashtalk.models.networks import Networks
from flashtalk.stream.session import Session


@pytest.fixture
def start(toy_networks: Networks, toy_portrait: torch.Tensor):
    """Opens a session; ``mirrored`` is another person."""

    def begin(seed: int = 0, mirrored: bool = False, **options) -> Session:
        portrait = toy_portrait.flip(-1) if mirrored else toy_portrait
        with torch.inference_mode():
            conditions = gather_conditions(toy_networks, portrait)
        settings = {name: options.pop(name) for name in ("timer",) if name in options}
        return Session(scene_of(toy_networks, conditions, **settings), seed=seed, **options)

    return begin


@pytest.fixture
def whole(start, speech: np.ndarray) -> np.ndarray:
    return picture(talk(start(), [speech]))
