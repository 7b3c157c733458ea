"""Timesteps against the published values."""

import pytest

from flashtalk.config import SamplerConfig
from flashtalk.errors import FlashTalkError
from flashtalk.stream.schedule import shifted_timesteps


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (4, (1000, 937.5, 2500 / 3, 625, 0)),
        (2, (1000, 2500 / 3, 0)),
        (1, (1000, 0)),
        (3, (1000, 1000 * 5 * 0.5005 / (1 + 4 * 0.5005), 1000 * 0.005 / 1.004, 0)),
    ],
)
def test_published_values(steps: int, expected: tuple[float, ...]) -> None:
    assert shifted_timesteps(SamplerConfig(steps=steps)) == pytest.approx(expected)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 20, 50])
def test_timesteps_fall_from_noise_to_clean(steps: int) -> None:
    timesteps = shifted_timesteps(SamplerConfig(steps=steps))
    assert len(timesteps) == steps + 1
    assert timesteps[0] == 1000.0
    assert timesteps[-1] == 0.0
    assert list(timesteps) == sorted(timesteps, reverse=True)


def test_without_shift_the_raw_steps_remain() -> None:
    assert shifted_timesteps(SamplerConfig(shift=1.0)) == (1000, 750, 500, 250, 0)


@pytest.mark.parametrize("steps", [0, 51])
def test_impossible_step_counts_are_refused(steps: int) -> None:
    with pytest.raises(FlashTalkError, match=f"got {steps}"):
        SamplerConfig(steps=steps)
