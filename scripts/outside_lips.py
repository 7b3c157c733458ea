"""Lips of finished talks, read by a network that is not ours: MediaPipe's face mesh.

    python -m flashtalk.evaluation.recorded ... --videos runs/recorded
    python3 -m venv .judge && .judge/bin/pip install mediapipe==0.10.14 av
    PYTHONPATH=. .judge/bin/python scripts/outside_lips.py runs/recorded

Has an environment of its own, because MediaPipe asks for older packages than the product's. The
portrait autoencoder was trained beside the project's own face reader, so a second judge is due.
"""

import json
import sys
from pathlib import Path

import av
import cv2
import mediapipe
import numpy as np

from flashtalk.evaluation.measures import PHONE_MARGIN_FRAMES, match_lips
from flashtalk.synthesis.phones import FRAME_RATE_HZ

SIDE_PX = 512  # faces are found better in larger pictures
EYE_CORNERS = (33, 263)
LIPS = ((13, 14), (82, 87), (312, 317))  # inner edges, upper and lower: middle, left, right
CLOSED = 0.03  # of the distance of the outer corners of the eyes
MAX_LAG_FRAMES = 5


def lip_gaps(video: Path) -> np.ndarray:
    """Gap of the lips over the distance of the eyes' corners, [F]; NaN without a face."""
    gaps = []
    with (
        av.open(str(video)) as container,
        mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as mesh,
    ):
        for frame in container.decode(video=0):
            picture = frame.to_ndarray(format="rgb24")
            picture = cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
            faces = mesh.process(picture).multi_face_landmarks
            if not faces:
                gaps.append(np.nan)
                continue
            points = np.array([(point.x, point.y) for point in faces[0].landmark])
            gap = np.mean([np.linalg.norm(points[a] - points[b]) for a, b in LIPS])
            gaps.append(gap / np.linalg.norm(points[EYE_CORNERS[0]] - points[EYE_CORNERS[1]]))
    return np.array(gaps)


def main() -> None:
    """Read every talk of a folder."""
    for path in sorted(Path(sys.argv[1]).glob("*.json")):
        wanted = json.loads(path.read_text())
        gaps = lip_gaps(path.with_suffix(".mp4"))
        seen = ~np.isnan(gaps)
        if not seen.any():
            sys.stdout.write(f"{path.stem}: no face was found in {len(gaps)} frames\n")
            continue
        frames = np.arange(len(gaps))
        gaps = np.interp(frames, frames[seen], gaps[seen])
        lips = match_lips(gaps, np.array(wanted["opening"]), MAX_LAG_FRAMES)
        shut = []
        for second in wanted["closures_s"]:
            frame = int(second * FRAME_RATE_HZ)
            near = gaps[max(frame - PHONE_MARGIN_FRAMES, 0) : frame + PHONE_MARGIN_FRAMES + 1]
            shut.append(bool(near.min() < CLOSED))
        low, high = np.percentile(gaps, (5, 95))
        sys.stdout.write(
            f"{path.stem}: {len(gaps)} frames, {1 - seen.mean():.0%} without a face, "
            f"correlation {lips.correlation:.2f}, lag {lips.lag_frames}, "
            f"{np.mean(shut):.2f} of {len(shut)} closures, range {high - low:.2f}\n"
        )


if __name__ == "__main__":
    main()
