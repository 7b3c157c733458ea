"""Series over time -> figures: lips, closures, lids, head motion and borders between chunks.

All pure: arrays in, numbers out. Pictures are the business of ``pictures.py``; where the series
come from, of ``reading.py``. Letters: F frames. A figure that cannot be known (no p in a segment,
lips that never move) is NaN or, where said so, the value of a failure. It is never invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from flashtalk.evaluation.series import CLOSED_GAP
from lab.synthesis.curves import LEAD_S
from lab.synthesis.voices.phones import FRAME_RATE_HZ, Phone

OPEN_VOWELS = ("AA", "AE", "AO", "EH", "OH")
CLOSURES = ("P",)  # the class of p, b and m
PHONE_MARGIN_FRAMES = 1  # how far from its place a closure or an opening still counts

BLINK_SHARE = 0.5  # of the usual lid opening
LONGEST_BLINK_S = 0.6


def around(series: np.ndarray, at_s: float) -> np.ndarray:
    """Values of ``series`` [F] at one instant and PHONE_MARGIN_FRAMES around it; empty outside."""
    frame = int(np.floor(at_s * FRAME_RATE_HZ))
    if not 0 <= frame < len(series):
        return series[:0]
    return series[max(frame - PHONE_MARGIN_FRAMES, 0) : frame + PHONE_MARGIN_FRAMES + 1]


def phone_rate(
    opening: np.ndarray, phones: Sequence[Phone], wanted: Literal["closed", "open"]
) -> float:
    """Share of the p, b, m during which ``opening`` [F] falls below ``CLOSED_GAP``.

    With ``wanted="open"``: share of the open vowels during which it rises above. A mouth that is
    always shut has all of the first and nothing of the second. So only both together mean
    something. Times of ``phones`` count from the first frame; those outside are left out. NaN
    without any.
    """
    names = CLOSURES if wanted == "closed" else OPEN_VOWELS
    hits = []
    for phone in phones:
        # lips lead the sound, in the clips as in life
        near = around(opening, phone.center_s - LEAD_S)
        if phone.name not in names or not len(near):
            continue
        hits.append(near.min() < CLOSED_GAP if wanted == "closed" else near.max() > CLOSED_GAP)
    return float(np.mean(hits)) if hits else float("nan")


@dataclass(frozen=True)
class LidStatistics:
    """How the eyes open and shut."""

    opening: float
    """Median lid opening over the eyes' distance."""
    blinks_per_min: float
    closed_share: float
    """Share of frames with shut lids."""


def lid_statistics(lids: np.ndarray, blink_share: float = BLINK_SHARE) -> LidStatistics:
    """Lid opening [F] -> :class:`LidStatistics`. Eyes that stay shut are no blink.

    Lids count as shut below ``blink_share`` of their median.
    """
    usual = float(np.median(lids))
    shut = lids < blink_share * usual
    edges = np.flatnonzero(np.diff(np.concatenate(([0], shut.astype(np.int8), [0]))))
    lengths = edges[1::2] - edges[::2]
    blinks = int((lengths <= LONGEST_BLINK_S * FRAME_RATE_HZ).sum())
    return LidStatistics(usual, blinks * 60.0 * FRAME_RATE_HZ / len(lids), float(shut.mean()))


@dataclass(frozen=True)
class HeadStatistics:
    """How the head moves; radians."""

    sway: float
    """Root of the summed variances of the angles."""
    speed_per_s: float
    """Mean turning speed."""
    shake: float
    """Mean second difference from frame to frame: trembling, which no person does."""


def head_statistics(turns: np.ndarray) -> HeadStatistics:
    """Angles over time [F, any] in radians -> :class:`HeadStatistics`."""
    return HeadStatistics(
        sway=float(np.sqrt(turns.var(axis=0).sum())),
        speed_per_s=float(np.linalg.norm(np.diff(turns, axis=0), axis=1).mean() * FRAME_RATE_HZ),
        shake=float(np.linalg.norm(np.diff(turns, n=2, axis=0), axis=1).mean()),
    )


def auc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Chance that a random positive score exceeds a random negative one; ties count half."""
    less = positives[:, None] > negatives[None]
    return float((less + 0.5 * (positives[:, None] == negatives[None])).mean())
