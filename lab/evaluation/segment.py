"""One segment of a talk -> all of its figures. :data:`FIGURES` says what each means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flashtalk.evaluation import pictures
from flashtalk.evaluation.face_track import FaceTrack
from flashtalk.evaluation.series import border_jump, match_lips
from flashtalk.models.tiny.landmarks import FaceReader
from lab.evaluation.measures import series as measures
from lab.evaluation.measures.calibration import UNCALIBRATED, Calibration
from lab.evaluation.measures.reading import read_faces
from lab.evaluation.measures.sync import SyncNetwork, score_talk
from lab.evaluation.talks import Speech

FIGURES = {
    "lip_correlation": "lip opening seen against the one that the phones imply, no shift",
    "lag_frames": "shift at which that is largest; positive: the picture is late",
    "closures": "share of p, b, m with closed lips",
    "open_vowels": "share of open vowels with open lips",
    "lip_range": "5th to 95th percentile of the lip gap, over the eyes' distance",
    "sync_c": "own sync network: confidence (not the published Sync-C)",
    "sync_d": "own sync network: distance",
    "sync_offset": "own sync network: offset in frames",
    "identity": "likeness of edges around eyes and nose to the portrait, median",
    "identity_worst": "the same, 5th percentile",
    "sharpness": "Laplacian over gradient energy of the face, over the portrait's, median",
    "edge_energy": "Laplacian energy of the face over the portrait's, median",
    "delta_e": "CIE76 color difference of the face to the portrait's, median",
    "color_drift": "CIE76 difference of the face's mean colors to those of the talk's own first "
    "10 s, cell by cell",
    "color_drift_percent": "the same in percent of the length of those colors in Lab",
    "border_jump": "frame difference at chunk borders over that inside",
    "lid_opening": "median lid gap, over the eyes' distance",
    "blinks_per_min": "lids shut for up to 0.6 s",
    "eyes_closed": "share of frames with shut lids",
    "head_sway": "spread of yaw and roll, radians",
    "head_speed": "mean turning speed, radians per second",
    "head_shake": "mean second difference of the pose, radians per frame squared",
}
SURE_TURNS = [0, 2]  # yaw and roll; pitch is hardly read (validate.py)


@dataclass(frozen=True, eq=False)
class Reference:
    """A portrait's own face, which frames are compared with."""

    face: np.ndarray
    """[SIDE, SIDE, 3] aligned."""
    sharpness: float
    edge_energy: float
    """Both as :func:`flashtalk.evaluation.pictures.sharpness` has them."""


def reference_of(reader: FaceReader, portrait: np.ndarray) -> Reference:
    """The reference of a portrait [H, W, 3] uint8."""
    points = read_faces(reader, portrait[None]).points
    sharp, fine = pictures.sharpness(portrait[None], points)
    return Reference(pictures.align(portrait[None], points)[0], float(sharp[0]), float(fine[0]))


@dataclass(frozen=True, eq=False)
class Judges:
    """The networks that read and compare; the same for all runs of a table."""

    reader: FaceReader
    sync: SyncNetwork | None = None
    calibration: Calibration = UNCALIBRATED


def measure(
    judges: Judges,
    reference: Reference,
    frames: np.ndarray,
    track: FaceTrack,
    first_frame: int,
    speech: Speech,
    period_frames: int,
    first_colors: np.ndarray | None = None,
) -> dict[str, float]:
    """Figures of ``frames`` [F, H, W, 3], read as ``track``, that say ``speech``, as long.

    The first of them is number ``first_frame`` of the talk; a chunk adds ``period_frames``. Colors
    drift from ``first_colors`` [cells, 3], those of the talk's beginning
    (:func:`flashtalk.evaluation.pictures.mean_colors`); without them these figures are left out.
    """
    opening = judges.calibration.opening(track)
    lips = match_lips(opening, speech.expected_opening)
    lids = measures.lid_statistics(track.lids, judges.calibration.blink_share)
    head = measures.head_statistics(track.turns[:, SURE_TURNS])
    faces = pictures.align(frames, track.points)
    alike = pictures.likeness(faces, reference.face)
    low, high = np.percentile(opening, (5, 95))
    sharp, fine = pictures.sharpness(frames, track.points)
    differences = pictures.frame_differences(frames)
    figures = {
        "lip_correlation": lips.correlation,
        "lag_frames": float(lips.lag_frames),
        "closures": measures.phone_rate(opening, speech.phones, "closed"),
        "open_vowels": measures.phone_rate(opening, speech.phones, "open"),
        "lip_range": float(high - low),
        "identity": float(np.median(alike)),
        "identity_worst": float(np.percentile(alike, 5)),
        "sharpness": float(np.nanmedian(sharp) / reference.sharpness),
        "edge_energy": float(np.nanmedian(fine) / reference.edge_energy),
        "delta_e": float(np.median(pictures.color_difference(faces, reference.face))),
        "border_jump": border_jump(differences, first_frame, period_frames),
        "lid_opening": lids.opening,
        "blinks_per_min": lids.blinks_per_min,
        "eyes_closed": lids.closed_share,
        "head_sway": head.sway,
        "head_speed": head.speed_per_s,
        "head_shake": head.shake,
    }
    if first_colors is not None:
        drift, percent = pictures.color_drift(pictures.mean_colors(faces), first_colors)
        figures |= {"color_drift": drift, "color_drift_percent": percent}
    if judges.sync is not None:
        score = score_talk(judges.sync, track.mouth, speech.samples)
        figures |= {
            "sync_c": score.confidence,
            "sync_d": score.distance,
            "sync_offset": float(score.offset_frames),
        }
    return figures
