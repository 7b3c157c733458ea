"""Numbers of callers in Python: what is none is a sentence, before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from flashtalk.config import TINY, SamplerConfig
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import portrait_for
from flashtalk.stream.state import checked_seed

NO_NUMBERS = [2.5, "4", "nan", "", True, float("nan"), float("inf"), [4]]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_whole_number_is_a_sentence(value: Any) -> None:
    picture = Image.new("RGB", (100, 100))
    for begins, use in (
        ("The seed must be a whole number from 0 up, got", checked_seed),
        ("Steps must be a whole number, got", lambda given: TINY.with_sampler(steps=given)),
        ("Which face is a whole number", lambda given: portrait_for(picture, TINY, face=given)),
    ):
        with pytest.raises(FlashTalkError, match=begins):
            use(value)


def test_numbers_of_any_type_are_whole_numbers() -> None:
    values: list[Any] = [4, 4.0, np.int64(4), np.float32(4)]
    for value in values:
        steps = SamplerConfig(steps=value).steps
        assert (steps, type(steps)) == (4, int)
        assert type(checked_seed(value)) is int
    frames: Any = np.int64(17)
    assert type(TINY.with_chunk(frames).geometry.chunk_frames) is int


@pytest.mark.parametrize("area", ["0,0,0.5", (0, 0, 0.5)], ids=repr)
def test_an_area_that_was_not_read_is_a_sentence(area: Any) -> None:
    with pytest.raises(FlashTalkError, match="An area is LEFT,TOP,WIDTH"):
        portrait_for(Image.new("RGB", (100, 100)), TINY, area=area)
