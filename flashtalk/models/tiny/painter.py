"""Mouth and eyes, painted close up: the part of the decoder that lips, teeth and lids are drawn by.

Used by :class:`flashtalk.models.tiny.decoder.Decoder`. The rest of the decoder works on cells
of 8 pixels, in which two lips or two lids are one thing; it warps a closed mouth about but never
opens it, and never shuts an eye. Here a window around each feature is drawn at full resolution from
what the latents say of it in numbers:

    latents  -> openness, size, gaze ... ----------.
    portrait -> the same numbers of its own, place, moved along the flow
                                                   +--> lenses of both --> finer flow,
    portrait, warped along the flow ------------------------------> veil and color

    picture = (1 - veil) * portrait(finer flow) + veil * color

The *lens* is the shape between two lips or lids of that gap and width; between lips it tilts and
bends with the corners of the mouth, as a smile does. It is given to the network, which then need
not invent geometry. The numbers are averages over a dozen cells, so noise of single cells hardly
moves the lips; the place is the portrait's own, carried along by the same flow that carries the
lips' pixels, so the two cannot part. What lies behind lips and lids hangs on learned *prints*
(:meth:`CloseUp.printed`); teeth stand in the skull and on the chin, wherever the lips are, so two
more prints of a mouth move with these (:class:`Jaws`). The lens of the portrait's own mouth says
which pixels of it are teeth: without it a warped smile never shuts, it only gets thinner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
from flashtalk.models.tiny.maps import ResidualBlock, look_up, middles

FINE = 4  # pixels along a side that share one place of the network
FLOW_SCALE = 0.02  # picture units per unit of the predicted finer flow
EDGE = 0.03  # softness of the lens, picture units (the picture is 2 wide)
COARSE_PAINTS, FINE_PAINTS = 10, 24  # channels at full resolution, before and after mixing
HIDDEN = 4.0  # of what is to be hidden a covering painter has nothing from 1 / HIDDEN on
NEAR = 8.0  # a color counts for 0.6 at a distance of 1 / NEAR of a window's side
LASHES = 0.4  # in units of EDGE: what lids hide reaches a pixel or two of 256 beyond them
PRINTS = 8  # channels of each print
PRINT_SIZE = (24, 48)  # rows and columns of a print
PRINT_DEPTH = 1.2  # how far it reaches into the opening, in half widths
COVERED = (0.008, 0.02)  # half gaps to hide, picture units: from one pixel of 256 on
BARELY_COVERED = (0.004, 0.008)  # the same where most of the portrait's gap is gone
SHUT = (0.3, 0.6)  # shares of the portrait's gap that are gone
NARROWEST_GAP = 0.004  # half gap that shares are taken of, picture units: half a pixel of 256
NARROWEST = 0.03  # half width of a feature, picture units: nothing divides by less
STEEPEST = 0.7  # line from corner to corner: that of a head on its shoulder

TEETH_CODE = 8  # numbers that say what somebody's teeth are like
TEETH_SIZE = (32, 64)  # rows and columns of a jaw's print
JAW_PRINT = (0.3, 0.45)  # half height and half width that it covers, in distances of the eyes
JAW_SHIFT = 0.3  # of a jaw's print per unit that is predicted, in the same

# (rest, spread) of what is known of a face around its mouth: where nose, chin and the middle of the
# eyes are from the mouth's, in distances of the eyes, and the way from the left to the right eye,
# in picture units; over 100 rendered clips
POSE = {
    "nose_x": (0.0, 0.05),
    "nose_y": (-0.46, 0.07),
    "chin_x": (0.0, 0.04),
    "chin_y": (0.63, 0.07),
    "eyes_x": (0.0, 0.06),
    "eyes_y": (-1.03, 0.07),
    "between_x": (-0.45, 0.065),
    "between_y": (0.0, 0.02),
}

MOUTH_NUMBERS = 2 * (len(MOUTH) + len(POSE))  # of the frame, and of the portrait
EYE_NUMBERS = 2 * len(EYES) + 1  # and which eye it is


@dataclass(frozen=True)
class Slit:
    """What is between two lips or two lids, in M pictures; picture units (a picture is 2 wide)."""

    center: Tensor
    """[M, 2] x, y in -1..1."""
    half_width: Tensor
    """[M]"""
    half_gap: Tensor
    """[M]"""
    slope: Tensor
    """[M] of the line from corner to corner: 0 is level, positive is lower on the right."""
    bend: Tensor
    """[M] how much lower the corners are than the middle of that line: negative in a smile."""

    def moved(self, shift: Tensor) -> Slit:
        """The same ``shift`` [M, 2] away."""
        return replace(self, center=self.center + shift)

    def pulled(self, shift: Tensor) -> Slit:
        """The same with its middle ``shift`` [M, 2] away, its corners as high as they were."""
        return replace(self.moved(shift), bend=self.bend - shift[:, 1])


@dataclass(frozen=True)
class Jaws:
    """Where the teeth of M pictures stand, whatever the lips do."""

    upper: Tensor
    """[M, 2] the place in the frame that is as far from the nose as the mouth of the portrait."""
    lower: Tensor
    """[M, 2] the same, from the chin."""
    size: Tensor
    """[M] distance of the portrait's eyes, picture units."""


@dataclass(frozen=True)
class Opening:
    """A mouth or an eye in M pictures."""

    slit: Slit
    """In the frame."""
    own: Slit
    """In the portrait."""
    numbers: Tensor
    """[M, n] what the painter knows of the frame's, then of the portrait's, in units of each
    number's spread; what comes behind is the same of both."""
    jaws: Jaws | None = None
    """Of a mouth."""

    @property
    def own_numbers(self) -> Tensor:
        """The numbers [M, n] of a frame that is the portrait."""
        count = self.numbers.shape[1] // 2
        own = self.numbers[:, count : 2 * count]
        return torch.cat((own, own, self.numbers[:, 2 * count :]), dim=1)

    @property
    def covered(self) -> Tensor:
        """[M] 0..1, how much less open than the portrait's: 1 from ``COVERED`` on.

        Lips that shut over a little gap, less than that, are covered all the same.
        """
        less = self.own.half_gap - self.slit.half_gap
        return torch.maximum(_ramp(less, *COVERED), self.shut * _ramp(less, *BARELY_COVERED))

    @property
    def shut(self) -> Tensor:
        """[M] 0..1, how much of the portrait's opening is gone: 1 from ``SHUT`` on."""
        gone = 1.0 - self.slit.half_gap / self.own.half_gap.clamp(min=NARROWEST_GAP)
        return _ramp(gone, *SHUT)

    def at(self, chosen: Tensor) -> Opening:
        """Those of the pictures ``chosen`` [K]."""
        return Opening(
            slit=_of(self.slit, chosen),
            own=_of(self.own, chosen),
            numbers=self.numbers[chosen],
            jaws=_of(self.jaws, chosen) if self.jaws else None,
        )


def read_numbers(
    code: Tensor, center: Tensor, names: tuple[str, ...], sigma: float, size: tuple[int, int]
) -> Tensor:
    """What is painted around ``center`` [M, 2] in codes [M, features, h, w]: [M, len(names)].

    A matched filter with the brush that painted them.
    """
    mask = brush(center, sigma, size)[:, None]
    painted = code[:, [index_of(name) for name in names]]
    return (painted * mask).sum(dim=(2, 3)) / mask.square().sum(dim=(2, 3)).clamp(min=1e-6)


def read_center(code: Tensor, feature: str = "lip_width") -> Tensor:
    """Where the mouth (or another ``feature``) is painted in codes [M, features, h, w].

    [M, 2] in -1..1; of both eyes, the middle.
    """
    paint = code[:, index_of(feature)]
    height, width = paint.shape[-2:]
    # below a quarter of the peak there is more noise than paint
    paint = (paint - 0.25 * paint.amax(dim=(1, 2), keepdim=True)).clamp(min=0.0)
    total = paint.sum(dim=(1, 2)).clamp(min=1e-6)
    x = (paint.sum(dim=1) * middles(width, code)).sum(dim=1) / total
    y = (paint.sum(dim=2) * middles(height, code)).sum(dim=1) / total
    return torch.stack((x, y), dim=1)


def mouths(code: Tensor, offset: Tensor, points: Tensor, portrait: Tensor) -> Opening:
    """The mouths of codes [M, features, h, w] whose flow is ``offset`` [M, 2, H, W].

    ``points`` [M, L, 2] are the portraits' landmarks, ``portrait`` [M, features, h, w] their
    codes. Place and numbers are read where the codes paint them: the paint moves with the face. The
    portrait's opening is between its inner lips, a little beside the place that is painted; a
    frame's is as far beside it, before :meth:`CloseUp.placed` corrects that.
    """
    size = (code.shape[-2], code.shape[-1])
    home = mouth_middle(points)
    numbers = read_numbers(code, read_center(code), MOUTH, MOUTH_SIGMA, size)
    own = read_numbers(portrait, home, MOUTH, MOUTH_SIGMA, size)

    def slit(place: Tensor, numbers: Tensor, slope: Tensor) -> Slit:
        half_width = _half(numbers, MOUTH, "lip_width").clamp(min=NARROWEST)
        half_gap = _half(numbers, MOUTH, "lip_gap").clamp(min=0.0)
        corners = _half(numbers, MOUTH, "corner")  # lower than the painted place
        return Slit(place, half_width, half_gap, slope, corners).pulled(between)

    def at(name: str) -> Tensor:
        return points[:, LANDMARKS.index(name)]

    nose, chin = at("nose_tip"), at("chin")
    between = (at("inner_upper_lip") + at("inner_lower_lip")) / 2 - home
    eyes_at = [eye_middle(points, side) for side in ("left", "right")]
    face = torch.stack((home, nose, chin, *eyes_at), dim=1)
    moved = follow(offset, face)
    along_eyes = eyes_at[1] - eyes_at[0]
    apart = along_eyes.norm(dim=-1).clamp(min=NEAREST_EYES)
    slope = slope_of(at("right_mouth_corner") - at("left_mouth_corner"))
    turn = slope_of(moved[:, 4] - moved[:, 3]) - slope_of(along_eyes)
    return Opening(
        slit=slit(moved[:, 0], numbers, slope + turn),
        own=slit(home, own, slope),
        numbers=torch.cat((numbers, pose_of(moved, apart), own, pose_of(face, apart)), dim=1),
        jaws=Jaws(upper=moved[:, 1] + home - nose, lower=moved[:, 2] + home - chin, size=apart),
    )


def pose_of(face: Tensor, apart: Tensor) -> Tensor:
    """What ``POSE`` names, in units of each number's spread: [M, 8].

    ``face`` [M, 5, 2] is where mouth, nose, chin, left and right eye are; ``apart`` [M] the
    distance of the portrait's eyes.
    """
    mouth, nose, chin, left, right = face.unbind(dim=1)
    around = torch.cat((nose - mouth, chin - mouth, (left + right) / 2 - mouth), dim=1)
    values = torch.cat((around / apart[:, None], right - left), dim=1)
    rest, spread = values.new_tensor(list(POSE.values())).unbind(dim=1)
    return (values - rest) / spread


def eyes(code: Tensor, offset: Tensor, points: Tensor, portrait: Tensor) -> Opening:
    """The eyes of the same, left and right of each picture: an :class:`Opening` of 2 M.

    How wide an eye is, the portrait knows; the codes say nothing of it.
    """
    size = (code.shape[-2], code.shape[-1])
    parts = []
    for side, sign in (("left", -1.0), ("right", 1.0)):
        home = eye_middle(points, side)
        center = follow(offset, home[:, None])[:, 0]
        numbers = read_numbers(code, center, EYES, EYE_SIGMA, size)
        own = read_numbers(portrait, home, EYES, EYE_SIGMA, size)
        which = numbers.new_full((len(numbers), 1), sign)
        half_width = (eye_width(points, side) / 2).clamp(min=NARROWEST)
        level = torch.zeros_like(half_width)
        gap, own_gap = (_half(each, EYES, "lid").clamp(min=0.0) for each in (numbers, own))
        parts.append(
            Opening(
                slit=Slit(center, half_width, gap, slope=level, bend=level),
                own=Slit(home, half_width, own_gap, slope=level, bend=level),
                numbers=torch.cat((numbers, own, which), dim=1),
            )
        )
    left, right = parts
    return Opening(
        slit=_in_turns(left.slit, right.slit),
        own=_in_turns(left.own, right.own),
        numbers=_alternating(left.numbers, right.numbers),
    )


def _in_turns(left: Slit, right: Slit) -> Slit:
    """The left and right one of each picture, one after the other."""
    return Slit(
        *(
            _alternating(getattr(left, field.name), getattr(right, field.name))
            for field in fields(Slit)
        )
    )


Places = TypeVar("Places", Slit, Jaws)


def _of(places: Places, chosen: Tensor) -> Places:
    return type(places)(*(getattr(places, field.name)[chosen] for field in fields(places)))


def _alternating(left: Tensor, right: Tensor) -> Tensor:
    """[M, ...] twice -> [2 M, ...]"""
    return torch.stack((left, right), dim=1).flatten(0, 1)


def _ramp(value: Tensor, least: float, most: float) -> Tensor:
    """0 up to ``least``, 1 from ``most`` on."""
    return ((value - least) / (most - least)).clamp(0.0, 1.0)


def _half(numbers: Tensor, names: tuple[str, ...], name: str) -> Tensor:
    rest, spread = UNITS[name]
    return (numbers[:, names.index(name)] * spread + rest) / 2


def slope_of(way: Tensor) -> Tensor:
    """How much lower it gets on the way [M, 2] to the right: [M], near 0 for a way of no length."""
    return way[:, 0] * way[:, 1] / (way[:, 0].square() + NARROWEST**2)


def follow(offset: Tensor, target: Tensor) -> Tensor:
    """Places p of a frame whose flow leads to ``target``, both [M, K, 2]: p + offset(p) = target.

    ``offset`` is [M, 2, H, W]. The flow is smooth, so three steps of substitution settle it. Where
    mouth and jaws lie is no way to learn the flow: one that learned through it bent chins, for the
    teeth that stand on them to vanish.
    """
    offset, place = offset.detach(), target
    for _ in range(3):
        moved = F.grid_sample(offset, place[:, None], padding_mode="border", align_corners=False)
        place = (target - moved[:, :, 0].transpose(1, 2)).clamp(-1.0, 1.0)
    return place


def from_edges(slit: Slit, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """How far below the upper and above the lower edge each point (x, y) lies: [M, H, W].

    Each is [M, H, W] or spreads to it, as [M, 1, W] and [M, H, 1] do. In units of ``EDGE``,
    negative outside; beyond the corners both edges are one line.
    """
    aside = x - slit.center[:, 0, None, None]
    across = aside / slit.half_width[:, None, None]
    # not down to 0, where the root is infinitely steep
    half = slit.half_gap[:, None, None] * (1.0 - across.square()).clamp(min=1e-4).sqrt()
    half = half - EDGE * (across.abs() - 1.0).clamp(min=0.0)
    # corners that are steeper are misread
    bend = slit.bend.clamp(-slit.half_width, slit.half_width)
    bent = bend[:, None, None] * across.square().clamp(max=1.0)
    tilted = slit.slope.clamp(-STEEPEST, STEEPEST)[:, None, None] * aside
    down = y - slit.center[:, 1, None, None] - tilted - bent
    return (half + down) / EDGE, (half - down) / EDGE


def lens(above: Tensor, below: Tensor) -> Tensor:
    """How far inside the opening each point is, -1..1 and 0 on its edge; of :func:`from_edges`."""
    return torch.minimum(above, below).clamp(-1.0, 1.0)


@dataclass(frozen=True)
class Painted:
    """Windows around M features, and what they were mixed of; training looks at the parts."""

    picture: Tensor
    """[M, 3, h, w]"""
    veil: Tensor
    """[M, 1, h, w] share of ``color``, before the sigmoid: what the portrait does not show."""
    color: Tensor
    """[M, 3, h, w]"""


class CloseUp(nn.Module):
    """Draws a window around one feature of each picture.

    ``numbers`` is how many numbers it is told, ``window`` the window's rows and columns as shares
    of the picture's, ``lens_gain`` how much the veil begins as the lens: what is behind lips must
    be painted, and lips over teeth that the portrait shows and the frame hides; what is behind lids
    the portrait shows. With ``teeth`` it has prints that move with the jaws, and is told what
    somebody's teeth are like: no portrait with shut lips shows it, and who is not told paints the
    mean of all teeth, a haze. In training everybody's numbers are learned along, as in
    auto-decoders (Bojanowski et al. 2018; Park et al. 2019); ``usual`` is what they are for others.
    One that ``covers`` neither sees nor shows what it has to hide, nor what is so near to it (in
    units of ``EDGE``), but colors from around it: teeth that are whiter than all that it learned
    from would shine through, and so would eyes.
    """

    def __init__(
        self,
        width: int,
        numbers: int,
        window: tuple[float, float],
        lens_gain: float,
        teeth: bool = False,
        covers: float | None = None,
    ) -> None:
        super().__init__()
        self.window = window
        self.covers = covers
        prints = 4 * PRINTS if teeth else 2 * PRINTS
        told = numbers + TEETH_CODE if teeth else numbers
        self.shift = nn.Linear(numbers, 2)
        self.known = nn.Sequential(nn.Linear(told, width), nn.ReLU(), nn.Linear(width, 3 * width))
        self.first = nn.Conv2d(FINE * FINE * 5 + 2, width, 3, padding=1)
        self.norm = nn.GroupNorm(math.gcd(8, width), width)
        self.wide = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(ResidualBlock(2 * width), ResidualBlock(2 * width))
        self.narrow = nn.Conv2d(2 * width, width, 1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.last_norm = nn.GroupNorm(math.gcd(8, width), width)
        self.last = nn.Conv2d(width, width, 3, padding=1)
        self.flow = nn.Conv2d(width, 2, 3, padding=1)
        self.paint = nn.Conv2d(width, FINE * FINE * COARSE_PAINTS, 3, padding=1)
        self.prints = nn.Parameter(0.3 * torch.randn(2, PRINTS, *PRINT_SIZE))
        self.print_shift = nn.Linear(numbers, 2)
        self.light = nn.Conv2d(width, prints, 1)
        self.mix = nn.Conv2d(COARSE_PAINTS + 7 + prints, FINE_PAINTS, 3, padding=1)
        self.blend = nn.Conv2d(FINE_PAINTS, FINE_PAINTS, 1)
        self.color = nn.Conv2d(FINE_PAINTS, 4, 3, padding=1)
        self.lens_gain = nn.Parameter(torch.tensor(lens_gain))
        self.own_lens_gain = nn.Parameter(torch.tensor(lens_gain))
        for layer in (
            self.first,
            self.wide,
            self.second,
            self.last,
            self.paint,
            self.mix,
            self.blend,
        ):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        for layer in (self.shift, self.print_shift, self.light, self.flow, self.color):
            nn.init.normal_(layer.weight, std=1e-3)
            nn.init.zeros_(layer.bias)
        if teeth:
            self.register_buffer("usual", torch.zeros(TEETH_CODE))
            self.teeth = nn.Parameter(0.1 * torch.randn(2, PRINTS, *TEETH_SIZE))
            self.stand = nn.Sequential(nn.Linear(told, width), nn.ReLU(), nn.Linear(width, 2 * 6))
            nn.init.zeros_(self.stand[2].weight)
            nn.init.zeros_(self.stand[2].bias)

    def window_of(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Rows and columns of the window in a picture, even numbers of the network's places."""
        step = 2 * FINE
        rows, columns = (
            round(share * side / step) * step
            for share, side in zip(self.window, (height_px, width_px), strict=True)
        )
        return rows, columns

    def windows(self, center: Tensor, height_px: int, width_px: int) -> Tensor:
        """Windows [M, 4] (top, left, rows, columns) around ``center`` [M, 2], kept inside."""
        rows, columns = self.window_of(height_px, width_px)
        x, y = ((center + 1) / 2).unbind(1)
        left = (x * width_px - columns / 2).round().clamp(0, width_px - columns)
        top = (y * height_px - rows / 2).round().clamp(0, height_px - rows)
        size = center.new_tensor([rows, columns]).expand(len(center), 2)
        return torch.cat((torch.stack((top, left), dim=1), size), dim=1).long()

    def forward(
        self,
        opening: Opening,
        places: Tensor,
        portraits: Tensor,
        windows: Tensor,
        size: tuple[int, int],
        teeth: Tensor | None = None,
    ) -> Painted:
        """The windows of M pictures.

        ``places`` [M, 2, h, w] say where in the ``portraits`` [B, 3, ...] the coarse flow looks for
        each pixel, the M / B of a portrait one after another; ``windows`` [M, 4] are those of
        :meth:`windows` in pictures of ``size`` = (H, W); ``teeth`` [M, TEETH_CODE] is whose teeth
        a mouth has, the ``usual`` ones by default.
        """
        rows, columns = places.shape[2:]
        height, width = size
        slit, own = self.placed(opening)
        x = windows[:, 1, None] + torch.arange(columns, device=windows.device) + 0.5
        y = windows[:, 0, None] + torch.arange(rows, device=windows.device) + 0.5
        x, y = x.to(places) * (2 / width) - 1, y.to(places) * (2 / height) - 1
        x, y = x[:, None], y[:, :, None]
        above, below = from_edges(slit, x, y)  # most of it for a single row
        x, y = torch.broadcast_tensors(x, y)
        inside = lens(above, below)[:, None]
        # a flow learns from the pixels that it fetches, below, and not by what a painter makes of
        # them: it could lead painters to draw a haze, whose squared error is low
        fetched = places.detach()
        copied = look_up(portraits, fetched)
        # of the portrait's opening, by its copy
        shown = lens(*from_edges(own, *fetched.unbind(1)))[:, None]
        bared = uncovered(shown, inside)
        from_middle = torch.stack((x, y), dim=1) - slit.center[:, :, None, None]
        from_middle = (from_middle / slit.half_width[:, None, None, None]).clamp(-3.0, 3.0)
        where = F.avg_pool2d(from_middle, FINE)
        cover = None
        if self.covers is not None:
            cover = (HIDDEN * uncovered(shown, inside, self.covers)).clamp(max=1.0)
            copied = filled(copied, cover)
        seen = F.pixel_unshuffle(torch.cat((copied, inside, bared), dim=1), FINE)

        told = opening.numbers
        if opening.jaws:
            kind = self.usual.expand(len(told), -1) if teeth is None else teeth
            told = torch.cat((told, kind.to(told)), dim=1)
        hints = self.known(told)[:, :, None, None].chunk(3, dim=1)
        hidden = self.first(torch.cat((seen, where), dim=1)) + hints[0]
        update = F.relu(self.norm(hidden) + hints[1])
        coarse = F.relu(self.narrow(self.blocks(self.wide(update))))
        coarse = F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        hidden = hidden + self.second(coarse + update)
        hidden = F.relu(self.last(F.relu(self.last_norm(hidden) + hints[2])))

        finer = F.interpolate(
            self.flow(hidden), scale_factor=FINE, mode="bilinear", align_corners=False
        )
        warped = look_up(portraits, places + FLOW_SCALE * finer)
        # teeth end within a cell of the network: where exactly, these coordinates say
        edges = torch.stack((above, below), dim=1)
        across = from_middle[:, :1]
        coarse = F.pixel_shuffle(self.paint(hidden), FINE)
        light = F.interpolate(
            self.light(hidden), scale_factor=FINE, mode="bilinear", align_corners=False
        )
        prints = self.printed(across, edges, slit, opening.numbers)
        if opening.jaws:
            standing = self.standing(opening.jaws, torch.stack((x, y), dim=1), told)
            prints = torch.cat((prints, standing), dim=1)
        prints = prints * (1.0 + light)
        mixed = torch.cat((coarse, copied, edges.clamp(-3.0, 3.0), across, prints, bared), dim=1)
        painted = self.color(F.relu(self.blend(F.relu(self.mix(mixed)))))
        veil = painted[:, 3:] + self.lens_gain * inside + self.own_lens_gain * bared - 1.0
        color = painted[:, :3]
        share = torch.sigmoid(veil)
        if cover is not None:
            share = torch.maximum(share, cover)
        return Painted(warped + share * (color - warped), veil, color)

    def placed(self, opening: Opening) -> tuple[Slit, Slit]:
        """Of the frame and of the portrait, where the lips or lids are.

        How much lower that is follows from the numbers; of a mouth, what differs in the portrait,
        whose inner lips are known.
        """
        lower, own_lower = (
            0.1 * self.shift(each) for each in (opening.numbers, opening.own_numbers)
        )
        if opening.jaws:
            return opening.slit.pulled(lower - own_lower), opening.own
        return opening.slit.moved(lower), opening.own.moved(own_lower)

    def printed(self, across: Tensor, edges: Tensor, slit: Slit, numbers: Tensor) -> Tensor:
        """The two prints where they fall in M windows: [M, 2 * PRINTS, h, w].

        A print is a learned picture of what lies behind a lip or a lid, one hanging from the upper
        edge and one standing on the lower: teeth are where they are, whatever the lips do, so a
        place on a print is met by thousands of windows, while a convolution had to learn anew for
        each how far from the edge it is. ``across`` [M, 1, h, w] in half widths, ``edges``
        [M, 2, h, w] of :func:`from_edges`.
        """
        depth = edges * (EDGE / slit.half_width[:, None, None, None])
        depth = depth + self.print_shift(numbers)[:, :, None, None]
        depth = depth * (2.0 / PRINT_DEPTH) - 1.0
        prints = [
            look_up(each[None], torch.stack((across[:, 0] / 1.2, rows), dim=1))
            for each, rows in zip(self.prints.to(depth), depth.unbind(1), strict=True)
        ]
        return torch.cat(prints, dim=1)

    def standing(self, jaws: Jaws, here: Tensor, told: Tensor) -> Tensor:
        """The prints of the upper and the lower teeth in M windows: [M, 2 * PRINTS, h, w].

        ``here`` [M, 2, h, w] is where each pixel is. How a jaw lies under what is seen of the face
        (turned, nearer, with longer teeth) is a small linear map that follows from what is
        ``told``, [M, numbers + TEETH_CODE].
        """
        bends = JAW_SHIFT * self.stand(told).unflatten(1, (2, 2, 3))
        half = here.new_tensor(JAW_PRINT[::-1])
        found = []
        for each, place, bend in zip(
            self.teeth.to(here), (jaws.upper, jaws.lower), bends.unbind(dim=1), strict=True
        ):
            away = (here - place[:, :, None, None]) / jaws.size[:, None, None, None]
            bent = away + torch.einsum("mij,mjhw->mihw", bend[..., :2], away)
            bent = bent + bend[..., 2, None, None]
            found.append(look_up(each[None], bent / half[:, None, None]))
        return torch.cat(found, dim=1)


def uncovered(shown: Tensor, inside: Tensor, beyond: float = 0.0) -> Tensor:
    """How far inside of what the portrait shows and the frame hides each point is, from 0 on.

    Of the :func:`lens` of both, ``shown`` and ``inside``, ``beyond`` larger than it is.
    """
    return ((shown + beyond).clamp(min=0.0) - (inside + beyond).clamp(min=0.0)).clamp(min=0.0)


def filled(pictures: Tensor, hidden: Tensor) -> Tensor:
    """``pictures`` [M, 3, h, w] with the colors around it in place of what is ``hidden``.

    ``hidden`` [M, 1, h, w] is a share, 0..1. The nearer, the more a color counts (normalized
    convolution: Knutsson and Westin 1993).
    """
    shown = 1.0 - hidden
    down, across = (_nearness(side, pictures) for side in pictures.shape[-2:])
    around = down @ torch.cat((pictures * shown, shown), dim=1) @ across
    return pictures * shown + hidden * around[:, :3] / around[:, 3:].clamp(min=1e-4)


def _nearness(side: int, like: Tensor) -> Tensor:
    """[side, side] how near each two places of a line are, 1 for the same."""
    places = torch.arange(side, device=like.device, dtype=like.dtype)
    return torch.exp(-((places[:, None] - places) * (NEAR / side)).square() / 2)


def soft_edges(rows: int, columns: int, like: Tensor) -> Tensor:
    """[1, 1, rows, columns] share of the window's picture: 1 inside, fading to 0 at its border."""

    def fade(count: int) -> Tensor:
        rim = max(1, count // 6)
        distance = torch.arange(count, device=like.device, dtype=like.dtype) + 0.5
        distance = torch.minimum(distance, count - distance)
        return (distance / rim).clamp(max=1.0)

    return (fade(rows)[:, None] * fade(columns)[None])[None, None]
