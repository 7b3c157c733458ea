"""The face reader's scale, fitted on rendered clips whose truth is known.

A reader that is unsure answers with something between: lips look less open and lids less shut than
they are. Three numbers put that right. They are fitted on every third held-out clip, since the
reader is surer on people that it was trained on. ``validate.py`` reports on the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from flashtalk.evaluation.face_track import FaceTrack
from flashtalk.models.tiny.landmarks import FaceReader
from lab.evaluation.measures.reading import read_faces
from lab.evaluation.measures.series import BLINK_SHARE
from lab.evaluation.talks import RenderedClip

CALIBRATION_CLIPS = 8  # at most; 32 s of video
EVERY = 3
SHARES = np.arange(0.5, 0.985, 0.01)

Item = TypeVar("Item")


@dataclass(frozen=True)
class Calibration:
    """Read -> true."""

    gap_slope: float = 1.0
    gap_offset: float = 0.0
    """Offset of the lip gap over the eyes' distance: true = slope * read + offset."""
    blink_share: float = BLINK_SHARE
    """Share of their median below which lids that are read count as shut."""

    def __post_init__(self) -> None:
        if not self.gap_slope > 0.0 or not 0.0 < self.blink_share < 1.0:
            raise ValueError(
                f"the slope must be above 0 and the share between 0 and 1, got {self.gap_slope:g} "
                f"and {self.blink_share:g}: this reader does not see lips or lids at all"
            )

    def opening(self, track: FaceTrack) -> np.ndarray:
        """Lip gap [F] over the eyes' distance, in true units."""
        return np.maximum(self.gap_slope * track.opening + self.gap_offset, 0.0)


UNCALIBRATED = Calibration()


def for_calibration(items: Sequence[Item]) -> list[Item]:
    """Those that calibrate; all others validate."""
    return list(items[::EVERY])[:CALIBRATION_CLIPS]


def calibrate(reader: FaceReader, clips: Sequence[RenderedClip]) -> Calibration:
    """The calibration of ``reader`` from ``clips``."""
    pairs = [(read_faces(reader, clip.frames()), clip.track) for clip in clips]
    return fit([read for read, _ in pairs], [true for _, true in pairs])


def fit(read: Sequence[FaceTrack], true: Sequence[FaceTrack]) -> Calibration:
    """The calibration from what was read of some clips and their truth."""
    seen = np.concatenate([track.opening for track in read])
    known = np.concatenate([track.opening for track in true])
    slope, offset = np.polyfit(seen, known, 1)
    shut = np.concatenate([t.lids < BLINK_SHARE * np.median(t.lids) for t in true])
    relative = np.concatenate([track.lids / np.median(track.lids) for track in read])
    if not shut.any():  # nobody blinks: nothing to learn
        return Calibration(float(slope), float(offset))
    agreement = []
    for share in SHARES:
        found = relative < share
        agreement.append(2 * (found & shut).sum() / (found.sum() + shut.sum()))  # F1
    best = np.flatnonzero(np.isclose(agreement, max(agreement)))
    return Calibration(float(slope), float(offset), round(float(SHARES[best[len(best) // 2]]), 2))
