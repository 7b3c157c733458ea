"""Renderer's knowledge -> face codes: the latents that autoencoder and transformer are trained on.

Reads the labels of a :class:`~flashtalk.training.clips.Clip`; what the channels mean is said in
:mod:`flashtalk.models.face_code`. Every number is in units of about its own spread.
"""

from __future__ import annotations

import numpy as np

from flashtalk.models.face_code import EYES, FEATURES, FLOW_UNIT, MOUTH, index_of
from flashtalk.training.clips import Clip

CELLS = 8
MOUTH_SIGMA = 0.8  # cells of 32 pixels
EYE_SIGMA = 0.6
# (rest, spread) of each number in picture units (the picture is 2 wide); width and lid keep their
# rest, because a mouth or an eye is always somewhere and the painting has to show where.
UNITS = {
    "lip_gap": (0.0, 0.025),
    "lip_height": (0.13, 0.03),
    "lip_width": (0.0, 0.18),
    "corner": (-0.028, 0.015),
    "jaw": (0.45, 0.06),
    "lid": (0.0, 0.035),
    "gaze_x": (0.0, 0.05),  # radians
    "gaze_y": (0.0, 0.05),
    "brow": (-0.15, 0.02),
}


def splat(centers: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussians around ``centers`` [F, 2] (x, y in -1..1) on the grid: [F, CELLS, CELLS]."""
    middle = (np.arange(CELLS) + 0.5) / CELLS * 2 - 1
    cell = 2.0 / CELLS
    across = np.exp(-(((middle[None] - centers[:, :1]) / (sigma * cell)) ** 2) / 2)
    down = np.exp(-(((middle[None] - centers[:, 1:]) / (sigma * cell)) ** 2) / 2)
    return down[:, :, None] * across[:, None, :]


def mouth_numbers(marks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Mouth features [F] in picture units from landmarks [F, 2]."""
    left, right = marks["left_mouth_corner"], marks["right_mouth_corner"]
    upper, lower = marks["outer_upper_lip"], marks["outer_lower_lip"]
    return {
        "lip_gap": np.linalg.norm(marks["inner_lower_lip"] - marks["inner_upper_lip"], axis=-1),
        "lip_height": np.linalg.norm(lower - upper, axis=-1),
        "lip_width": np.linalg.norm(left - right, axis=-1),
        "corner": (left[:, 1] + right[:, 1]) / 2 - (upper[:, 1] + lower[:, 1]) / 2,
        "jaw": np.linalg.norm(marks["chin"] - marks["nose_tip"], axis=-1),
    }


def face_codes(
    landmarks: np.ndarray, names: tuple[str, ...], gaze: np.ndarray, flow: np.ndarray | None
) -> np.ndarray:
    """Codes [F, features, 8, 8] float16.

    ``landmarks`` [F, L, 2]; ``gaze`` [F, 2] radians; ``flow`` [F, 64, 64, 2] positions in the
    portrait, or None where the picture is the portrait.
    """
    marks = {name: landmarks[:, index].astype(np.float64) for index, name in enumerate(names)}
    codes = np.zeros((len(landmarks), len(FEATURES), CELLS, CELLS), np.float64)
    if flow is not None:
        middle = (np.arange(64) + 0.5) / 64 * 2 - 1
        here = np.stack(np.meshgrid(middle, middle), axis=-1)
        offset = (flow.astype(np.float64) - here).reshape(len(flow), CELLS, 8, CELLS, 8, 2)
        codes[:, :2] = offset.mean(axis=(2, 4)).transpose(0, 3, 1, 2) / FLOW_UNIT

    lips = ("left_mouth_corner", "right_mouth_corner", "outer_upper_lip", "outer_lower_lip")
    mouth = splat(np.mean([marks[name] for name in lips], axis=0), MOUTH_SIGMA)
    for name, value in mouth_numbers(marks).items():
        rest, spread = UNITS[name]
        codes[:, index_of(name)] = mouth * ((value - rest) / spread)[:, None, None]
    for side in ("left", "right"):
        corners = (marks[f"{side}_eye_outer"] + marks[f"{side}_eye_inner"]) / 2
        eye = splat(corners, EYE_SIGMA)
        opening = np.linalg.norm(marks[f"{side}_eye_lower"] - marks[f"{side}_eye_upper"], axis=-1)
        values = {
            "lid": opening,
            "gaze_x": gaze[:, 0],
            "gaze_y": gaze[:, 1],
            "brow": marks[f"{side}_brow"][:, 1] - corners[:, 1],
        }
        for name, value in values.items():
            rest, spread = UNITS[name]
            codes[:, index_of(name)] += eye * ((value - rest) / spread)[:, None, None]
    return codes.astype(np.float16)


def clip_codes(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """Codes of all frames [F, features, 8, 8] and of the portrait [features, 8, 8]."""
    columns = [clip.curve_names.index(name) for name in ("gaze_x", "gaze_y")]
    frames = face_codes(clip.landmarks, clip.landmark_names, clip.curves[:, columns], clip.flow)
    portrait = face_codes(
        clip.portrait_landmarks[None],
        clip.landmark_names,
        clip.portrait_curves[None, columns],
        None,
    )
    return frames, portrait[0]


def mirror(codes: np.ndarray) -> np.ndarray:
    """Codes [..., features, 8, 8] of the mirrored picture."""
    signs = np.array([-1.0 if name in ("flow_x", "gaze_x") else 1.0 for name in FEATURES])
    return codes[..., ::-1] * signs[:, None, None].astype(codes.dtype)


def painted_weight(codes: np.ndarray) -> np.ndarray:
    """Where something is painted: emphasis [..., features, 8, 8] for losses on codes."""
    weight = np.ones(codes.shape, np.float32)
    for group, shown, strength in ((MOUTH, "lip_width", 6.0), (EYES, "lid", 3.0)):
        place = np.clip(codes[..., index_of(shown), :, :].astype(np.float32), 0.0, 1.0)
        for name in group:
            weight[..., index_of(name), :, :] += strength * place
    return weight
