"""Phones to mouth motion: co-articulated weights of face targets at 25 frames a second.

Cohen-Massaro blending: every phone pulls the mouth towards its own shape with a dominance. It fades
before and after the phone, rounding earliest. A shape's curve is the dominance-weighted mean. Hard
rules come last. /p/, /b/ and /m/ close the lips, /f/ and /v/ touch lip to teeth, long silence rests
the mouth. Target names are the ARKit blendshapes and Oculus visemes of the renderer.

`mouth_curves` measures any set of weights in a few geometric numbers (lip gap, jaw drop, width).
Targets add linearly to vertices, so these are sums with one coefficient per target. Coefficients
come from lip, corner and chin vertices of the MakeHuman base mesh.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lab.synthesis.voices.phones import FRAME_RATE_HZ, SAMPLES_PER_FRAME, SILENCE, Phone

OVERSAMPLING = 4  # curves are made at 100 Hz, then averaged to frames
LEAD_S = 0.03  # lips lead the sound
LOUDNESS_FLOOR, LOUDNESS_SLOPE = 0.72, 0.5  # openness of a vowel at silence, and per envelope unit
CONTACT_FADE_S = 0.018
MIN_CONTACT_S = 0.04  # one frame: a shorter closure would vanish in the average
CONTACT_FRAME_BLEND = 0.92  # closure of the frame at a bilabial's center, whatever its neighbors
SHORTEST_REST_S = 0.18  # shorter silence does not bring the mouth to rest
REST_LAG_S, REST_LEAD_S, REST_RAMP_S = 0.10, 0.06, 0.10
MAX_WEIGHT = 1.2
CONTACTS = ("P", "F")


@dataclass(frozen=True)
class MouthTarget:
    """Mouth shape and timing of one phone class.

    weights: face target -> 0..1
    dominance: 0..1, how much it overrules its neighbors
    lead_s, lag_s: how early before and how long after its core it is felt
    """

    weights: Mapping[str, float]
    dominance: float
    lead_s: float
    lag_s: float

    def __post_init__(self) -> None:
        if not 0.0 < self.dominance <= 1.0 or min(self.lead_s, self.lag_s) <= 0.0:
            raise ValueError(
                f"MouthTarget has dominance {self.dominance}, lead {self.lead_s} s and lag "
                f"{self.lag_s} s; dominance must lie in (0, 1] and both times be positive."
            )


def _target(dominance: float, lead_s: float, lag_s: float, **weights: float) -> MouthTarget:
    return MouthTarget(weights, dominance, lead_s, lag_s)


TARGETS: Mapping[str, MouthTarget] = {
    SILENCE: _target(0.25, 0.12, 0.12),
    "P": _target(1.0, 0.05, 0.04, viseme_PP=1.0, mouthPressLeft=0.25, mouthPressRight=0.25),
    "F": _target(0.95, 0.055, 0.045, viseme_FF=1.0),
    "TH": _target(0.6, 0.06, 0.05, viseme_TH=1.0, tongueOut=0.15),
    "T": _target(0.35, 0.05, 0.05, viseme_DD=0.7),
    "S": _target(0.55, 0.06, 0.05, viseme_SS=0.9),
    "SH": _target(0.75, 0.09, 0.07, viseme_CH=1.0, mouthFunnel=0.25),
    "K": _target(0.25, 0.05, 0.05, viseme_kk=0.6),
    "N": _target(0.35, 0.05, 0.05, viseme_nn=0.6),
    "L": _target(0.4, 0.05, 0.05, viseme_nn=0.8, jawOpen=0.06),
    "R": _target(0.55, 0.09, 0.06, viseme_RR=0.9, mouthPucker=0.2),
    "W": _target(0.85, 0.11, 0.08, viseme_U=0.8, mouthPucker=0.65),
    "Y": _target(0.4, 0.06, 0.06, viseme_I=0.6),
    "HH": _target(0.12, 0.04, 0.04, jawOpen=0.08),
    "AA": _target(0.75, 0.09, 0.09, viseme_aa=1.0, jawOpen=0.28),
    "AE": _target(0.75, 0.09, 0.09, viseme_aa=0.75, viseme_E=0.35, jawOpen=0.18),
    "AH": _target(0.55, 0.07, 0.07, viseme_aa=0.6, jawOpen=0.15),
    "AO": _target(0.75, 0.10, 0.09, viseme_O=0.9, jawOpen=0.36),
    "EH": _target(0.65, 0.08, 0.08, viseme_E=0.85, jawOpen=0.24),
    "ER": _target(0.6, 0.09, 0.08, viseme_RR=0.7, viseme_E=0.2, jawOpen=0.06),
    "IH": _target(0.5, 0.07, 0.07, viseme_I=0.7, jawOpen=0.05),
    "IY": _target(0.65, 0.09, 0.08, viseme_I=1.0, mouthSmileLeft=0.15, mouthSmileRight=0.15),
    "UH": _target(0.6, 0.09, 0.08, viseme_U=0.7, mouthPucker=0.3, jawOpen=0.08),
    "UW": _target(0.8, 0.12, 0.09, viseme_U=0.9, mouthPucker=0.7),
    "OH": _target(0.75, 0.10, 0.09, viseme_O=1.0, mouthPucker=0.25, jawOpen=0.24),
}

MOUTH_TARGET_NAMES = tuple(sorted({name for target in TARGETS.values() for name in target.weights}))

# name -> (lip gap, chin drop, corner shift outwards) in decimeters at weight 1
_GEOMETRY: Mapping[str, tuple[float, float, float]] = {
    "jawOpen": (0.345, 0.196, -0.027),
    "mouthClose": (-0.344, 0.0, 0.028),
    "mouthFunnel": (0.144, 0.001, -0.031),
    "mouthLowerDownLeft": (0.019, 0.0, 0.0),
    "mouthLowerDownRight": (0.019, 0.0, 0.0),
    "mouthUpperUpLeft": (0.024, 0.0, 0.0),
    "mouthUpperUpRight": (0.024, 0.0, 0.0),
    "mouthPressLeft": (-0.015, 0.0, 0.031),
    "mouthPressRight": (-0.015, 0.0, 0.031),
    "mouthPucker": (-0.008, 0.0, -0.045),
    "mouthSmileLeft": (-0.016, 0.0, 0.040),
    "mouthSmileRight": (-0.016, 0.0, 0.040),
    "mouthStretchLeft": (0.002, 0.0, 0.030),
    "mouthStretchRight": (0.002, 0.0, 0.030),
    "mouthDimpleLeft": (0.001, 0.0, 0.028),
    "mouthDimpleRight": (0.001, 0.0, 0.028),
    "viseme_CH": (0.097, -0.002, -0.018),
    "viseme_DD": (0.065, 0.007, 0.0),
    "viseme_E": (0.069, 0.018, 0.023),
    "viseme_FF": (0.025, -0.007, 0.023),
    "viseme_I": (0.047, -0.001, 0.043),
    "viseme_O": (0.069, 0.036, -0.044),
    "viseme_PP": (-0.028, 0.028, 0.002),
    "viseme_RR": (0.057, 0.0, 0.014),
    "viseme_SS": (0.049, -0.003, 0.021),
    "viseme_TH": (0.032, 0.020, 0.0),
    "viseme_U": (0.016, 0.0, -0.026),
    "viseme_aa": (0.163, 0.116, -0.015),
    "viseme_kk": (0.075, 0.007, 0.007),
    "viseme_nn": (0.090, 0.007, 0.009),
}
FULL_GAP_DM, FULL_DROP_DM, FULL_SHIFT_DM = 0.25, 0.18, 0.06  # where a curve reads 1

MOUTH_CURVES = ("opening", "jaw", "closure", "lip_teeth", "rounding", "spread")


def mouth_curves(weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Face target weights ([T] each) to the curves MOUTH_CURVES: float32 [T, 6], about 0..1.

    opening: visible lip gap (1 = 25 mm)
    jaw: chin drop
    closure, lip_teeth: contact of /p b m/ and of /f v/
    rounding, spread: mouth corners inwards and outwards
    """
    frames = len(next(iter(weights.values())))
    still = np.zeros(frames, np.float32)
    geometry = np.zeros((frames, 3), np.float32)
    for name, coefficients in _GEOMETRY.items():
        if name in weights:
            geometry += np.outer(weights[name], np.array(coefficients, np.float32))
    gap, drop, shift = geometry.T
    curves = (
        np.maximum(gap, 0.0) / FULL_GAP_DM,
        np.maximum(drop, 0.0) / FULL_DROP_DM,
        weights.get("viseme_PP", still),
        weights.get("viseme_FF", still),
        np.maximum(-shift, 0.0) / FULL_SHIFT_DM,
        np.maximum(shift, 0.0) / FULL_SHIFT_DM,
    )
    return np.stack(curves, axis=1).astype(np.float32)


def loudness(samples: np.ndarray) -> np.ndarray:
    """Envelope per frame: [T], smoothed over 7 frames, 1 at the 95th percentile, at most 1.2."""
    frames = len(samples) // SAMPLES_PER_FRAME
    blocks = samples[: frames * SAMPLES_PER_FRAME].reshape(frames, SAMPLES_PER_FRAME)
    power = np.square(blocks, dtype=np.float64).mean(axis=1)
    envelope = np.convolve(np.sqrt(power + 1e-9), np.hanning(7) / 3.0, "same")
    return np.minimum(envelope / (np.percentile(envelope, 95) + 1e-3), 1.2)


def mouth_weights(
    phones: Sequence[Phone], envelope: np.ndarray, articulation: float = 1.0
) -> dict[str, np.ndarray]:
    """Face target weights that speak `phones`: name -> float32 [T].

    envelope: [T] from `loudness`; articulation: 0.8 mumbles, 1.25 is over-clear.
    """
    frames = len(envelope)
    times_s = np.arange(frames * OVERSAMPLING) / (FRAME_RATE_HZ * OVERSAMPLING) + LEAD_S
    segments = with_silences(phones, frames / FRAME_RATE_HZ)
    curves = _blend(segments, times_s, envelope, articulation)
    for phone in segments:
        if phone.name in CONTACTS:
            half_s = max(0.35 * (phone.end_s - phone.start_s), 0.5 * MIN_CONTACT_S)
            outside_s = np.maximum(np.abs(times_s - phone.center_s) - half_s, 0.0)
            _impose(curves, phone.name, np.exp(-np.square(outside_s / CONTACT_FADE_S)))
    window = np.hanning(2 * OVERSAMPLING + 3)[1:-1]
    margin = len(window) // 2
    padded = np.pad(curves, ((0, 0), (margin, margin)), "edge")
    smooth = np.stack([np.convolve(row, window / window.sum(), "valid") for row in padded])
    curves = smooth[:, : frames * OVERSAMPLING].reshape(len(curves), frames, -1).mean(axis=2)
    for phone in segments:
        frame = int((phone.center_s - LEAD_S) * FRAME_RATE_HZ)
        if phone.name in CONTACTS and 0 <= frame < frames:
            _impose(curves[:, frame : frame + 1], phone.name, np.array([CONTACT_FRAME_BLEND]))
    curves *= 1.0 - _rest(segments, frames)
    curves = np.clip(curves, 0.0, MAX_WEIGHT).astype(np.float32)
    return dict(zip(MOUTH_TARGET_NAMES, curves, strict=True))


def with_silences(phones: Sequence[Phone], seconds: float) -> list[Phone]:
    """The phones with every uncovered segment filled and neighboring silences merged."""
    filled: list[Phone] = []
    cursor_s = 0.0
    spoken = [phone for phone in phones if phone.name != SILENCE]
    for phone in spoken:
        if phone.start_s - cursor_s > 1e-3:
            filled.append(Phone(SILENCE, cursor_s, phone.start_s))
        filled.append(phone)
        cursor_s = phone.end_s
    if seconds - cursor_s > 1e-3:
        filled.append(Phone(SILENCE, cursor_s, seconds))
    return filled


def _blend(
    segments: Sequence[Phone], times_s: np.ndarray, envelope: np.ndarray, articulation: float
) -> np.ndarray:
    """Dominance-weighted mean of all targets: [targets, T * OVERSAMPLING]."""
    index = {name: row for row, name in enumerate(MOUTH_TARGET_NAMES)}
    total = np.zeros((len(index), len(times_s)))
    dominances = np.full(len(times_s), 1e-3)
    for phone in segments:
        target = TARGETS[phone.name]
        length_s = phone.end_s - phone.start_s
        offset_s = times_s - phone.center_s
        beyond_s = np.maximum(np.abs(offset_s) - 0.25 * length_s, 0.0)
        reach_s = np.where(offset_s < 0.0, target.lead_s, target.lag_s)
        dominance = target.dominance * np.exp(-((beyond_s / reach_s) ** 1.5))
        dominances += dominance
        scale = 1.0
        if phone.name not in CONTACTS:
            frame = min(max(int(phone.center_s * FRAME_RATE_HZ), 0), len(envelope) - 1)
            loud = LOUDNESS_FLOOR + LOUDNESS_SLOPE * float(envelope[frame])
            # short vowels do not reach their target
            reach = min(1.0, 0.65 + 0.35 * length_s / 0.12) if target.dominance < 0.8 else 1.0
            scale = articulation * loud * reach
        for name, weight in target.weights.items():
            total[index[name]] += dominance * (weight * scale)
    return total / dominances


def _impose(curves: np.ndarray, name: str, blend: np.ndarray) -> None:
    """Blends curves [targets, T] in place towards the target of the contact phone `name`."""
    wanted = np.array([[TARGETS[name].weights.get(n, 0.0)] for n in MOUTH_TARGET_NAMES])
    curves += blend * (wanted - curves)


def _rest(segments: Sequence[Phone], frames: int) -> np.ndarray:
    """How much silence holds the mouth closed, per frame: [T], 0 while speaking, 1 at rest."""
    times_s = (np.arange(frames) + 0.5) / FRAME_RATE_HZ + LEAD_S
    rest = np.zeros(frames)
    end_s = frames / FRAME_RATE_HZ
    for phone in segments:
        if phone.name != SILENCE or phone.end_s - phone.start_s < SHORTEST_REST_S:
            continue
        begins_s = phone.start_s + REST_LAG_S if phone.start_s > 0.0 else -REST_RAMP_S
        finishes_s = phone.end_s - REST_LEAD_S if phone.end_s < end_s else end_s + 1.0
        rising = np.clip((times_s - begins_s) / REST_RAMP_S, 0.0, 1.0)
        falling = np.clip((finishes_s - times_s) / REST_RAMP_S, 0.0, 1.0)
        ramp = np.minimum(rising, falling)
        rest = np.maximum(rest, ramp * ramp * (3.0 - 2.0 * ramp))
    return rest
