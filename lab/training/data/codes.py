"""Renderer's knowledge -> face codes: the latents that autoencoder and transformer are trained on.

Reads the labels of a :class:`~lab.training.data.clips.Clip`; what the channels mean is said in
:mod:`flashtalk.models.tiny.face_code`. Every number is in units of about its own spread.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import maximum_filter1d

from flashtalk.models.tiny.face_code import (
    EYES,
    FEATURES,
    FLOW_UNIT,
    LANDMARKS,
    MOUTH,
    index_of,
    paint,
)
from lab.training.data.clips import Clip

CELLS = 8
CLOSURE_EMPHASIS = 3.0
SHUT, OPEN = 0.65, 1.2  # lip gaps as painted, in UNITS
NEAR_FRAMES = 3
BLINK_FRAMES = 4  # an eye that is shut was open, or will be, so many frames away


def face_codes(
    landmarks: np.ndarray, names: tuple[str, ...], gaze: np.ndarray, flow: np.ndarray | None
) -> np.ndarray:
    """Codes [F, features, 8, 8] float16.

    ``landmarks`` [F, L, 2]; ``gaze`` [F, 2] radians; ``flow`` [F, 64, 64, 2] positions in the
    portrait, or None where the picture is the portrait.
    """
    points = landmarks[:, [names.index(name) for name in LANDMARKS]]
    codes = paint(
        torch.from_numpy(points.astype(np.float32)),
        torch.from_numpy(np.asarray(gaze, np.float32)),
        (CELLS, CELLS),
    ).numpy()
    if flow is not None:
        middle = (np.arange(64) + 0.5) / 64 * 2 - 1
        here = np.stack(np.meshgrid(middle, middle), axis=-1)
        offset = (flow.astype(np.float64) - here).reshape(len(flow), CELLS, 8, CELLS, 8, 2)
        codes[:, :2] = offset.mean(axis=(2, 4)).transpose(0, 3, 1, 2) / FLOW_UNIT
    return codes.astype(np.float16)


def portrait_points(clip: Clip) -> np.ndarray:
    """Landmarks of the portrait in the order of ``LANDMARKS``: [L, 2] float32."""
    return clip.portrait_landmarks[[clip.landmark_names.index(name) for name in LANDMARKS]]


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


def mirror_points(points: np.ndarray) -> np.ndarray:
    """Landmarks [..., L, 2] of the mirrored picture: what was left is right."""
    other = {"left": "right", "right": "left"}
    sides = [name.partition("_") for name in LANDMARKS]
    swapped = [other.get(side, side) + dash + rest for side, dash, rest in sides]
    return points[..., [LANDMARKS.index(name) for name in swapped], :] * np.array(
        [-1, 1], np.float32
    )


def painted_weight(codes: np.ndarray) -> np.ndarray:
    """Emphasis for losses on the codes of successive frames: both [F, features, 8, 8].

    Where something is painted counts more, and lips that meet between two sounds count most. They
    are short, and a network that is unsure of a p would leave them half open. Lids that are shut
    paint nothing: where they are is where they open.
    """
    weight = np.ones(codes.shape, np.float32)
    width, lid = (codes[:, index_of(name)].astype(np.float32) for name in ("lip_width", "lid"))
    lid = maximum_filter1d(lid, 2 * BLINK_FRAMES + 1, axis=0)
    for group, shown, strength in ((MOUTH, width, 6.0), (EYES, lid, 3.0)):
        place = np.clip(shown, 0.0, 1.0)
        for name in group:
            weight[:, index_of(name)] += strength * place
    weight[lips_meet(codes), index_of("lip_gap")] *= CLOSURE_EMPHASIS
    return weight


def lips_meet(codes: np.ndarray) -> np.ndarray:
    """Frames of ``codes`` [F, features, 8, 8] in which a mouth that talks is shut: [F] bool."""
    gap = codes[:, index_of("lip_gap")].astype(np.float32).max(axis=(1, 2))
    return (gap < SHUT) & (maximum_filter1d(gap, 2 * NEAR_FRAMES + 1) > OPEN)
