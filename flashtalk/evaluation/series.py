"""Series over time -> figures: how lips follow a curve, and borders between chunks.

All pure: arrays in, numbers out. Letters: F frames. A figure that cannot be known is NaN or, where
said so, the value of a failure. It is never invented.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLOSED_GAP = 0.055
"""Lip gap over the eyes' distance below which lips count as closed. In 32 rendered held-out clips
95 % of all p, b, m lie below 0.038 and 95 % of all open vowels above 0.083."""
MAX_LAG_FRAMES = 10
STILL = 1e-9  # variance below which a series counts as constant


@dataclass(frozen=True)
class LipMatch:
    """How a mouth's opening follows the opening that its speech implies."""

    correlation: float
    """Pearson's, without any shift; 0 for a mouth that does not move."""
    best_correlation: float
    """The largest one over all lags."""
    lag_frames: int
    """Where that is; positive: the picture comes after the sound."""


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation of two series [F]; NaN if one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt(np.square(a).mean() * np.square(b).mean())
    return float((a * b).mean() / scale) if scale > STILL else float("nan")


def match_lips(opening: np.ndarray, expected: np.ndarray) -> LipMatch:
    """Opening seen [F] against the opening expected [F], in any units.

    Raises ``ValueError`` if the lengths differ or leave too little to compare.
    """
    frames = len(opening)
    if len(expected) != frames or frames < 2 * MAX_LAG_FRAMES + 2:
        raise ValueError(
            f"got {frames} frames seen and {len(expected)} expected; they must be equally many, at "
            f"least {2 * MAX_LAG_FRAMES + 2} for lags up to {MAX_LAG_FRAMES}"
        )
    if np.isnan(correlation(expected, expected)):  # nothing is said
        return LipMatch(float("nan"), float("nan"), 0)
    found = {}
    for lag in range(-MAX_LAG_FRAMES, MAX_LAG_FRAMES + 1):
        seen, said = opening[max(lag, 0) : frames + min(lag, 0)], expected[max(-lag, 0) :]
        value = correlation(seen, said[: len(seen)])
        found[lag] = 0.0 if np.isnan(value) else value
    # of equally good lags the smallest, so that a still mouth has lag 0
    best = max(found, key=lambda lag: (found[lag], -abs(lag)))
    return LipMatch(found[0], found[best], best)


def border_jump(differences: np.ndarray, first_frame: int, period_frames: int) -> float:
    """Mean frame difference at borders over that inside; 1 is seamless.

    Entry i of ``differences`` [F - 1] is between frames i and i + 1 of the segment. Its first frame
    is number ``first_frame`` of the talk. A border lies before every frame whose number is a
    multiple of ``period_frames``. NaN if there is no border, or nothing moves at all.
    """
    after = first_frame + 1 + np.arange(len(differences))
    at_border = after % period_frames == 0
    if at_border.all() or not at_border.any():
        return float("nan")
    inside = float(differences[~at_border].mean())
    return float(differences[at_border].mean()) / inside if inside > STILL else float("nan")
