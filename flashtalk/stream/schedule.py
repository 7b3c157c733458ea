"""Timesteps of few-step sampling, on the 0..1000 scale that the transformer reads.

Raw steps are the published ones. The shift moves them towards noise, where large structure is
decided: t' = shift t / (1 + (shift - 1) t) with t in 0..1.
"""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor

from flashtalk.config import SamplerConfig

Time = TypeVar("Time", float, Tensor)

DISTILLED_STEPS = {
    4: (1000.0, 750.0, 500.0, 250.0),
    2: (1000.0, 500.0),
}


def shifted_timesteps(sampler: SamplerConfig) -> tuple[float, ...]:
    """``steps + 1`` falling timesteps, 1000 first and 0 last.

    4 steps with shift 5: 1000, 937.5, 833.3, 625, 0.
    """
    raw = DISTILLED_STEPS.get(sampler.steps) or _evenly(sampler.steps)
    return (*(1000.0 * shift_time(step / 1000.0, sampler.shift) for step in raw), 0.0)


def shift_time(t: Time, shift: float) -> Time:
    """Time ``t`` in 0 (clean) .. 1 (noise), moved towards noise by ``shift`` >= 1."""
    return shift * t / (1.0 + (shift - 1.0) * t)


def _evenly(steps: int) -> tuple[float, ...]:
    """``steps`` values from 1000 down to 1 (1000 alone for a single step)."""
    gap = 999.0 / max(steps - 1, 1)
    return tuple(1000.0 - gap * index for index in range(steps))
