"""One talk -> its figures, gathered piece by piece while it is made.

No phones are known of a visitor's voice. So lips are compared with its loudness, which real lips
follow with a correlation of about 0.5 (measured here on recorded sentences of eleven people).
Letters: F frames, H x W pixels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np

from flashtalk.evaluation import pictures
from flashtalk.evaluation.face_follower import FaceFollower
from flashtalk.evaluation.face_track import FaceTrack
from flashtalk.evaluation.series import CLOSED_GAP, MAX_LAG_FRAMES, border_jump, match_lips
from flashtalk.geometry import ChunkGeometry
from flashtalk.stream.piece import VideoPiece

QUIET_DB, LOUD_DB = -50.0, -15.0
"""Loudness that counts as silence, and as loudest, over full scale."""
PAUSE_DB = -45.0  # of the loudness, below which nobody speaks
SETTLED_FRAMES = 5  # after which lips have shut in a pause
_LEAST_FRAMES = 2 * MAX_LAG_FRAMES + 2


@dataclass(frozen=True)
class Figures:
    """What can be said of a talk; NaN where something cannot be known."""

    seconds: float
    """Length of the talk."""
    faces_seen: float
    """Share of frames in which the judge sees a face."""
    lip_range: float
    """5th to 95th percentile of the lip gap, over the distance of the eyes."""
    lip_sound: float
    """Correlation of the lip gap with the loudness of the voice, at the best lag."""
    lag_frames: float
    """That lag; positive: the picture comes after the sound."""
    shut_in_pauses: float
    """Share of frames with shut lips, where the voice has paused for 0.2 s."""
    likeness: float
    """Edges around eyes and nose, compared with the portrait's; median."""
    sharpness: float
    """How fine the edges of the face are, over the portrait's; median."""
    border_jump: float
    """Change between frames at borders of chunks, over that inside."""
    color_drift: float
    """CIE76 difference of the face's colors, last second to first."""
    real_time: float
    """Seconds of video made per second of work."""
    first_fragment_s: float
    """From the opening of the session to the first playable bytes."""

    def row(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


NAMES = tuple(field.name for field in fields(Figures))


class TalkMeasure:
    """Gathers what frames show, piece by piece.

    Args:
        portrait: [H, W, 3] uint8, as the session has it.
        geometry: of the session's chunks.
    """

    def __init__(self, portrait: np.ndarray, geometry: ChunkGeometry) -> None:
        self._geometry = geometry
        self._follower = FaceFollower()
        own = FaceFollower().read([portrait])
        self._face = None
        self._sharp = float("nan")
        if not np.isnan(own).any():
            self._face = pictures.align(portrait[None], own)[0]
            self._sharp = float(pictures.sharpness(portrait[None], own)[0][0])
        self._last: np.ndarray | None = None
        self._points: list[np.ndarray] = []
        self._differences: list[np.ndarray] = []
        self._alike: list[np.ndarray] = []
        self._sharpness: list[np.ndarray] = []
        self._colors: list[np.ndarray] = []
        self._stages: dict[str, float] = {}
        self._chunks = 0

    def add(self, piece: VideoPiece) -> None:
        """Looks at the frames of ``piece``; pieces come in order."""
        frames = piece.frames
        self._chunks += piece.completes_chunk
        for stage, seconds in piece.timings.items():
            self._stages[stage] = self._stages.get(stage, 0.0) + seconds
        joined = frames if self._last is None else np.concatenate((self._last[None], frames))
        self._differences.append(pictures.frame_differences(joined))
        self._last = frames[-1]
        points = self._follower.read(frames)
        self._points.append(points)
        seen = ~np.isnan(points).any(axis=(1, 2))
        alike, sharp = np.full((2, len(frames)), np.nan)
        if self._face is not None and seen.any():
            faces = pictures.align(frames[seen], points[seen])
            alike[seen] = pictures.likeness(faces, self._face)
            sharp[seen] = pictures.sharpness(frames[seen], points[seen])[0] / self._sharp
            self._colors.append(pictures.cell_colors(faces))
        self._alike.append(alike)
        self._sharpness.append(sharp)

    def figures(
        self, loudness: np.ndarray, *, real_time: float, first_fragment_s: float
    ) -> Figures:
        """The figures of all that was added, whose voice has ``loudness`` [F] in dB.

        Frames of ``loudness`` after the last one that was added are left out.
        """
        nan = float("nan")
        points = np.concatenate(self._points)
        seen = ~np.isnan(points).any(axis=(1, 2))
        gap = _filled(FaceTrack(points).opening, seen) if seen.any() else None
        loudness = loudness[: len(points)]
        lips = None
        if gap is not None and len(gap) >= _LEAST_FRAMES:
            lips = match_lips(gap, np.clip(loudness, QUIET_DB, LOUD_DB))
        colors = np.concatenate(self._colors) if self._colors else None
        second = self._geometry.fps
        return Figures(
            seconds=len(points) / self._geometry.fps,
            faces_seen=float(seen.mean()),
            lip_range=float(np.diff(np.percentile(gap, (5, 95)))[0]) if gap is not None else nan,
            lip_sound=lips.best_correlation if lips else nan,
            lag_frames=float(lips.lag_frames) if lips else nan,
            shut_in_pauses=_shut_in_pauses(gap, loudness) if gap is not None else nan,
            likeness=_median(self._alike),
            sharpness=_median(self._sharpness),
            border_jump=border_jump(
                np.concatenate(self._differences), 0, self._geometry.new_frames
            ),
            color_drift=nan
            if colors is None
            else float(
                pictures.color_drift(colors[-second:].mean(axis=0), colors[:second].mean(axis=0))[0]
            ),
            real_time=real_time,
            first_fragment_s=first_fragment_s,
        )

    @property
    def timings(self) -> dict[str, float]:
        """Mean seconds of a chunk by stage; empty for a session that is not timed."""
        return {stage: seconds / max(self._chunks, 1) for stage, seconds in self._stages.items()}

    @property
    def series(self) -> dict[str, np.ndarray]:
        """What each frame shows, by name, each [F]; NaN where no face is seen.

        ``lips``: gap over the distance of the eyes. ``likeness`` and ``sharpness``: as in
        :class:`Figures`. ``change``: to the next frame, 0..255; its last entry is NaN.
        """
        change = np.concatenate((*self._differences, [np.nan]))
        return {
            "lips": FaceTrack(np.concatenate(self._points)).opening,
            "likeness": np.concatenate(self._alike),
            "sharpness": np.concatenate(self._sharpness),
            "change": change,
        }


def loudness_db(samples: np.ndarray, samples_per_frame: int) -> np.ndarray:
    """Loudness of each frame [F] of ``samples`` [S], over full scale."""
    count = -(-len(samples) // samples_per_frame)
    padded = np.pad(samples.astype(np.float64), (0, count * samples_per_frame - len(samples)))
    power = np.square(padded.reshape(count, samples_per_frame)).mean(axis=1)
    return 10.0 * np.log10(power + 1e-10)


def _filled(series: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """``series`` [F] with what is not ``seen`` between its neighbors."""
    frames = np.arange(len(series))
    return np.interp(frames, frames[seen], series[seen])


def _shut_in_pauses(gap: np.ndarray, loudness: np.ndarray) -> float:
    quiet = loudness < PAUSE_DB
    before = np.lib.stride_tricks.sliding_window_view(
        np.concatenate((np.zeros(SETTLED_FRAMES, bool), quiet)), SETTLED_FRAMES + 1
    )
    settled = before.all(axis=1)
    return float((gap[settled] < CLOSED_GAP).mean()) if settled.any() else float("nan")


def _median(series: list[np.ndarray]) -> float:
    joined = np.concatenate(series)
    return float("nan") if np.isnan(joined).all() else float(np.nanmedian(joined))
