"""Latents -> frames of the embedded autoencoder: a warped portrait, completed and given a mouth.

Station "decode". Above :mod:`flashtalk.models.mouth`, below :mod:`flashtalk.models.autoencoder`.
There is no blending mask between the warped portrait and what is added to it: one saturates to
"copy" and starves the synthesis of gradient. The mouth's veil is the exception; it is told where to
be (``opening_error`` in training).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import AutoencoderConfig
from flashtalk.models.face_code import FEATURES, GROUP_FRAMES, flow_of
from flashtalk.models.guidance import Guidance
from flashtalk.models.maps import ResidualBlock, cut, identity_grid, spread
from flashtalk.models.mouth import (
    MouthPainter,
    MouthPlace,
    PaintedMouth,
    follow,
    read_center,
    read_place,
    soft_edges,
    window_corners,
)


class Decoder(nn.Module):
    """One latent frame -> ``frames`` of its group: flow, warped portrait plus residual, mouth."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        width = config.width
        thin = width * 3 // 8
        fine = width * 3 // 4
        self.coarse = nn.Conv2d(config.latent_channels, width * 2, 3, padding=1)
        self.reference = nn.Conv2d(config.latent_channels, width * 2, 3, padding=1)
        self.coarse_block = ResidualBlock(width * 2)
        self.split = nn.Conv2d(width * 2, GROUP_FRAMES * width, 1)
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.middle_block = ResidualBlock(width)
        self.fine = nn.Conv2d(width, fine, 3, padding=1)
        self.fine_second = nn.Conv2d(fine, fine, 3, padding=1)
        self.flow = nn.Conv2d(fine, 2, 3, padding=1)
        self.to_detail = nn.Conv2d(fine, thin, 3, padding=1)
        self.merge = nn.Conv2d(2 * thin, thin, 3, padding=1)
        self.merge_second = nn.Conv2d(thin, thin, 3, padding=1)
        self.residual = nn.Conv2d(thin, 3 * 16, 3, padding=1)
        self.mouth = MouthPainter(width)
        nn.init.normal_(self.flow.weight, std=1e-3)
        nn.init.zeros_(self.flow.bias)
        nn.init.normal_(self.residual.weight, std=1e-3)
        nn.init.zeros_(self.residual.bias)

    def motion(self, latents: Tensor, guidance: Guidance, frames: int) -> tuple[Tensor, Tensor]:
        """[N, C, h, w] -> features [N*frames, D, 4h, 4w] and flow offsets [N*frames, 2, 4h, 4w]."""
        groups = latents.shape[0]
        known = guidance.coarse + self.reference(guidance.reference)
        x = self.coarse_block(self.coarse(latents) + spread(known, groups))
        x = self.split(F.relu(x)).unflatten(1, (GROUP_FRAMES, -1))[:, :frames].flatten(0, 1)
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        x = self.middle_block(self.middle(x) + spread(guidance.middle, groups * frames))
        x = F.interpolate(F.relu(x), scale_factor=2.0, mode="nearest")
        x = F.relu(self.fine(x) + spread(guidance.fine, groups * frames))
        x = F.relu(self.fine_second(x))
        # the large motion is a channel of the latents, the convolutions refine it
        coarse = flow_of(latents)[:, :frames].flatten(0, 1)
        coarse = F.interpolate(coarse, scale_factor=4.0, mode="bilinear", align_corners=False)
        return x, coarse + self.flow(x)

    def render(self, x: Tensor, offset: Tensor, guidance: Guidance, windows: Tensor) -> Tensor:
        """Features and offsets of :meth:`motion` -> parts of the pictures [N*frames, 3, h, w].

        ``windows`` [N*frames, 4] are top, left, height and width in cells of 8 pixels, one size for
        all. Without mouths; what training looks at.
        """
        return self.warped(offset, guidance, windows) + self.detail(x, offset, guidance, windows)

    def warped(self, offset: Tensor, guidance: Guidance, windows: Tensor | None = None) -> Tensor:
        """The portraits, warped: pictures [N*frames, 3, H, W] or their ``windows``."""
        full = F.interpolate(offset, scale_factor=8.0, mode="bilinear", align_corners=False)
        grid = identity_grid(full) + full.permute(0, 2, 3, 1)
        if windows is not None:
            grid = cut(grid.permute(0, 3, 1, 2), windows * 8).permute(0, 2, 3, 1)
        pixels = spread(guidance.pixels, len(offset))
        return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)

    def detail(self, x: Tensor, offset: Tensor, guidance: Guidance, windows: Tensor) -> Tensor:
        """What the warped portrait lacks (eyelids, what was hidden) in ``windows``."""
        coarse = F.interpolate(offset, scale_factor=2.0, mode="bilinear", align_corners=False)
        grid = identity_grid(coarse) + coarse.permute(0, 2, 3, 1)
        grid = cut(grid.permute(0, 3, 1, 2), windows * 2).permute(0, 2, 3, 1)
        appearance = spread(guidance.appearance, len(x))
        warped = F.grid_sample(appearance, grid, padding_mode="border", align_corners=False)
        features = self.to_detail(cut(x, windows))
        features = F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
        features = F.relu(self.merge(torch.cat((warped, features), dim=1)), inplace=True)
        features = F.relu(self.merge_second(features), inplace=True)
        return F.pixel_shuffle(self.residual(features), 4)

    def offsets(self, latents: Tensor, guidance: Guidance) -> Tensor:
        """Latents [B, 1+k, C, h, w] -> flow of all frames [B*(1+4k), 2, H/8, W/8]."""
        batch = latents.shape[0]
        _, first = self.motion(latents[:, 0], guidance, frames=1)
        parts = [first.unflatten(0, (batch, 1))]
        if latents.shape[1] > 1:
            _, rest = self.motion(latents[:, 1:].flatten(0, 1), guidance, GROUP_FRAMES)
            parts.append(rest.unflatten(0, (batch, -1)))
        return torch.cat(parts, dim=1).flatten(0, 1)

    def forward(self, latents: Tensor, guidance: Guidance, frames: int = GROUP_FRAMES) -> Tensor:
        """[N, C, h, w] -> the first ``frames`` pictures of each group: [N, frames, 3, H, W]."""
        x, offset = self.motion(latents, guidance, frames)
        pictures = self.warped(offset, guidance)
        windows = spread(face_windows(guidance.reference, x.shape[-2:]), len(x))
        add(pictures, self.detail(x, offset, guidance, windows), windows[:, :2] * 8)
        code = latents.unflatten(1, (GROUP_FRAMES, len(FEATURES)))[:, :frames].flatten(0, 1)
        painted, corners = self.paint_mouths(code, offset, guidance)
        blend(pictures, painted.picture, corners)
        return pictures.unflatten(0, (-1, frames))

    def paint_mouths(
        self, code: Tensor, offset: Tensor, guidance: Guidance
    ) -> tuple[PaintedMouth, Tensor]:
        """Windows around the mouths of codes [M, features, h, w] and their top left pixels [M, 2].

        ``offset`` [M, 2, H/8, W/8] is what :meth:`motion` made of the same latents.
        """
        home = read_center(guidance.reference.unflatten(1, (GROUP_FRAMES, -1)).mean(dim=1))
        numbers = read_place(code).numbers
        place = MouthPlace(follow(offset, spread(home, len(code))), numbers)
        height, width = guidance.portrait.shape[-2:]
        corners = window_corners(place.center, height, width)
        rows, columns = MouthPainter.window_of(height, width)
        full = F.interpolate(offset, size=(height, width), mode="bilinear", align_corners=False)
        grid = identity_grid(full) + full.permute(0, 2, 3, 1)
        positions = torch.stack(
            [
                each[top : top + rows, left : left + columns]
                for each, (top, left) in zip(grid, corners.tolist(), strict=True)
            ]
        )
        portrait = spread(guidance.pixels, len(corners))
        return self.mouth(place, positions, portrait, corners, (height, width)), corners


def face_windows(reference: Tensor, cells: torch.Size) -> Tensor:
    """Where detail is worth its time, for portraits' codes [B, C, h, w]: [B, 4] as in ``render``.

    Half of the picture's sides, around the middle between mouth and eyes. Beyond it, detail gained
    0.04 dB on held-out renders and took a fifth of the decoder's time.
    """
    code = reference.unflatten(1, (GROUP_FRAMES, -1)).mean(dim=1)
    middle = (read_center(code) + read_center(code, "lid")) / 2  # [B, 2]
    size = torch.tensor([cells[0] // 2, cells[1] // 2], device=reference.device)
    room = torch.tensor(cells, device=reference.device)
    first = ((middle.flip(1) + 1) / 2 * room - size / 2).round().long()
    first = first.clamp(min=0).minimum(room - size)
    return torch.cat((first, size.expand(len(first), 2)), dim=1)


def add(pictures: Tensor, parts: Tensor, corners: Tensor) -> None:
    """Adds parts [M, 3, h, w] to ``pictures`` at ``corners`` [M, 2], fading out at their edges."""
    rows, columns = parts.shape[-2:]
    parts = parts * soft_edges(rows, columns, parts)
    for index, (top, left) in enumerate(corners.tolist()):
        pictures[index, :, top : top + rows, left : left + columns].add_(parts[index])


def blend(pictures: Tensor, parts: Tensor, corners: Tensor) -> None:
    """Puts parts [M, 3, h, w] into ``pictures`` at ``corners`` [M, 2], fading at their edges."""
    rows, columns = parts.shape[-2:]
    share = soft_edges(rows, columns, parts)[0]
    for index, (top, left) in enumerate(corners.tolist()):
        place = pictures[index, :, top : top + rows, left : left + columns]
        place.lerp_(parts[index], share)
