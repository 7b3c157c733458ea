"""Latents -> frames of the embedded autoencoder: a warped portrait with a painted mouth and eyes.

Station "decode". Above :mod:`flashtalk.models.tiny.crops`, below
:mod:`flashtalk.models.tiny.autoencoder`. Only mouth and eyes are painted. On held-out renders a
residual over the whole face adds 0.01 dB and takes a tenth of the decoder's time. Letters: B
portraits, M frames, D features of a code, h x w cells of the latents, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import AutoencoderConfig
from flashtalk.models.tiny.covered_mouth import hold_covered
from flashtalk.models.tiny.crops import BlendedCrops, blend_painters, crop_grid, paste_crops
from flashtalk.models.tiny.face_code import (
    FEATURES,
    FLOW_PLACE,
    FLOW_UNIT,
)
from flashtalk.models.tiny.feature_state import (
    EYE_VALUES,
    MOUTH_VALUES,
    FeatureState,
    read_eyes,
    read_mouths,
)
from flashtalk.models.tiny.guidance import Guidance
from flashtalk.models.tiny.lashes import REST, draw_lashes
from flashtalk.models.tiny.maps import ResidualBlock, flow_to_grid, repeat_per_frame, warp
from flashtalk.models.tiny.origin import origin_of
from flashtalk.models.tiny.painter import FeaturePainter, PainterConfig

MOUTH_CROP = (1 / 4, 3 / 8)  # rows and columns, shares of the frame's
EYE_CROP = (1 / 8, 3 / 16)
LASH_MARGIN = 0.4  # in SDF_UNIT: what lids hide reaches a pixel or two of 256 beyond them


class OutlineFlow(nn.Module):
    """Corrects a flow at outlines: it sees which parts of the portrait the flow has fetched.

    The flow before it is smooth, and knows the portrait where it lies, not where it has moved to.
    On held-out renders three quarters of the squared error lie within 4 pixels of an outline, a
    sixth of the picture.
    """

    def __init__(self, fine: int, width: int) -> None:
        super().__init__()
        self.fetched = nn.Conv2d(width, width, 3, padding=1)
        self.trunk = nn.Conv2d(fine, width * 4, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.flow = nn.Conv2d(width, 2 * 4, 3, padding=1)
        nn.init.zeros_(self.flow.weight)
        nn.init.zeros_(self.flow.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, flow: Tensor, guidance: Guidance) -> Tensor:
        """Trunk [M, fine, h, w] and flow [M, 2, 2h, 2w] -> flow [M, 2, 4h, 4w]."""
        hidden = self.fetched(warp(guidance.finest, flow_to_grid(flow)))
        # in place: these maps are the largest of a decoder, and new memory costs more than sums
        hidden += repeat_per_frame(guidance.finest_static, len(x))
        hidden += F.pixel_shuffle(self.trunk(x), 2)
        hidden = F.relu(self.second(F.relu(hidden, inplace=True)), inplace=True)
        return _enlarged(flow) + F.pixel_shuffle(self.flow(hidden), 2)


class Decoder(nn.Module):
    """Face codes -> frames: flow, warped portrait, mouth, eyes."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        width = config.width
        fine = width * 3 // 4
        self.coarse = nn.Conv2d(len(FEATURES), width * 2, 3, padding=1)
        self.reference = nn.Conv2d(len(FEATURES), width * 2, 3, padding=1)
        self.coarse_block = ResidualBlock(width * 2)
        self.middle = nn.Conv2d(width * 2, width, 3, padding=1)
        self.middle_block = ResidualBlock(width)
        self.fine = nn.Conv2d(width, fine, 3, padding=1)
        self.fine_second = nn.Conv2d(fine, fine, 3, padding=1)
        self.flow = nn.Conv2d(fine, 2, 3, padding=1)
        self.finer_flow = nn.Conv2d(fine, 2 * 4, 3, padding=1)
        self.outline = OutlineFlow(fine, width * 3 // 8)
        mouth = PainterConfig(width, MOUTH_VALUES, MOUTH_CROP, sdf_gain=3.0, has_jaws=True)
        eye = PainterConfig(width // 2, EYE_VALUES, EYE_CROP, sdf_gain=0.0)
        self.mouth = FeaturePainter(mouth)
        self.cover = FeaturePainter(replace(mouth, cover_margin=0.0))
        self.eye = FeaturePainter(eye)
        self.lids = FeaturePainter(replace(eye, cover_margin=LASH_MARGIN))
        for layer in (self.flow, self.finer_flow):
            nn.init.normal_(layer.weight, std=1e-3)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def flow_of(self, code: Tensor, guidance: Guidance) -> Tensor:
        """Codes [M, D, h, w] -> backward flow [M, 2, 16h, 16w] in picture units.

        Each frame is decoded from its own share of a latent. Frames that are decoded together share
        their errors, and the picture twitches wherever the next four begin.
        """
        count = len(code)
        x = self.coarse_block(self.coarse(code) + repeat_per_frame(guidance.coarse, count))
        x = F.interpolate(F.relu(x), scale_factor=2.0, mode="nearest")
        x = self.middle_block(self.middle(x) + repeat_per_frame(guidance.middle, count))
        x = F.interpolate(F.relu(x), scale_factor=2.0, mode="nearest")
        x = F.relu(self.fine(x) + repeat_per_frame(guidance.fine, count))
        x = F.relu(self.fine_second(x))
        # the large motion is a channel of the latents, the convolutions refine it
        coarse = _enlarged(code[:, FLOW_PLACE] * FLOW_UNIT, 4)
        flow = _enlarged(coarse + self.flow(x))
        # hair ends within a cell: behind it stands still what it moves before
        flow = flow + F.pixel_shuffle(self.finer_flow(x), 2)
        flow = self.outline(x, flow, guidance)
        covered = 1.0 - guidance.confidence[:, 0]
        if covered.any():
            flow = hold_covered(
                flow, repeat_per_frame(guidance.points, count), repeat_per_frame(covered, count)
            )
        return flow

    def forward(self, code: Tensor, guidance: Guidance) -> Tensor:
        """Codes [M, D, h, w] -> frames [M, 3, H, W], the M / B of a portrait in a row."""
        return self.render(code, self.flow_of(code, guidance), guidance)

    def render(self, code: Tensor, flow: Tensor, guidance: Guidance) -> Tensor:
        """The same along the ``flow`` [M, 2, H/2, W/2] that :meth:`flow_of` makes of the codes."""
        return self.render_traced(code, flow, guidance)[0]

    def render_traced(
        self, code: Tensor, flow: Tensor, guidance: Guidance
    ) -> tuple[Tensor, Tensor | None]:
        """:meth:`render`, and what of the frames is the portrait's: [M, 6, H, W].

        The latter is for a larger portrait, and ``None`` without one.
        """
        grid = sampling_grid(flow)
        frames = warp(guidance.source, grid)
        origins = None
        if guidance.large is not None:
            origins = origin_of(frames, grid, torch.ones_like(grid[:, :1]))
        for crops, shown in self.paint(code, flow, grid, guidance):
            paste_crops(frames, crops.picture, crops.boxes, shown)
            if origins is not None:
                paste_crops(origins, crops.origin, crops.boxes, shown)
        return frames, origins

    def paint(
        self, code: Tensor, flow: Tensor, grid: Tensor, guidance: Guidance
    ) -> Iterator[tuple[BlendedCrops, Tensor]]:
        """Eyes, then mouths of codes [M, D, h, w], each with the share that is shown [k M]."""
        mouths, eyes = _shown(guidance, len(code))
        yield self.paint_eyes(code, flow, grid, guidance), eyes
        yield self.paint_mouths(code, flow, grid, guidance), mouths

    def paint_mouths(
        self, code: Tensor, flow: Tensor, grid: Tensor, guidance: Guidance
    ) -> BlendedCrops:
        """The mouths of codes [M, D, h, w], one crop in each frame.

        ``flow`` [M, 2, H/2, W/2] is :meth:`flow_of` the codes and ``grid`` [M, 2, H, W] its
        :func:`sampling_grid`. Lips that shut over teeth of the portrait have a painter of their
        own. One painter for both draws shut lips with a white line, or open mouths with soft teeth.
        """
        state = mouth_states(code, flow, guidance)
        painters = (self.mouth, self.cover)
        shown, _ = _shown(guidance, len(code))
        tone = repeat_per_frame(guidance.tone, len(code))
        return blend_painters(
            state, painters, state.cover_share, shown, grid, guidance.source, tone
        )

    def paint_eyes(
        self, code: Tensor, flow: Tensor, grid: Tensor, guidance: Guidance
    ) -> BlendedCrops:
        """The same for the eyes: [2 M, ...], left and right of each frame.

        Lids that shut have a painter of their own, too. One painter for both draws lashes with
        speckles, or soft eyes. Lashes of shut lids are as dark as the portrait's.
        """
        state = eye_states(code, flow, guidance)
        painters = (self.eye, self.lids)
        _, shown = _shown(guidance, len(code))
        crops = blend_painters(state, painters, state.closed_share, shown, grid, guidance.source)
        rest = state.lost_share(*REST)
        if guidance.lashes is None or not rest.any():
            return crops
        places = crop_grid(grid, crops.boxes)
        return draw_lashes(crops, guidance.lashes.of_frames(len(code)), places, rest)


def mouth_states(code: Tensor, flow: Tensor, guidance: Guidance) -> FeatureState:
    """:func:`read_mouths` of codes [M, D, h, w], the M / B of a portrait in a row."""
    return read_mouths(code, flow, *_portraits(guidance, len(code)))


def eye_states(code: Tensor, flow: Tensor, guidance: Guidance) -> FeatureState:
    """:func:`read_eyes` of the same: 2 M features."""
    return read_eyes(code, flow, *_portraits(guidance, len(code)))


def _shown(guidance: Guidance, count: int) -> tuple[Tensor, Tensor]:
    """The shown share of the mouth [count] and of the eyes [2 count] of each frame."""
    mouths, eyes = repeat_per_frame(guidance.confidence, count).unbind(dim=1)
    return mouths, eyes.repeat_interleave(2)


def _portraits(guidance: Guidance, count: int) -> tuple[Tensor, Tensor]:
    """Landmarks [count, L, 2] and codes [count, D, h, w] of the portrait of each frame."""
    return repeat_per_frame(guidance.points, count), repeat_per_frame(guidance.code, count)


def sampling_grid(flow: Tensor) -> Tensor:
    """Where each pixel samples the portrait, -1..1: flow [M, 2, h, w] -> [M, 2, 2h, 2w]."""
    return flow_to_grid(_enlarged(flow))


def _enlarged(maps: Tensor, factor: float = 2.0) -> Tensor:
    return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)
