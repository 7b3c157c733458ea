"""A drawn face, and clips as the clip factory writes them, small enough to make in a test."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile
from PIL import Image

from flashtalk.models.tiny.face_code import LANDMARKS

PLACES = {  # at rest, eyes 0.4 apart, y down
    "left_mouth_corner": (0.15, 0.3),
    "right_mouth_corner": (-0.15, 0.3),
    "outer_upper_lip": (0.0, 0.26),
    "outer_lower_lip": (0.0, 0.34),
    "inner_upper_lip": (0.0, 0.3),
    "inner_lower_lip": (0.0, 0.3),
    "nose_tip": (0.0, 0.13),
    "chin": (0.0, 0.55),
    "left_eye_outer": (0.28, -0.1),
    "left_eye_inner": (0.12, -0.1),
    "left_eye_upper": (0.2, -0.13),
    "left_eye_lower": (0.2, -0.07),
    "left_brow": (0.2, -0.23),
    "right_eye_outer": (-0.28, -0.1),
    "right_eye_inner": (-0.12, -0.1),
    "right_eye_upper": (-0.2, -0.13),
    "right_eye_lower": (-0.2, -0.07),
    "right_brow": (-0.2, -0.23),
}
VOICES = ("alma", "bert")


def face_points(frames: int = 1, **moved: tuple[float, float]) -> np.ndarray:
    """The face at rest [F, L, 2], some landmarks elsewhere."""
    places = PLACES | moved
    return np.tile(np.array([places[name] for name in LANDMARKS]), (frames, 1, 1))


def textured(seed: int, side: int = 64) -> np.ndarray:
    """A smooth random picture [side, side, 3] uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def write_clip(folder: Path, number: int, voice: str, frames: int = 40) -> None:
    """A clip in which the sound bursts at a P in its middle and lips close there."""
    name = f"{number:06d}"
    rng = np.random.default_rng(number)
    samples = rng.normal(0, 1e-4, frames * 640).astype(np.float32)
    samples[frames // 2 * 640] = 0.9
    soundfile.write(folder / f"{name}.wav", samples, 16_000)
    Image.fromarray(textured(number)).save(folder / f"{name}.png")
    with av.open(str(folder / f"{name}.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 64
        for index in range(frames):
            picture = np.roll(textured(number), index, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    middle_s = frames / 50
    gap = 0.05 * np.abs(np.arange(frames) - frames // 2) / frames
    landmarks = face_points(frames)
    landmarks[:, LANDMARKS.index("inner_lower_lip"), 1] += gap
    np.savez(
        folder / f"{name}.npz",
        landmarks=landmarks.astype(np.float32),
        portrait_landmarks=face_points()[0].astype(np.float32),
        landmark_names=np.array(LANDMARKS),
        curves=np.zeros((frames, 3), np.float16),
        curve_names=np.array(("yaw", "pitch", "roll")),
        phones=np.array(("AA", "P", "AA")),
        phone_times=np.array(
            ((0.2, middle_s - 0.05), (middle_s - 0.05, middle_s + 0.05), (middle_s + 0.05, 1.4)),
            np.float32,
        ),
        voice=np.array(voice),
    )


def frames_of(path: Path) -> np.ndarray:
    """All pictures of a video [F, H, W, 3]."""
    with av.open(str(path)) as video:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])
