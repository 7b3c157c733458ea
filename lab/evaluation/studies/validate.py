"""How far the judges can be trusted: the measuring chain on rendered clips, whose truth is known.

    python -m lab.evaluation.studies.validate --clips DIR --reader assets/flashtalk-tiny --out docs

Only people are used that the reader was never trained on. Everything is said twice: for the frames
as rendered, and blurred to about half their detail. Generated frames are softer than renders, and a
reader may lose their lips.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from flashtalk.config import TINY
from flashtalk.errors import command
from flashtalk.evaluation import pictures
from flashtalk.evaluation.face_track import FaceTrack
from flashtalk.evaluation.series import border_jump, correlation, match_lips
from flashtalk.models.tiny.face_code import LANDMARKS
from flashtalk.models.tiny.landmarks import FaceReader
from lab.evaluation.measures import series as measures
from lab.evaluation.measures.calibration import Calibration, calibrate, for_calibration
from lab.evaluation.measures.reading import load_reader, read_faces
from lab.evaluation.measures.sync import SHIPPED, SyncNetwork, load_sync
from lab.evaluation.measures.train_sync import accuracy
from lab.evaluation.segment import Judges, measure, reference_of
from lab.evaluation.talks import RenderedClip, Speech, clip_names, load_clip
from lab.options import TINY_WEIGHTS, read_options, require_at_least, set_up

log = logging.getLogger(__name__)

BLUR_SIGMA_PX = 1.5
SLIGHT_BLUR_PX = 0.4  # sigma; hardly seen
SOME = slice(0, None, 12)  # frames of a clip
SPREAD_PERCENT = (10.0, 90.0)
HALF_SIDE_PX = 128  # of a picture of 256 pixels: what one picture unit is
MOUTH_POINTS = [index for index, name in enumerate(LANDMARKS) if "lip" in name or "mouth" in name]


@dataclass(frozen=True, eq=False)
class Reading:
    """One clip as the reader sees it, beside its truth."""

    clip: RenderedClip
    track: FaceTrack
    faces: np.ndarray
    """Some aligned faces [n, SIDE, SIDE, 3]."""
    portrait_face: np.ndarray
    """[SIDE, SIDE, 3]"""
    figures: dict[str, float]
    """As of a generated talk."""
    differences: np.ndarray
    """[F - 1] change from frame to frame."""
    sharpness: np.ndarray
    """[2, F] of each frame, over gradients and alone."""
    blurred: np.ndarray
    """[2, n] the same of some frames, slightly blurred."""


def read_clip(judges: Judges, clip: RenderedClip, blur_px: float = 0.0) -> Reading:
    """Read all frames of ``clip``, blurred by so many pixels (sigma)."""
    frames = blur(clip.frames(), blur_px) if blur_px else clip.frames()
    track = read_faces(judges.reader, frames)
    reference = reference_of(judges.reader, clip.portrait)
    speech = Speech.whole(clip.samples, clip.phones)
    return Reading(
        clip,
        track,
        pictures.align(frames[SOME], track.points[SOME]),
        reference.face,
        measure(judges, reference, frames, track, 0, speech, TINY.geometry.new_frames),
        pictures.frame_differences(frames),
        np.stack(pictures.sharpness(frames, track.points)),
        np.stack(pictures.sharpness(blur(frames[SOME], SLIGHT_BLUR_PX), track.points[SOME])),
    )


def blur(frames: np.ndarray, sigma_px: float) -> np.ndarray:
    """Frames [F, H, W, 3], each blurred."""
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma_px) for frame in frames])


def reader_figures(readings: Sequence[Reading], calibration: Calibration) -> dict[str, float]:
    """Errors and correlations of the reader. Correlations are medians over clips that speak."""
    speaking = [reading for reading in readings if reading.clip.phones]
    away = np.concatenate(
        [np.linalg.norm(r.track.points - r.clip.track.points, axis=2) for r in readings]
    )
    lips = [match_lips(calibration.opening(r.track), r.clip.track.opening) for r in speaking]
    gaps = np.concatenate([calibration.opening(r.track) - r.clip.track.opening for r in readings])
    figures = {
        "clips": float(len(readings)),
        "points_px": float(away.mean() * HALF_SIDE_PX),
        "mouth_points_px": float(away[:, MOUTH_POINTS].mean() * HALF_SIDE_PX),
        "gap_error": float(np.abs(gaps).mean()),
        "gap_bias": float(gaps.mean()),
        "gap_correlation": float(np.median([lip.correlation for lip in lips])),
        "gap_correlation_worst": float(np.min([lip.correlation for lip in lips])),
        "gap_lag_frames_worst": float(max(abs(lip.lag_frames) for lip in lips)),
        "lid_correlation": _median(correlation(r.track.lids, r.clip.track.lids) for r in readings),
    }
    for index, name in enumerate(("yaw", "pitch", "roll")):
        figures[f"{name}_correlation"] = _median(
            correlation(r.track.turns[:, index], r.clip.turns[:, index]) for r in readings
        )
    blinks: dict[str, list[measures.LidStatistics]] = {"true": [], "read": []}
    for reading in readings:
        blinks["true"].append(measures.lid_statistics(reading.clip.track.lids))
        blinks["read"].append(measures.lid_statistics(reading.track.lids, calibration.blink_share))
    for source, found in blinks.items():
        figures[f"blinks_per_min_{source}"] = _mean(each.blinks_per_min for each in found)
    figures["blinks_per_clip_error"] = _mean(
        abs(a.blinks_per_min - b.blinks_per_min) * len(reading.track.points) / 1500
        for a, b, reading in zip(blinks["true"], blinks["read"], readings, strict=True)
    )
    for wanted in ("closed", "open"):
        rates: dict[str, list[float]] = {"true": [], "read": []}
        for reading in speaking:
            phones = reading.clip.phones
            openings = (reading.clip.track.opening, calibration.opening(reading.track))
            for source, opening in zip(rates, openings, strict=True):
                rates[source].append(measures.phone_rate(opening, phones, wanted))
        figures |= {f"{wanted}_{source}": _mean(values) for source, values in rates.items()}
    return figures


def talk_figures(readings: Sequence[Reading], percent: float = 50.0) -> dict[str, float]:
    """Scores of a perfect talk: renders measured like generated talks.

    The median over clips, or another percentile: how far a figure of a few seconds says something.
    """
    speaking = [reading.figures for reading in readings if reading.clip.phones]
    return {name: _percentile((each[name] for each in speaking), percent) for name in speaking[0]}


def border_figures(readings: Sequence[Reading]) -> dict[str, float]:
    """The border jump by chance: clips without borders, measured as if these lay anywhere.

    Each clip is measured with borders at each of the places that a chunk leaves them.
    """
    period = TINY.geometry.new_frames
    jumps = [border_jump(r.differences, at, period) for r in readings for at in range(period)]
    spread = {f"{percent:g} % below": _percentile(jumps, percent) for percent in SPREAD_PERCENT}
    return {"deviation": float(np.nanstd(jumps))} | spread


def sharpness_figures(readings: Sequence[Reading]) -> dict[str, float]:
    """How much sharpness changes by itself, and how much by a slight blur.

    By itself: from the first half of a clip to the second, as a share of the first.
    """
    figures = {}
    for index, name in enumerate(("sharpness", "edge_energy")):
        changes, kept = [], []
        for reading in readings:
            first, second = (np.median(p) for p in np.array_split(reading.sharpness[index], 2))
            changes.append(abs(second / first - 1.0))
            kept.append(np.median(reading.blurred[index] / reading.sharpness[index, SOME]))
        figures[f"{name}_changes"] = float(np.median(changes))
        figures[f"{name}_changes_most"] = float(np.max(changes))
        figures[f"{name}_left_by_blur"] = float(np.median(kept))
    return figures


def identity_figures(readings: Sequence[Reading]) -> dict[str, float]:
    """Likeness of frames to their own portrait and to those of others, and how well it separates.

    Own portraits share light and camera with their frames, as a session's do. That makes this
    easier than recognizing a person.
    """
    own: list[np.ndarray] = []
    others: list[np.ndarray] = []
    for reading in readings:
        for other in readings:
            found = pictures.likeness(reading.faces, other.portrait_face)
            (own if other is reading else others).append(found)
    mine, theirs = np.concatenate(own), np.concatenate(others)
    return {
        "own_median": float(np.median(mine)),
        "own_worst_twentieth": float(np.percentile(mine, 5)),
        "others_median": float(np.median(theirs)),
        "others_best_twentieth": float(np.percentile(theirs, 95)),
        "auc": measures.auc(mine, theirs),
    }


def mouths_and_sounds(
    clips: Sequence[RenderedClip], tracks: Sequence[FaceTrack]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mouths [F, 5] of ``tracks`` and samples [640 F] of their clips, where somebody speaks."""
    pairs = zip(clips, tracks, strict=True)
    return [(track.mouth, clip.samples) for clip, track in pairs if clip.phones]


def validate(
    reader: FaceReader, clips: Sequence[RenderedClip], sync: SyncNetwork | None = None
) -> dict[str, dict[str, float]]:
    """All figures by name of the condition and group; some of ``clips`` calibrate the reader."""
    calibrating = for_calibration(clips)
    calibration = calibrate(reader, calibrating)
    judges = Judges(reader, sync, calibration)
    report: dict[str, dict[str, float]] = {"calibration": asdict(calibration)}
    if sync is not None:  # on what it was trained to read, so on all clips
        report["sync, true landmarks"] = accuracy(
            sync, mouths_and_sounds(clips, [clip.track for clip in clips])
        )
    clips = [clip for clip in clips if clip not in calibrating]
    for condition, blur_px in (("rendered", 0.0), ("blurred", BLUR_SIGMA_PX)):
        readings = [read_clip(judges, clip, blur_px) for clip in clips]
        report[f"reader, {condition}"] = reader_figures(readings, calibration)
        report[f"talk, {condition}"] = talk_figures(readings)
        for percent in SPREAD_PERCENT:
            name = f"talk, {condition}, {percent:g} % below"
            report[name] = talk_figures(readings, percent)
        report[f"borders anywhere, {condition}"] = border_figures(readings)
        report[f"sharpness, {condition}"] = sharpness_figures(readings)
        report[f"likeness, {condition}"] = identity_figures(readings)
        if sync is not None:
            offsets = [r.figures["sync_offset"] for r in readings if r.clip.phones]
            seen = mouths_and_sounds(clips, [r.track for r in readings])
            report[f"sync, {condition}"] = {
                "clips": float(len(offsets)),
                "clips_within_one_frame": float(sum(abs(offset) <= 1 for offset in offsets)),
            } | accuracy(sync, seen)
        log.info("%s done", condition)
    return report


def _median(values: Iterable[float]) -> float:
    return _percentile(values, 50.0)


def _percentile(values: Iterable[float], percent: float) -> float:
    """Summary of the values that are known."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.percentile(known, percent)) if known else float("nan")


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Judge the judges: the measuring chain on rendered clips, whose truth is known."""

    clips: Path
    """Folder of clips, as ``python -m lab.synthesis`` makes them."""
    reader: Path = TINY_WEIGHTS
    """Folder with the face reader that judges."""
    sync: Path = SHIPPED
    """Folder of the sync network, made by ``lab.evaluation.measures.train_sync``."""
    count: int = 30
    """Most clips to use."""
    out: Path | None = None
    """Folder for judges.json."""
    threads: int = 1
    """Threads of the processor."""

    def __post_init__(self) -> None:
        require_at_least(1, self, "count")


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    config = read_options(Validation, arguments)
    set_up(config.threads)
    names = clip_names(config.clips)[: config.count]
    clips = [load_clip(config.clips, name) for name in names]
    report = validate(load_reader(config.reader), clips, load_sync(config.sync))
    for group, figures in report.items():
        log.info("%s: %s", group, {name: round(value, 3) for name, value in figures.items()})
    if config.out:
        config.out.mkdir(parents=True, exist_ok=True)
        path = config.out / "judges.json"
        path.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
