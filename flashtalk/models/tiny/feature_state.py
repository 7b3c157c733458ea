"""What a face code says of a mouth or an eye: aperture, values and jaws, in frame and portrait.

The values are averages over a dozen cells, so noise of single cells hardly moves the lips. The
place is the portrait's own, traced along the flow that carries the pixels of the lips. So painted
and warped lips cannot part. All lengths are picture units (a picture is 2 wide). Letters: M
features, L landmarks, [features, h, w] face codes (:mod:`flashtalk.models.tiny.face_code`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from flashtalk.models.tiny.face_code import (
    EYE_SIGMA,
    EYES,
    LANDMARKS,
    MOUTH,
    MOUTH_SIGMA,
    NEAREST_EYES,
    UNITS,
    brush,
    eye_middle,
    eye_width,
    index_of,
    mouth_middle,
)
from flashtalk.models.tiny.maps import cell_centers
from flashtalk.models.tiny.opening import MIN_HALF_WIDTH, Aperture, skew_of, slope_of

HEAD_POSE = {
    "nose_x": (0.0, 0.05),
    "nose_y": (-0.46, 0.07),
    "chin_x": (0.0, 0.04),
    "chin_y": (0.63, 0.07),
    "eyes_x": (0.0, 0.06),
    "eyes_y": (-1.03, 0.07),
    "between_x": (-0.45, 0.065),
    "between_y": (0.0, 0.02),
}
"""(mean, standard deviation) over 100 rendered clips of the values that describe a head's pose.

Nose, chin and the middle of the eyes are measured from the mouth, in distances of the eyes.
``between`` leads from the left to the right eye, in picture units."""

MOUTH_VALUES = 2 * (len(MOUTH) + len(HEAD_POSE))  # of the frame, and of the portrait
EYE_VALUES = 2 * len(EYES) + 1  # and which eye it is

COVER_GAP = (0.008, 0.02)  # picture units a half gap has to shrink by: cover begins, is complete
COVER_SMALL_GAP = (0.004, 0.008)  # the same once an opening is closed
CLOSED = (0.3, 0.6)  # lost shares of the portrait's gap: closing begins, is complete
MIN_HALF_GAP = 0.004  # picture units, half a pixel of 256: no share is taken of a smaller one
TRACE_STEPS = 3  # fixed-point steps along a smooth flow


@dataclass(frozen=True)
class JawPlacement:
    """Where the teeth of M pictures stand, whatever the lips do."""

    upper: Tensor
    """[M, 2] place as far from the frame's nose as the portrait's mouth from its own."""
    lower: Tensor
    """[M, 2] the same from the chin."""
    scale: Tensor
    """[M] distance of the portrait's eyes, picture units."""

    def select(self, index: Tensor) -> JawPlacement:
        """The jaws at ``index`` [K]."""
        return JawPlacement(self.upper[index], self.lower[index], self.scale[index])


@dataclass(frozen=True)
class FeatureState:
    """M mouths or eyes, each in a frame and in its portrait."""

    frame: Aperture
    portrait: Aperture
    values: Tensor
    """[M, n] values of the frame, of the portrait, then those that both share; in standard
    deviations."""
    jaws: JawPlacement | None = None
    """Only of mouths."""

    @property
    def portrait_values(self) -> Tensor:
        """The values [M, n] of a frame that shows just what the portrait shows."""
        count = self.values.shape[1] // 2
        portrait = self.values[:, count : 2 * count]
        return torch.cat((portrait, portrait, self.values[:, 2 * count :]), dim=1)

    @property
    def cover_share(self) -> Tensor:
        """How far lips cover teeth that the portrait shows: [M] in 0..1.

        A gap has to shrink by a pixel or two; a small one that closes is covered all the same.
        """
        shrunk = self.portrait.half_gap - self.frame.half_gap
        small = self.closed_share * _ramp(shrunk, *COVER_SMALL_GAP)
        return torch.maximum(_ramp(shrunk, *COVER_GAP), small)

    @property
    def closed_share(self) -> Tensor:
        """How far the portrait's opening is closed: [M] in 0..1."""
        return self.lost_share(*CLOSED)

    def lost_share(self, start: float, end: float) -> Tensor:
        """[M]: 0 up to ``start`` of the portrait's gap that is lost, 1 from ``end`` on."""
        lost = 1.0 - self.frame.half_gap / self.portrait.half_gap.clamp(min=MIN_HALF_GAP)
        return _ramp(lost, start, end)

    def select(self, index: Tensor) -> FeatureState:
        """The features at ``index`` [K]."""
        return FeatureState(
            frame=self.frame.select(index),
            portrait=self.portrait.select(index),
            values=self.values[index],
            jaws=self.jaws.select(index) if self.jaws else None,
        )


# --- reading codes ------------------------------------------------------------------------------
def read_values(
    code: Tensor, center: Tensor, names: tuple[str, ...], sigma: float, size: tuple[int, int]
) -> Tensor:
    """The values of ``names`` around ``center`` [M, 2] in codes [M, features, h, w]: [M, names].

    The matched filter is the Gaussian that painted them; ``size`` is (h, w).
    """
    mask = brush(center, sigma, size)[:, None]
    painted = code[:, [index_of(name) for name in names]]
    return (painted * mask).sum(dim=(2, 3)) / mask.square().sum(dim=(2, 3)).clamp(min=1e-6)


def read_center(code: Tensor) -> Tensor:
    """Where mouths are painted in codes [M, features, h, w], by their width: [M, 2] in -1..1."""
    paint = code[:, index_of("lip_width")]
    height, width = paint.shape[-2:]
    # below a quarter of the peak there is more noise than paint
    paint = (paint - 0.25 * paint.amax(dim=(1, 2), keepdim=True)).clamp(min=0.0)
    total = paint.sum(dim=(1, 2)).clamp(min=1e-6)
    x = (paint.sum(dim=1) * cell_centers(width, code)).sum(dim=1) / total
    y = (paint.sum(dim=2) * cell_centers(height, code)).sum(dim=1) / total
    return torch.stack((x, y), dim=1)


def read_mouths(code: Tensor, flow: Tensor, points: Tensor, portrait_code: Tensor) -> FeatureState:
    """The mouths of codes [M, features, h, w] whose decoded flow is ``flow`` [M, 2, H, W].

    ``points`` [M, L, 2] are the portraits' landmarks and ``portrait_code`` [M, features, h, w]
    their codes. A portrait's aperture lies between its inner lips, a little beside the painted
    place. A frame's aperture is as far beside it.
    """
    size = (code.shape[-2], code.shape[-1])
    home = mouth_middle(points)
    values = read_values(code, read_center(code), MOUTH, MOUTH_SIGMA, size)
    portrait_values = read_values(portrait_code, home, MOUTH, MOUTH_SIGMA, size)

    def landmark(name: str) -> Tensor:
        return points[:, LANDMARKS.index(name)]

    nose, chin = landmark("nose_tip"), landmark("chin")
    inner_lips = (landmark("inner_upper_lip") + landmark("inner_lower_lip")) / 2 - home
    eyes = [eye_middle(points, side) for side in ("left", "right")]
    face = torch.stack((home, nose, chin, *eyes), dim=1)
    traced = trace_flow(flow, face)
    between_eyes = eyes[1] - eyes[0]
    eye_distance = between_eyes.norm(dim=-1).clamp(min=NEAREST_EYES)
    corners = landmark("right_mouth_corner"), landmark("left_mouth_corner")
    slope = slope_of(corners[0] - corners[1])
    skew = skew_of(home + inner_lips, *corners)
    roll = slope_of(traced[:, 4] - traced[:, 3]) - slope_of(between_eyes)
    pose, portrait_pose = (head_pose(each, eye_distance) for each in (traced, face))
    return FeatureState(
        frame=mouth_aperture(traced[:, 0], values, slope + roll, skew, inner_lips),
        portrait=mouth_aperture(home, portrait_values, slope, skew, inner_lips),
        values=torch.cat((values, pose, portrait_values, portrait_pose), dim=1),
        jaws=JawPlacement(
            upper=traced[:, 1] + home - nose, lower=traced[:, 2] + home - chin, scale=eye_distance
        ),
    )


def mouth_aperture(
    place: Tensor, values: Tensor, slope: Tensor, skew: Tensor, inner_lips: Tensor
) -> Aperture:
    """The aperture of mouths painted at ``place`` [M, 2] with ``values`` [M, MOUTH].

    ``inner_lips`` [M, 2] leads from that place to the middle between the inner lips.
    """
    half_width = _half(values, MOUTH, "lip_width").clamp(min=MIN_HALF_WIDTH)
    half_gap = _half(values, MOUTH, "lip_gap").clamp(min=0.0)
    corners = _half(values, MOUTH, "corner")  # below the painted place
    mouth = Aperture(place, half_width, half_gap, slope, corners, skew)
    return mouth.center_shifted(inner_lips)


def head_pose(face: Tensor, eye_distance: Tensor) -> Tensor:
    """The values of ``HEAD_POSE`` in standard deviations: [M, 8].

    ``face`` [M, 5, 2] holds mouth, nose, chin, left and right eye; ``eye_distance`` [M] is the
    portrait's.
    """
    mouth, nose, chin, left, right = face.unbind(dim=1)
    around = torch.cat((nose - mouth, chin - mouth, (left + right) / 2 - mouth), dim=1)
    values = torch.cat((around / eye_distance[:, None], right - left), dim=1)
    mean, deviation = values.new_tensor(list(HEAD_POSE.values())).unbind(dim=1)
    return (values - mean) / deviation


def read_eyes(code: Tensor, flow: Tensor, points: Tensor, portrait_code: Tensor) -> FeatureState:
    """The eyes of the same, left and right of each picture in turn: a state of 2 M features.

    The portrait knows how wide an eye is; codes do not say it.
    """
    size = (code.shape[-2], code.shape[-1])
    sides = []
    for side, sign in (("left", -1.0), ("right", 1.0)):
        home = eye_middle(points, side)
        center = trace_flow(flow, home[:, None])[:, 0]
        values = read_values(code, center, EYES, EYE_SIGMA, size)
        portrait_values = read_values(portrait_code, home, EYES, EYE_SIGMA, size)
        which = values.new_full((len(values), 1), sign)
        half_width = (eye_width(points, side) / 2).clamp(min=MIN_HALF_WIDTH)
        level = torch.zeros_like(half_width)
        gap, portrait_gap = (
            _half(each, EYES, "lid").clamp(min=0.0) for each in (values, portrait_values)
        )
        sides.append(
            (
                (center, half_width, gap, level, level, level),
                (home, half_width, portrait_gap, level, level, level),
                torch.cat((values, portrait_values, which), dim=1),
            )
        )
    (left_frame, left_portrait, left), (right_frame, right_portrait, right) = sides
    return FeatureState(
        frame=Aperture(*map(_interleave, left_frame, right_frame)),
        portrait=Aperture(*map(_interleave, left_portrait, right_portrait)),
        values=_interleave(left, right),
    )


def trace_flow(flow: Tensor, target: Tensor) -> Tensor:
    """Places p [M, K, 2] of a frame whose flow leads to ``target`` [M, K, 2]: p + flow(p) = target.

    ``flow`` [M, 2, H, W] is smooth, so a few fixed-point steps settle it. No gradient reaches it. A
    flow that learns from the places of mouth and jaws bends chins to hide the teeth on them.
    """
    flow, place = flow.detach(), target
    for _ in range(TRACE_STEPS):
        moved = F.grid_sample(flow, place[:, None], padding_mode="border", align_corners=False)
        place = (target - moved[:, :, 0].transpose(1, 2)).clamp(-1.0, 1.0)
    return place


def _half(values: Tensor, names: tuple[str, ...], name: str) -> Tensor:
    """Half of the length ``name`` in picture units: [M]."""
    mean, deviation = UNITS[name]
    return (values[:, names.index(name)] * deviation + mean) / 2


def _interleave(left: Tensor, right: Tensor) -> Tensor:
    """[M, ...] twice -> [2 M, ...], left and right in turn."""
    return torch.stack((left, right), dim=1).flatten(0, 1)


def _ramp(value: Tensor, start: float, end: float) -> Tensor:
    """0 up to ``start``, 1 from ``end`` on."""
    return ((value - start) / (end - start)).clamp(0.0, 1.0)
