"""Latents -> frames of the embedded autoencoder: a warped portrait, given a mouth and eyes.

Station "decode". Above :mod:`flashtalk.models.tiny.painter`, below
:mod:`flashtalk.models.tiny.autoencoder`. Only mouth and eyes are painted. A residual over the whole
face was tried and left out: on held-out renders it added 0.01 dB and took a tenth of the decoder's
time.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import AutoencoderConfig
from flashtalk.models.tiny.face_code import (
    FEATURES,
    FLOW_PLACE,
    FLOW_UNIT,
    GROUP_FRAMES,
    frames_of,
)
from flashtalk.models.tiny.guidance import Guidance
from flashtalk.models.tiny.maps import ResidualBlock, cut, look_up, places_of, spread
from flashtalk.models.tiny.painter import (
    EYE_NUMBERS,
    LASHES,
    MOUTH_NUMBERS,
    CloseUp,
    Opening,
    Painted,
    eyes,
    mouths,
    soft_edges,
)


class Outline(nn.Module):
    """Corrects a flow where what moves ends: sees which parts of the portrait it has fetched.

    The flow before it is smooth, and knows the portrait where it lies, not where it has moved to.
    In held-out renders three quarters of the squared error were within 4 pixels of an outline, a
    sixth of the picture.
    """

    def __init__(self, fine: int, width: int) -> None:
        super().__init__()
        self.fetched = nn.Conv2d(width, width, 3, padding=1)
        self.trunk = nn.Conv2d(fine, width * 4, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.flow = nn.Conv2d(width, 2 * 4, 3, padding=1)
        nn.init.zeros_(self.flow.weight)
        nn.init.zeros_(self.flow.bias)

    def forward(self, x: Tensor, offset: Tensor, guidance: Guidance) -> Tensor:
        """Trunk [M, D, h, w] and flow [M, 2, 2h, 2w] -> flow [M, 2, 4h, 4w]."""
        fetched = self.fetched(look_up(guidance.near, places_of(offset)))
        hidden = fetched + spread(guidance.still, len(x)) + F.pixel_shuffle(self.trunk(x), 2)
        hidden = F.relu(self.second(F.relu(hidden)))
        finer = F.interpolate(offset, scale_factor=2.0, mode="bilinear", align_corners=False)
        return finer + F.pixel_shuffle(self.flow(hidden), 2)


class Decoder(nn.Module):
    """One latent frame -> ``frames`` of its group: flow, warped portrait, mouth, eyes."""

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
        self.outline = Outline(fine, width * 3 // 8)
        self.mouth = CloseUp(width, MOUTH_NUMBERS, (1 / 4, 3 / 8), lens_gain=3.0, teeth=True)
        self.cover = CloseUp(
            width, MOUTH_NUMBERS, (1 / 4, 3 / 8), lens_gain=3.0, teeth=True, covers=0.0
        )
        self.eye = CloseUp(width // 2, EYE_NUMBERS, window=(1 / 8, 3 / 16), lens_gain=0.0)
        self.lids = CloseUp(width // 2, EYE_NUMBERS, (1 / 8, 3 / 16), lens_gain=0.0, covers=LASHES)
        for layer in (self.flow, self.finer_flow):
            nn.init.normal_(layer.weight, std=1e-3)
            nn.init.zeros_(layer.bias)

    def motion(self, code: Tensor, guidance: Guidance) -> Tensor:
        """Codes [M, D, h, w] -> flow offsets [M, 2, 16h, 16w].

        Each frame is decoded from its own share of a latent. Four decoded as one share their
        errors, and the picture twitches wherever the next four begin.
        """
        count = len(code)
        x = self.coarse_block(self.coarse(code) + spread(guidance.coarse, count))
        x = F.interpolate(F.relu(x), scale_factor=2.0, mode="nearest")
        x = self.middle_block(self.middle(x) + spread(guidance.middle, count))
        x = F.interpolate(F.relu(x), scale_factor=2.0, mode="nearest")
        x = F.relu(self.fine(x) + spread(guidance.fine, count))
        x = F.relu(self.fine_second(x))
        # the large motion is a channel of the latents, the convolutions refine it
        coarse = code[:, FLOW_PLACE] * FLOW_UNIT
        coarse = F.interpolate(coarse, scale_factor=4.0, mode="bilinear", align_corners=False)
        offset = F.interpolate(
            coarse + self.flow(x), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        # hair ends within a cell: behind it stands still what it moves before
        offset = offset + F.pixel_shuffle(self.finer_flow(x), 2)
        return self.outline(x, offset, guidance)

    def offsets(self, latents: Tensor, guidance: Guidance) -> Tensor:
        """Latents [B, 1+k, C, h, w] -> flow of all frames [B*(1+4k), 2, H/2, W/2]."""
        codes = frames_of(latents.unflatten(2, (GROUP_FRAMES, -1)))
        return self.motion(codes.flatten(0, 1), guidance)

    def forward(self, latents: Tensor, guidance: Guidance, frames: int = GROUP_FRAMES) -> Tensor:
        """[N, C, h, w] -> the first ``frames`` pictures of each group: [N, frames, 3, H, W]."""
        return self.pictures(frame_codes(latents, frames), guidance).unflatten(0, (-1, frames))

    def pictures(self, code: Tensor, guidance: Guidance) -> Tensor:
        """Codes of M frames [M, D, h, w] -> pictures [M, 3, H, W]."""
        return self.drawn(code, self.motion(code, guidance), guidance)

    def drawn(self, code: Tensor, offset: Tensor, guidance: Guidance) -> Tensor:
        """The same along the flow that :meth:`motion` makes of the codes."""
        places = sources(offset)
        pictures = look_up(guidance.pixels, places)
        blend(pictures, *self.paint_eyes(code, offset, places, guidance))
        blend(pictures, *self.paint_mouths(code, offset, places, guidance))
        return pictures

    def paint_mouths(
        self, code: Tensor, offset: Tensor, places: Tensor, guidance: Guidance
    ) -> tuple[Tensor, Tensor]:
        """The mouths of codes [M, features, h, w]: pictures [M, 3, rows, columns], windows [M, 4].

        ``offset`` [M, 2, H/2, W/2] is what :meth:`motion` made of the same latents, ``places``
        [M, 2, H, W] what :func:`sources` made of that. Lips that shut over teeth of the portrait
        are drawn by a painter of their own: one for both drew either shut lips with a white line
        or open mouths with soft teeth.
        """
        found = mouths(code, offset, *portraits_of(guidance, len(code)))
        return mixed(found, self.mouth, self.cover, found.covered, places, guidance)

    def paint_eyes(
        self, code: Tensor, offset: Tensor, places: Tensor, guidance: Guidance
    ) -> tuple[Tensor, Tensor]:
        """The same for the eyes: [2 M, ...], left and right of each picture.

        Lids that shut are drawn by a painter of their own, too: one for both drew either lashes
        with speckles or soft eyes.
        """
        found = eyes(code, offset, *portraits_of(guidance, len(code)))
        return mixed(found, self.eye, self.lids, found.shut, places, guidance)


def portraits_of(guidance: Guidance, count: int) -> tuple[Tensor, Tensor]:
    """Landmarks [count, L, 2] and codes [count, features, h, w] of the portrait of each frame."""
    return spread(guidance.points, count), spread(guidance.code, count)


def frame_codes(latents: Tensor, frames: int) -> Tensor:
    """[N, C, h, w] -> the codes of the first ``frames`` of each group, [N*frames, D, h, w]."""
    return latents.unflatten(1, (GROUP_FRAMES, len(FEATURES)))[:, :frames].flatten(0, 1)


def close_up(
    painter: CloseUp,
    opening: Opening,
    places: Tensor,
    guidance: Guidance,
    teeth: Tensor | None = None,
) -> tuple[Painted, Tensor]:
    """What ``painter`` makes of k M openings in M pictures with ``places`` [M, 2, H, W], and where.

    The k openings of a picture follow each other; ``teeth`` as for :meth:`CloseUp.forward`.
    """
    size = (places.shape[-2], places.shape[-1])
    windows = painter.windows(opening.slit.center, *size)
    each = len(windows) // len(places)
    seen = cut([places[index // each] for index in range(len(windows))], windows)
    return painter(opening, seen, guidance.pixels, windows, size, teeth), windows


def mixed(
    opening: Opening,
    painter: CloseUp,
    other: CloseUp,
    share: Tensor,
    places: Tensor,
    guidance: Guidance,
) -> tuple[Tensor, Tensor]:
    """k M openings in M pictures, each drawn in a ``share`` [k M] by the ``other`` painter.

    Pictures [k M, 3, rows, columns] and windows [k M, 4]. A painter draws only the pictures that it
    has a share in.
    """
    size = (places.shape[-2], places.shape[-1])
    windows = painter.windows(opening.slit.center, *size)
    each = len(windows) // len(places)
    pictures = places.new_zeros(len(windows), 3, *painter.window_of(*size))
    for painted_by, part in ((painter, 1.0 - share), (other, share)):
        chosen = part.unflatten(0, (-1, each)).amax(dim=1).nonzero()[:, 0]
        if len(chosen) == 0:
            continue
        if len(guidance.pixels) > 1:  # all portraits keep as many frames each
            chosen = torch.arange(len(places), device=places.device)
        # the usual case is all of them, for which nothing is copied
        seen = places if len(chosen) == len(places) else places[chosen]
        inside = (chosen[:, None] * each + torch.arange(each, device=chosen.device)).flatten()
        made, _ = close_up(painted_by, opening.at(inside), seen, guidance)
        pictures = pictures.index_add(0, inside, part[inside, None, None, None] * made.picture)
    return pictures, windows


def sources(offset: Tensor) -> Tensor:
    """Where each pixel looks in the portrait, -1..1: flow [M, 2, h, w] -> [M, 2, 2h, 2w]."""
    return places_of(F.interpolate(offset, scale_factor=2.0, mode="bilinear", align_corners=False))


def blend(pictures: Tensor, parts: Tensor, windows: Tensor) -> None:
    """Puts parts [k M, 3, h, w] into M ``pictures`` at ``windows`` [k M, 4], fading at their edges.

    The k parts of a picture follow each other.
    """
    each = len(parts) // len(pictures)
    rows, columns = parts.shape[-2:]
    share = soft_edges(rows, columns, parts)[0]
    for index, (top, left, _, _) in enumerate(windows.tolist()):
        picture = pictures[index // each]
        place = picture[:, top : top + rows, left : left + columns]
        place.lerp_(parts[index], share)
