"""The painter of one facial feature: a crop of the frame with lips, teeth or lids drawn in.

The decoder (:mod:`flashtalk.models.tiny.decoder`) warps the portrait by cells of 8 pixels, in which
two lips are one thing. It can move a closed mouth, but never open it. A painter draws a crop around
each feature at full resolution::

    code     -> values, aperture, jaws ----------.
    portrait -> the same of its own -------------+--> opening SDFs --> finer flow,
    portrait, warped along the coarse flow ------'                     alpha and color

    picture = (1 - alpha) * portrait(finer flow) + alpha * color

The portrait's own opening is hidden where the frame's lips shut over it. Without its field a warped
smile never closes; it only gets thinner. Letters: B portraits, M features, h x w pixels of a crop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.models.tiny.feature_state import FeatureState
from flashtalk.models.tiny.maps import ResidualBlock, inpaint, warp
from flashtalk.models.tiny.opening import Aperture, edge_distances, hidden_opening, opening_sdf
from flashtalk.models.tiny.origin import origin_of
from flashtalk.models.tiny.textures import (
    EDGE_TEXTURE_SIZE,
    JAW_TEXTURE_SIZE,
    TEXTURE_CHANNELS,
    edge_textures,
    jaw_textures,
)
from flashtalk.models.tiny.tone import limit_tone

CELL_PX = 4  # pixels of a crop along a side of the trunk's cells
IDENTITY_CHANNELS = 8  # length of the code that says what somebody's teeth are like
FLOW_SCALE = 0.02  # picture units per unit of the finer flow
EDGE_SHIFT_SCALE = 0.1  # picture units per unit by which a learned shift lowers an aperture
COVER_GAIN = 4.0  # cover per unit of hidden_opening: complete from 1 / 4 on
FURTHEST = 3.0  # clamp of coordinates that the network is given


@dataclass(frozen=True)
class PainterConfig:
    """Size and outputs of one painter."""

    width: int
    """Channels of the trunk."""
    values: int
    """Length of a feature's values."""
    crop_size: tuple[float, float]
    """Rows and columns of a crop, as shares of the picture's."""
    sdf_gain: float
    """How strongly the opening's field begins to open alpha."""
    has_jaws: bool = False
    """The painter has textures on the jaws and takes an identity code: it draws teeth."""
    cover_margin: float | None = None
    """How far beyond a hidden opening the painter covers the portrait, in ``SDF_UNIT``; None:
    it covers nothing."""
    detail_channels: int = 10
    """Channels at full resolution that come from the trunk."""
    mixed_channels: int = 24
    """Channels at full resolution from which alpha and color are made."""

    def __post_init__(self) -> None:
        for name in ("width", "values", "detail_channels", "mixed_channels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not all(0.0 < share <= 1.0 for share in self.crop_size):
            raise ValueError(f"crop_size must be shares in (0, 1], got {self.crop_size}")
        if self.cover_margin is not None and self.cover_margin < 0.0:
            raise ValueError(f"cover_margin must not be negative, got {self.cover_margin}")

    @property
    def texture_channels(self) -> int:
        """Channels of all textures of an opening."""
        return (4 if self.has_jaws else 2) * TEXTURE_CHANNELS

    @property
    def condition_channels(self) -> int:
        """Length of the condition: values, and an identity code for teeth."""
        return self.values + (IDENTITY_CHANNELS if self.has_jaws else 0)


@dataclass(frozen=True)
class PaintedCrops:
    """Crops around M features, and what they are composed of; training looks at the parts."""

    picture: Tensor
    """[M, 3, h, w]"""
    alpha_logits: Tensor
    """[M, 1, h, w] share of ``color`` before the sigmoid: what the portrait does not show."""
    color: Tensor
    """[M, 3, h, w]"""
    origin: Tensor
    """[M, 6, h, w] what of ``picture`` is the portrait's (:mod:`flashtalk.models.tiny.origin`)."""


@dataclass(frozen=True)
class CropGeometry:
    """Where the pixels of M crops lie, seen from their openings."""

    xy: Tensor
    """[M, 2, h, w] picture units."""
    relative: Tensor
    """[M, 2, h, w] between the corners of the frame's opening, -1..1, and below its center, in
    half widths."""
    edges: Tensor
    """[M, 2, h, w] distances to the edges of the frame's opening."""
    sdf: Tensor
    """[M, 1, h, w] field of the frame's opening."""
    portrait_sdf: Tensor
    """[M, 1, h, w] field of the portrait's opening, as the coarse flow copies it."""


class FeaturePainter(nn.Module):
    """Draws a crop around one mouth or eye of each picture.

    A painter with jaws takes an identity code, since no portrait with shut lips shows its teeth. A
    network without it paints the mean of all teeth, a haze. Training learns one code per person, as
    auto-decoders do (Bojanowski et al. 2018; Park et al. 2019); ``default_identity`` is for
    everybody else.

    A painter that covers neither sees nor shows what it hides, but colors from around it. Teeth
    whiter than all that it learned from would shine through, and so would eyes.
    """

    default_identity: Tensor

    def __init__(self, config: PainterConfig) -> None:
        super().__init__()
        self.config = config
        width, textures = config.width, config.texture_channels
        condition = config.condition_channels
        self.edge_shift = nn.Linear(config.values, 2)
        self.film = nn.Sequential(
            nn.Linear(condition, width), nn.ReLU(), nn.Linear(width, 3 * width)
        )
        self.stem = nn.Conv2d(CELL_PX * CELL_PX * 5 + 2, width, 3, padding=1)
        self.stem_norm = nn.GroupNorm(math.gcd(8, width), width)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(ResidualBlock(2 * width), ResidualBlock(2 * width))
        self.up = nn.Conv2d(2 * width, width, 1)
        self.merge = nn.Conv2d(width, width, 3, padding=1)
        self.merge_norm = nn.GroupNorm(math.gcd(8, width), width)
        self.trunk_out = nn.Conv2d(width, width, 3, padding=1)
        self.flow = nn.Conv2d(width, 2, 3, padding=1)
        self.detail = nn.Conv2d(width, CELL_PX * CELL_PX * config.detail_channels, 3, padding=1)
        self.edge_textures = nn.Parameter(
            0.3 * torch.randn(2, TEXTURE_CHANNELS, *EDGE_TEXTURE_SIZE)
        )
        self.texture_shift = nn.Linear(config.values, 2)
        self.shading = nn.Conv2d(width, textures, 1)
        mixed = config.mixed_channels
        self.mix = nn.Conv2d(config.detail_channels + 7 + textures, mixed, 3, padding=1)
        self.blend = nn.Conv2d(mixed, mixed, 1)
        self.color = nn.Conv2d(mixed, 4, 3, padding=1)
        self.sdf_gain = nn.Parameter(torch.tensor(config.sdf_gain))
        self.hidden_gain = nn.Parameter(torch.tensor(config.sdf_gain))
        if config.has_jaws:
            self.register_buffer("default_identity", torch.zeros(IDENTITY_CHANNELS))
            self.jaw_textures = nn.Parameter(
                0.1 * torch.randn(2, TEXTURE_CHANNELS, *JAW_TEXTURE_SIZE)
            )
            self.jaw_transform = nn.Sequential(
                nn.Linear(condition, width), nn.ReLU(), nn.Linear(width, 2 * 6)
            )
        self._init_weights()

    def _init_weights(self) -> None:
        """Convolutions begin as He et al. (2015); what moves, shades or colors begins near 0."""
        for layer in (
            self.stem, self.down, self.merge, self.trunk_out, self.detail, self.mix, self.blend
        ):  # fmt: skip
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        for head in (self.edge_shift, self.texture_shift, self.shading, self.flow, self.color):
            nn.init.normal_(head.weight, std=1e-3)
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]
        if self.config.has_jaws:
            for parameter in self.jaw_transform[2].parameters():
                nn.init.zeros_(parameter)

    def crop_px(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Rows and columns of a crop of such a picture, whole cells of the trunk's coarse map."""
        step = 2 * CELL_PX
        rows, columns = (
            round(share * side / step) * step
            for share, side in zip(self.config.crop_size, (height_px, width_px), strict=True)
        )
        return rows, columns

    def boxes(self, center: Tensor, height_px: int, width_px: int) -> Tensor:
        """Crops [M, 4] (top, left, rows, columns) around ``center`` [M, 2], inside the picture."""
        rows, columns = self.crop_px(height_px, width_px)
        x, y = ((center + 1) / 2).unbind(1)
        left = (x * width_px - columns / 2).round().clamp(0, width_px - columns)
        top = (y * height_px - rows / 2).round().clamp(0, height_px - rows)
        size = center.new_tensor([rows, columns]).expand(len(center), 2)
        return torch.cat((torch.stack((top, left), dim=1), size), dim=1).long()

    def forward(
        self,
        state: FeatureState,
        grid: Tensor,
        source: Tensor,
        boxes: Tensor,
        size: tuple[int, int],
        identity_code: Tensor | None = None,
        tone: Tensor | None = None,
    ) -> PaintedCrops:
        """Paints the crops ``boxes`` [M, 4] of pictures of ``size`` = (H, W).

        ``grid`` [M, 2, h, w] says where the coarse flow samples ``source`` [B, 3, ...] for each
        pixel. The M / B crops of a portrait are in a row. ``identity_code`` [M, IDENTITY_CHANNELS]
        says whose teeth a mouth has, ``default_identity`` if it is None. ``tone`` [M, 5] bounds the
        color.
        """
        frame, portrait = self.place(state)
        # flow learns from the pixels that it fetches and not from what is painted of them:
        # through the painter it would learn to draw a haze, whose squared error is low
        fetched = grid.detach()
        geometry = crop_geometry(frame, portrait, fetched, boxes, size)
        copied = warp(source, fetched)
        hidden = hidden_opening(geometry.portrait_sdf, geometry.sdf)
        cover = None
        if self.config.cover_margin is not None:
            covered = hidden_opening(geometry.portrait_sdf, geometry.sdf, self.config.cover_margin)
            cover = (COVER_GAIN * covered).clamp(max=1.0)
            copied = inpaint(copied, cover)
        condition = self.condition(state, identity_code)
        features = self.trunk(torch.cat((copied, geometry.sdf, hidden), dim=1), geometry, condition)
        places = grid + FLOW_SCALE * _enlarged(self.flow(features))
        warped = warp(source, places)
        textures = self.textures(state, frame, geometry, condition)
        textures = torch.addcmul(textures, textures, _enlarged(self.shading(features)))
        detail = F.pixel_shuffle(self.detail(features), CELL_PX)
        # teeth end within a cell of the trunk: the distances say where
        edges = geometry.edges.clamp(-FURTHEST, FURTHEST)
        near = torch.cat((copied, edges, geometry.relative[:, :1], hidden), dim=1)
        near = near.contiguous(memory_format=torch.channels_last)
        mixed = torch.cat((detail, near[:, :-1], textures, near[:, -1:]), dim=1)
        mixed = F.relu(self.mix(mixed), inplace=True)
        painted = self.color(F.relu(self.blend(mixed), inplace=True))
        logits = painted[:, 3:] + self.sdf_gain * geometry.sdf + self.hidden_gain * hidden - 1.0
        color = painted[:, :3] if tone is None else limit_tone(painted[:, :3], tone)
        alpha = torch.sigmoid(logits)
        if cover is not None:
            alpha = torch.maximum(alpha, cover)
        origin = origin_of(warped, places, 1.0 - alpha)
        return PaintedCrops(warped + alpha * (color - warped), logits, color, origin)

    def place(self, state: FeatureState) -> tuple[Aperture, Aperture]:
        """The apertures of frame and portrait, lowered by shifts that follow from the values.

        Inner lips of a portrait are known, so a mouth is lowered by the difference alone.
        """
        shift, portrait_shift = (
            EDGE_SHIFT_SCALE * self.edge_shift(values)
            for values in (state.values, state.portrait_values)
        )
        if state.jaws:
            return state.frame.center_shifted(shift - portrait_shift), state.portrait
        return state.frame.shifted(shift), state.portrait.shifted(portrait_shift)

    def condition(self, state: FeatureState, identity_code: Tensor | None) -> Tensor:
        """What modulates the trunk: [M, condition_channels]."""
        if not state.jaws:
            return state.values
        code = self.default_identity if identity_code is None else identity_code
        code = code.expand(len(state.values), -1).to(state.values)
        return torch.cat((state.values, code), dim=1)

    def trunk(self, seen: Tensor, geometry: CropGeometry, condition: Tensor) -> Tensor:
        """``seen`` [M, 5, h, w] -> features [M, width, h / CELL_PX, w / CELL_PX].

        The condition enters three times as an additive FiLM (Perez et al. 2018).
        """
        film = self.film(condition)[:, :, None, None].chunk(3, dim=1)
        where = F.avg_pool2d(geometry.relative, CELL_PX)
        stem = self.stem(torch.cat((F.pixel_unshuffle(seen, CELL_PX), where), dim=1)) + film[0]
        x = F.relu(self.stem_norm(stem) + film[1])
        coarse = F.relu(self.up(self.blocks(self.down(x))))
        x = stem + self.merge(_enlarged(coarse, 2) + x)
        return F.relu(self.trunk_out(F.relu(self.merge_norm(x) + film[2])))

    def textures(
        self, state: FeatureState, frame: Aperture, geometry: CropGeometry, condition: Tensor
    ) -> Tensor:
        """All textures where they fall in the crops: [M, texture_channels, h, w]."""
        sampled = edge_textures(
            self.edge_textures,
            geometry.relative[:, :1],
            geometry.edges,
            frame,
            self.texture_shift(state.values),
        )
        if state.jaws:
            affine = self.jaw_transform(condition).unflatten(1, (2, 2, 3))
            sampled += jaw_textures(self.jaw_textures, geometry.xy, state.jaws, affine)
        # in the layout of the convolutions before they are joined: strided joins are slow
        return torch.cat(
            [each.contiguous(memory_format=torch.channels_last) for each in sampled], 1
        )


def crop_geometry(
    frame: Aperture, portrait: Aperture, grid: Tensor, boxes: Tensor, size: tuple[int, int]
) -> CropGeometry:
    """Geometry of crops ``boxes`` [M, 4] with sampling ``grid`` [M, 2, h, w].

    ``size`` is (H, W) of the pictures.
    """
    height, width = size
    rows, columns = grid.shape[2:]
    x = boxes[:, 1, None] + torch.arange(columns, device=boxes.device) + 0.5
    y = boxes[:, 0, None] + torch.arange(rows, device=boxes.device) + 0.5
    x, y = x.to(grid) * (2 / width) - 1, y.to(grid) * (2 / height) - 1
    x, y = x[:, None], y[:, :, None]
    edges = edge_distances(frame, x, y)  # most of it for a single row
    xy = torch.stack(torch.broadcast_tensors(x, y), dim=1)
    down = (y - frame.center[:, 1, None, None]) / frame.half_width[:, None, None]
    relative = torch.stack(torch.broadcast_tensors(frame.across(x), down), dim=1)
    relative = relative.clamp(-FURTHEST, FURTHEST)
    return CropGeometry(
        xy=xy,
        relative=relative,
        edges=edges,
        sdf=opening_sdf(edges),
        portrait_sdf=opening_sdf(edge_distances(portrait, *grid.unbind(1))),
    )


def _enlarged(features: Tensor, factor: int = CELL_PX) -> Tensor:
    return F.interpolate(features, scale_factor=factor, mode="bilinear", align_corners=False)
