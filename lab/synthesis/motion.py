"""Everything that moves besides the mouth: blinks, gaze, brows, head, breathing, emotion.

Pure functions of a random generator and the loudness envelope, at 25 frames a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flashtalk.models.tiny.blinks import draw_blink
from lab.synthesis.voices.phones import FRAME_RATE_HZ

BLINK_INTERVAL_S = 3.0  # median; log-normal
REST_SPREAD = (0.12, 0.05, 0.04)  # radians; how people hold their head: yaw, pitch, roll

EMOTIONS: Mapping[str, Mapping[str, tuple[float, float]]] = {  # target -> weakest, strongest
    "neutral": {"mouthSmile": (0.0, 0.10), "browInnerUp": (0.0, 0.08)},
    "happy": {
        "mouthSmile": (0.28, 0.5),
        "cheekSquint": (0.15, 0.45),
        "eyeSquint": (0.05, 0.2),
        "browOuterUp": (0.0, 0.12),
    },
    "serious": {
        "browDown": (0.2, 0.5),
        "eyeSquint": (0.05, 0.2),
        "mouthFrown": (0.05, 0.22),
    },
    "surprised": {
        "browInnerUp": (0.25, 0.5),
        "browOuterUp": (0.2, 0.5),
        "eyeWide": (0.15, 0.4),
    },
}
EMOTION_ODDS = {"neutral": 0.45, "happy": 0.3, "serious": 0.14, "surprised": 0.11}
ONE_SIDED = ("browInnerUp",)  # targets without a left and a right half


@dataclass(frozen=True)
class HeadMotion:
    """Pose of the head over time, all [T]; angles in radians, gaze and shift see Performance."""

    yaw: np.ndarray
    pitch: np.ndarray
    roll: np.ndarray
    gaze: np.ndarray  # [T, 2]
    shift: np.ndarray  # [T, 3], decimeters


def sway(frames: int, rng: np.random.Generator, slowest_hz: float) -> np.ndarray:
    """Smooth wandering as a sum of four slow sines with falling weights; sd about 1, [T]."""
    times_s = np.arange(frames) / FRAME_RATE_HZ
    total = np.zeros(frames)
    for order in range(1, 5):
        hz = slowest_hz * order * rng.uniform(0.6, 1.4)
        amplitude = rng.uniform(0.6, 1.4) / order
        total += amplitude * np.sin(2 * np.pi * hz * times_s + rng.uniform(0, 2 * np.pi))
    return total / 0.85


def accents(envelope: np.ndarray) -> np.ndarray:
    """Where speech is louder than the second around it: [T], 0..1, smooth."""
    peaks = np.clip(envelope - _smoothed(envelope, np.hanning(25) / 12.0), 0.0, 1.0)
    return _smoothed(peaks, np.hanning(15) / 4.0)


def _smoothed(curve: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """`curve` [T] under an odd `kernel`, [T] also where the kernel is the longer one."""
    half = len(kernel) // 2
    return np.convolve(curve, kernel)[half : half + len(curve)]


def blinks(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Eyelid closure [T], 0..1: two frames to close, four to six to open."""
    closed = np.zeros(frames + 20)
    frame = rng.uniform(0.2, 2.2) * FRAME_RATE_HZ
    while frame < frames:
        shape = draw_blink(rng)
        first = int(frame)
        window = closed[first : first + len(shape)]
        np.maximum(window, shape, out=window)
        pause_s = np.clip(rng.lognormal(np.log(BLINK_INTERVAL_S), 0.5), 0.8, 8.0)
        frame += pause_s * FRAME_RATE_HZ
    return closed[:frames]


def draw_emotion(rng: np.random.Generator) -> str:
    """One of EMOTIONS, by EMOTION_ODDS."""
    return str(rng.choice(list(EMOTION_ODDS), p=list(EMOTION_ODDS.values())))


def face_weights(
    emotion: str, envelope: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Blinks, accents of the brows and a held emotion: face target -> [T].

    The strength of the emotion breathes slowly by a tenth; both halves of the face differ a little.
    """
    frames = len(envelope)
    accent = accents(envelope)
    lids = blinks(frames, rng)
    brows = accent * rng.uniform(0.15, 0.5) + 0.03 * sway(frames, rng, 0.15)
    weights = {
        "eyeBlinkLeft": lids,
        "eyeBlinkRight": lids.copy(),
        "browInnerUp": np.clip(0.04 + brows, 0.0, 0.6),
        "browOuterUpLeft": np.clip(0.7 * brows, 0.0, 0.5),
        "browOuterUpRight": np.clip(0.7 * brows, 0.0, 0.5),
    }
    for name, (weakest, strongest) in EMOTIONS[emotion].items():
        level = rng.uniform(weakest, strongest) * (1.0 + 0.1 * sway(frames, rng, 0.06))
        for side in ("",) if name in ONE_SIDED else ("Left", "Right"):
            half = level * (rng.uniform(0.9, 1.0) if side else 1.0)
            weights[name + side] = weights.get(name + side, 0.0) + np.clip(half, 0.0, 1.0)
    if emotion == "surprised":  # wide eyes still close in a blink
        for side in ("Left", "Right"):
            weights["eyeWide" + side] *= 1.0 - lids
    return weights


def head_motion(envelope: np.ndarray, rng: np.random.Generator) -> HeadMotion:
    """Head pose, gaze and posture for a clip; livelier where the envelope shows speech."""
    frames = len(envelope)
    times_s = np.arange(frames) / FRAME_RATE_HZ
    lively = rng.uniform(0.6, 1.3)
    accent = accents(envelope)
    breath = np.sin(
        2 * np.pi * rng.uniform(0.2, 0.33) * times_s
        + rng.uniform(0, 2 * np.pi)
        + 0.4 * sway(frames, rng, 0.05)
    )
    yaw, pitch, roll = rng.normal(0, REST_SPREAD)
    yaw = yaw + lively * (0.05 * sway(frames, rng, 0.11) + 0.012 * sway(frames, rng, 0.5))
    pitch = pitch + 0.004 * breath
    pitch = pitch + lively * (0.022 * sway(frames, rng, 0.16) + rng.uniform(0.02, 0.07) * accent)
    roll = roll + lively * 0.02 * sway(frames, rng, 0.1)
    shift = np.stack(
        [
            0.025 * lively * sway(frames, rng, 0.08),
            0.008 * sway(frames, rng, 0.1) + rng.uniform(0.008, 0.018) * breath,
            0.020 * lively * sway(frames, rng, 0.07),
        ],
        axis=1,
    )
    yaw, pitch = np.clip(yaw, -0.3, 0.3), np.clip(pitch, -0.2, 0.2)
    return HeadMotion(yaw, pitch, roll, _gaze(yaw, pitch, rng), shift)


def _gaze(yaw: np.ndarray, pitch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Saccades around the camera plus the counter-rotation that keeps it in view: [T, 2] rad."""
    frames = len(yaw)
    gaze = np.zeros((frames, 2))
    first = 0
    while first < frames:
        held = int(np.clip(rng.exponential(1.3), 0.25, 4.0) * FRAME_RATE_HZ)
        away = rng.random() < 0.6
        gaze[first : first + held] = rng.normal(size=2) * (0.06, 0.03) * away
        first += held
    gaze[:, 0] -= 0.55 * yaw
    gaze[:, 1] += 0.4 * pitch
    return np.clip(gaze, -0.35, 0.35)


def lid_follow(gaze: np.ndarray) -> np.ndarray:
    """How far the upper lids follow a downward look: [T], for eyeLookDownLeft and -Right."""
    return np.clip(-1.2 * gaze[:, 1], 0.0, 0.5)
