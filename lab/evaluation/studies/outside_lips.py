"""Lips of finished talks, read by a network that is not ours: MediaPipe's face mesh.

    python3 -m venv .judge && .judge/bin/pip install mediapipe==0.10.14 av tyro
    PYTHONPATH=. .judge/bin/python lab/evaluation/studies/outside_lips.py \\
        runs/talks runs/true runs/recorded --out runs/evaluation/outside.json

Has an environment of its own, because MediaPipe asks for older packages than the product's. The
portrait autoencoder was trained beside the project's own face reader, so a second judge is due.
Each folder holds NAME.mp4 and NAME.json, as ``lab.evaluation.videos`` writes them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import tyro

from flashtalk.evaluation.series import match_lips
from lab.evaluation.measures.series import around
from lab.options import read_options

SIDE_PX = 512  # faces are found better in larger pictures
EYE_CORNERS = (33, 263)
LIPS = ((13, 14), (82, 87), (312, 317))  # inner edges, upper and lower: middle, left, right
CLOSED = 0.03  # of the distance of the outer corners of the eyes
MAX_LAG_FRAMES = 5


@dataclass(frozen=True)
class Lips:
    """The lips of one video."""

    frames: int
    without_face: float
    """Share of the frames."""
    correlation: float
    """Lip gap seen against the one that the phones imply."""
    lag_frames: int
    """Positive: the picture is late."""
    closures: int
    """p, b and m that are said."""
    closed: int
    """How many of these have shut lips."""
    gap_range: float
    """5th to 95th percentile of the gap, over the distance of the outer corners of the eyes."""
    gaps: tuple[float, ...]
    """Of every frame, in the same unit; where no face was seen, from the frames around."""


def lip_gaps(video: Path) -> np.ndarray:
    """Gap of the lips over the distance of the eyes' outer corners, [F]; NaN without a face."""
    import mediapipe  # in its own environment only

    gaps = []
    with (
        av.open(str(video)) as container,
        mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as mesh,
    ):
        for frame in container.decode(video=0):
            small = frame.to_ndarray(format="rgb24")
            picture = cv2.resize(small, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
            faces = mesh.process(picture).multi_face_landmarks
            if not faces:
                gaps.append(np.nan)
                continue
            points = np.array([(point.x, point.y) for point in faces[0].landmark])
            gap = np.mean([np.linalg.norm(points[a] - points[b]) for a, b in LIPS])
            gaps.append(gap / np.linalg.norm(points[EYE_CORNERS[0]] - points[EYE_CORNERS[1]]))
    return np.array(gaps)


def judge(
    gaps: np.ndarray, expected_opening: Sequence[float], closures_s: Sequence[float]
) -> Lips | None:
    """Gaps [F], NaN without a face, against what lips should do; None if no frame has a face.

    Raises ``ValueError`` if there are not as many openings expected as gaps seen.
    """
    seen = ~np.isnan(gaps)
    if not seen.any():
        return None
    frames = np.arange(len(gaps))
    gaps = np.interp(frames, frames[seen], gaps[seen])
    match = match_lips(gaps, np.array(expected_opening))
    wanted = [near for second in closures_s if len(near := around(gaps, second))]
    low, high = np.percentile(gaps, (5, 95))
    return Lips(
        frames=len(gaps),
        without_face=round(float(1 - seen.mean()), 4),
        correlation=round(match.correlation, 4),
        lag_frames=match.lag_frames,
        closures=len(wanted),
        closed=sum(bool(near.min() < CLOSED) for near in wanted),
        gap_range=round(float(high - low), 4),
        gaps=tuple(np.round(gaps, 4).tolist()),
    )


def summary(videos: Sequence[Lips]) -> dict[str, float]:
    """Figures of all ``videos`` of a folder together."""
    correlations = [lips.correlation for lips in videos]
    shares = [lips.closed / lips.closures for lips in videos if lips.closures]
    closures = sum(lips.closures for lips in videos)
    return {
        "videos": len(videos),
        "correlation_mean": round(float(np.mean(correlations)), 3),
        "correlation_lowest": min(correlations),
        "correlation_highest": max(correlations),
        "lag_frames_most": max(abs(lips.lag_frames) for lips in videos),
        "closures": closures,
        "closed_share": round(sum(lips.closed for lips in videos) / max(closures, 1), 3),
        "closed_share_lowest": round(min(shares, default=0.0), 3),
    }


def read_folder(folder: Path) -> dict[str, Lips]:
    """The lips of every video of ``folder``, by its name; those without a face are left out."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        wanted = json.loads(path.read_text())
        lips = judge(lip_gaps(path.with_suffix(".mp4")), wanted["opening"], wanted["closures_s"])
        if lips is None:
            sys.stdout.write(f"{path.stem}: no face was found\n")
            continue
        found[path.stem] = lips
        sys.stdout.write(
            f"{path.stem}: {lips.frames} frames, {lips.without_face:.0%} without a face, "
            f"correlation {lips.correlation:.2f}, lag {lips.lag_frames}, "
            f"{lips.closed} of {lips.closures} closures, range {lips.gap_range:.2f}\n"
        )
        sys.stdout.flush()
    return found


@dataclass(frozen=True, kw_only=True)
class OutsideLips:
    """Read every video of some folders."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """With NAME.mp4 and NAME.json."""
    out: Path | None = None
    """JSON file for all figures."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Read every video; 2 if a folder has none with a face."""
    config = read_options(OutsideLips, arguments)
    report = {}
    for folder in config.folders:
        videos = read_folder(folder)
        if not videos:
            sys.stderr.write(f"There is no video with a face and its NAME.json in {folder}.\n")
            return 2
        report[folder.name] = {
            "summary": summary(list(videos.values())),
            "videos": {name: asdict(lips) for name, lips in videos.items()},
        }
        sys.stdout.write(f"{folder.name}: {report[folder.name]['summary']}\n")
    if config.out:
        found = {"closed_below": CLOSED, "folders": report}
        config.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
