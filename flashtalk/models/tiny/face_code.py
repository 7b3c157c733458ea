"""What the channels of an embedded latent mean: the motion of a face, painted where it happens.

A latent holds a few quantities for each of its four frames, on the 8x8 grid. They are the *code* of
a face. The renderer of the training clips knows them exactly. Flow fills the grid. Values of mouth
and eyes are painted around them as Gaussians, so a cell says both what happens and where. Learned
latents of the same size hide the mouth: two cores cannot pay for the steps that would show it.

Letters: N faces, L landmarks, D features of a code, h x w cells; C = 4 D channels of a latent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.models.tiny.maps import cell_centers

GROUP_FRAMES = 4  # frames per latent after the first; the geometry's temporal_stride

FLOW = ("flow_x", "flow_y")
MOUTH = ("lip_gap", "lip_height", "lip_width", "corner", "jaw")
EYES = ("lid", "gaze_x", "gaze_y", "brow")
FEATURES = FLOW + MOUTH + EYES

LANDMARKS = (
    "left_mouth_corner",
    "right_mouth_corner",
    "outer_upper_lip",
    "outer_lower_lip",
    "inner_upper_lip",
    "inner_lower_lip",
    "nose_tip",
    "chin",
    "left_eye_outer",
    "left_eye_inner",
    "left_eye_upper",
    "left_eye_lower",
    "left_brow",
    "right_eye_outer",
    "right_eye_inner",
    "right_eye_upper",
    "right_eye_lower",
    "right_brow",
)
"""The landmarks that a code is computed from. ``left`` is the person's: right in the picture."""

FLOW_UNIT = 0.1
"""Picture units (a picture is 2 wide) per unit of the flow channels."""

MOUTH_SIGMA = 0.8
"""Standard deviation of the Gaussian that paints the values of a mouth, in cells."""
EYE_SIGMA = 0.6
"""The same for an eye."""

NEAREST_EYES = 0.1
"""Least distance of two eyes, picture units: that of a face a tenth as wide as the picture. It
bounds what is measured in this distance, or takes its direction."""

# Width, gap and lid have mean 0, so that whatever is painted shows where a mouth or an eye is.
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
"""(mean, standard deviation) of each value, in picture units."""


def index_of(feature: str) -> int:
    """Channel of ``feature`` in a code."""
    return FEATURES.index(feature)


def brush(center: Tensor, sigma: float, size: tuple[int, int]) -> Tensor:
    """Gaussians around ``center`` [N, 2] (x, y in -1..1) on a grid of ``size`` = (h, w): [N, h, w].

    ``sigma`` is in cells.
    """

    def along(count: int, middle: Tensor) -> Tensor:
        places = cell_centers(count, center)
        return torch.exp(-(((places - middle[:, None]) / (sigma * 2 / count)) ** 2) / 2)

    down, across = along(size[0], center[:, 1]), along(size[1], center[:, 0])
    return down[:, :, None] * across[:, None, :]


def mouth_middle(points: Tensor) -> Tensor:
    """Where the mouth of ``points`` [N, L, 2] is painted: [N, 2]."""
    names = ("left_mouth_corner", "right_mouth_corner", "outer_upper_lip", "outer_lower_lip")
    return points[:, [LANDMARKS.index(name) for name in names]].mean(dim=1)


def eye_middle(points: Tensor, side: str) -> Tensor:
    """Where the ``left`` or ``right`` eye of ``points`` [N, L, 2] is painted: [N, 2]."""
    corners = [LANDMARKS.index(f"{side}_eye_{corner}") for corner in ("outer", "inner")]
    return points[:, corners].mean(dim=1)


def eye_width(points: Tensor, side: str) -> Tensor:
    """Distance of the corners of an eye of ``points`` [N, L, 2]: [N], picture units."""
    outer, inner = (LANDMARKS.index(f"{side}_eye_{corner}") for corner in ("outer", "inner"))
    return (points[:, outer] - points[:, inner]).norm(dim=-1)


def paint(points: Tensor, gaze: Tensor, size: tuple[int, int]) -> Tensor:
    """Codes [N, D, h, w] of faces with ``points`` [N, L, 2] and ``gaze`` [N, 2], without flow.

    ``points`` are in the order of ``LANDMARKS``, in -1..1; gaze is in radians.
    """
    at = {name: points[:, index] for index, name in enumerate(LANDMARKS)}
    left, right = at["left_mouth_corner"], at["right_mouth_corner"]
    upper, lower = at["outer_upper_lip"], at["outer_lower_lip"]
    mouth = brush(mouth_middle(points), MOUTH_SIGMA, size)
    values = {
        "lip_gap": (at["inner_lower_lip"] - at["inner_upper_lip"]).norm(dim=-1),
        "lip_height": (lower - upper).norm(dim=-1),
        "lip_width": (left - right).norm(dim=-1),
        "corner": (left[:, 1] + right[:, 1] - upper[:, 1] - lower[:, 1]) / 2,
        "jaw": (at["chin"] - at["nose_tip"]).norm(dim=-1),
    }
    painted = {name: mouth * in_units(name, value) for name, value in values.items()}
    for side in ("left", "right"):
        middle = eye_middle(points, side)
        eye = brush(middle, EYE_SIGMA, size)
        values = {
            "lid": lid_gap(at[f"{side}_eye_upper"], at[f"{side}_eye_lower"]),
            "gaze_x": gaze[:, 0],
            "gaze_y": gaze[:, 1],
            "brow": at[f"{side}_brow"][:, 1] - middle[:, 1],
        }
        for name, value in values.items():
            painted[name] = painted.get(name, 0.0) + eye * in_units(name, value)
    still = torch.zeros_like(mouth)
    return torch.stack([painted.get(name, still) for name in FEATURES], dim=1)


def lid_gap(upper: Tensor, lower: Tensor) -> Tensor:
    """How far apart the middles [N, 2] of two lids are: [N], 0 where they overlap.

    Tightly shut lids overlap by as much as half-open lids are apart.
    """
    return (lower - upper).norm(dim=-1) * (lower[:, 1] > upper[:, 1])


def in_units(name: str, value: Tensor) -> Tensor:
    """[N] in picture units or radians -> [N, 1, 1] in standard deviations from the mean."""
    mean, deviation = UNITS[name]
    return ((value - mean) / deviation)[:, None, None]


FLOW_PLACE = slice(index_of("flow_x"), index_of("flow_x") + 2)  # channels of the flow in a code


def frame_codes(latents: Tensor, frames: int = GROUP_FRAMES) -> Tensor:
    """The codes of the first ``frames`` of each latent [N, C, h, w]: [N * frames, D, h, w]."""
    return latents.unflatten(1, (GROUP_FRAMES, len(FEATURES)))[:, :frames].flatten(0, 1)


def flow_of(latents: Tensor) -> Tensor:
    """The flow that latents [..., C, h, w] ask for: [..., 4, 2, h, w], picture units."""
    code = latents.unflatten(-3, (GROUP_FRAMES, len(FEATURES)))
    return code[..., FLOW_PLACE, :, :] * FLOW_UNIT


def with_flow(code: Tensor, flow: Tensor) -> Tensor:
    """Codes [M, D, h, w] with another ``flow`` [M, 2, h, w], picture units."""
    code = code.clone()
    code[:, FLOW_PLACE] = flow / FLOW_UNIT
    return code


def frames_of(groups: Tensor) -> Tensor:
    """Values of groups [B, 1+k, 4, ...] -> of their frames [B, 1+4k, ...]."""
    return torch.cat((groups[:, 0].mean(dim=1, keepdim=True), groups[:, 1:].flatten(1, 2)), dim=1)


def groups_of(frames: Tensor, size: int = GROUP_FRAMES) -> Tensor:
    """Values of frames [B, 1+4k, ...] -> of their groups [B, 1+k, 4, ...]; ``size`` is the 4."""
    first = frames[:, :1, None].expand(-1, -1, size, *frames.shape[2:])
    return torch.cat((first, frames[:, 1:].unflatten(1, (-1, size))), dim=1)
