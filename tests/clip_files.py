"""Clips of a plain face that moves, in memory and in the files that ``lab.synthesis`` writes.

What no test looks at (flow, parts) is there and empty; everything else agrees with the pictures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from faces import face
from PIL import Image

from flashtalk.models.tiny.face_code import LANDMARKS
from lab.synthesis.factory import write_video, write_wave
from lab.training.data.clips import Clip, pixels_of

SIDE = 64  # pixels
SKIN, LIPS, WALL = (220, 170, 140), (180, 40, 60), (40, 90, 60)


def draw(points: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Points [L, 2] -> a picture [side, side, 3] uint8 of their face, with the mouth in it."""
    picture = np.full((side, side, 3), WALL, np.uint8)
    low, high = points.min(axis=0), points.max(axis=0)
    picture[pixels_of((*(low + high) / 2, *(high - low) / 2), side)] = SKIN
    mouth = points[: LANDMARKS.index("inner_upper_lip")]
    low, high = mouth.min(axis=0), mouth.max(axis=0)
    picture[pixels_of((*(low + high) / 2, *(high - low) / 2), side)] = LIPS
    return picture


CURVES = ("gaze_x", "gaze_y", "lip_gap", "left_eye_opening")


def make_clip(
    frames: int = 45,
    shift: tuple[float, float] = (0.3, 0.0),
    seed: int = 0,
    gap: float = 0.06,
    side: int = SIDE,
) -> Clip:
    """A clip whose face wanders by 0.05 around ``shift``, its lips ``gap`` apart."""
    rng = np.random.default_rng(seed)
    way = np.cumsum(rng.normal(0, 0.01, (frames, 2)), axis=0).clip(-0.05, 0.05)
    still = face(shift, gap).numpy()[0]
    points = still + way[:, None]
    pictures = np.stack([draw(each, side) for each in points])
    time_s = np.arange(frames * 640) / 16_000
    return Clip(
        name=f"{seed:06d}",
        footage=lambda: pictures,
        portrait=draw(still, side),
        samples=(0.3 * np.sin(2 * np.pi * (150 + 60 * time_s) * time_s)).astype(np.float32),
        flow=np.zeros((frames, 64, 64, 2), np.float16),
        parts=np.zeros((frames, 64, 64), np.uint8),
        visible=np.zeros((frames, 64, 64), np.uint8),
        landmarks=points.astype(np.float32),
        curves=np.zeros((frames, len(CURVES)), np.float32),
        closed=np.zeros(frames, np.float32),
        portrait_landmarks=still,
        portrait_curves=np.zeros(len(CURVES), np.float32),
        landmark_names=LANDMARKS,
        curve_names=CURVES,
        emotion="calm",
    )


def write_clip(folder: Path, clip: Clip) -> None:
    """The four files of ``clip``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_video(folder / f"{clip.name}.mp4", clip.frames, clip.samples)
    write_wave(folder / f"{clip.name}.wav", clip.samples)
    Image.fromarray(clip.portrait).save(folder / f"{clip.name}.png")
    names = ("flow", "parts", "visible", "landmarks", "curves", "emotion")
    names += ("portrait_landmarks", "portrait_curves", "landmark_names", "curve_names")
    np.savez(
        folder / f"{clip.name}.npz",
        weights=clip.closed[:, None],
        weight_names=["eyeBlinkLeft"],
        **{name: getattr(clip, name) for name in names},
    )
