"""The embedded autoencoder: latents carry what differs from the portrait, the portrait the rest.

Station "decode" (and "motion frames", which are encoded here) of the small preset; the 14B preset
has the Wan 2.1 VAE at this place. Same contract: ``1 + 4k`` frames <-> ``1 + k`` latents.

Identity cannot pass 8x8 cells, so it does not have to: the decoder *warps* the portrait's pixels
and features along a predicted flow and adds a synthesized residual (teeth, tongue, eyelids, what
was hidden). There is no blending mask: one saturates to "copy" and starves the synthesis of
gradient.

Every latent frame is a group of ``temporal_stride`` frames (latent 0: its one frame, repeated)
that is coded without its neighbors, so chunking is exact and any part can be decoded alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import AutoencoderConfig
from flashtalk.models.face_code import FEATURES, FLOW_UNIT, index_of
from flashtalk.models.matching import (
    MATCH_PLACES,
    correlate,
    expected_place,
    matching_features,
)

GROUP_FRAMES = 4  # frames per latent after the first; the geometry's temporal_stride


@dataclass(frozen=True)
class Guidance:
    """What the networks know of one portrait; computed once per session. Letters: B batch."""

    portrait: Tensor
    """[B, 3, H, W] in [-1, 1]."""
    reference: Tensor
    """[B, C, H/32, W/32] the portrait's own latent: where its mouth and eyes are, and how."""
    encoder_bias: Tensor
    """[B, D, H/8, W/8] the portrait's share of the encoder's first layer."""
    matching: Tensor
    """[B, D, H/8, W/8] unit features in which the encoder looks for each place of a frame."""
    coarse: Tensor
    """[B, D, H/32, W/32] added in the decoder's trunk."""
    middle: Tensor
    """[B, D, H/16, W/16]"""
    fine: Tensor
    """[B, D, H/8, W/8]"""
    appearance: Tensor
    """[B, D, H/4, W/4] features that are warped along the flow."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection: [B, D, H, W] -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.first(F.relu(self.norm(x))), inplace=True)
        return x + self.second(hidden)


class PortraitPyramid(nn.Module):
    """Portrait -> feature maps for the encoder and for each scale of the decoder."""

    def __init__(self, width: int) -> None:
        super().__init__()
        thin = width * 3 // 8
        self.encoder = nn.Conv2d(3 * 64, width * 3 // 2, 1)
        self.stem = nn.Conv2d(3 * 16, thin, 3, padding=1)
        self.appearance = nn.Conv2d(thin, thin, 3, padding=1)
        self.fine = nn.Conv2d(thin, width * 3 // 4, 3, stride=2, padding=1)
        self.middle = nn.Conv2d(width * 3 // 4, width, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(width, width * 2, 3, stride=2, padding=1)

    def forward(self, portrait: Tensor) -> dict[str, Tensor]:
        """Portrait [B, 3, H, W] -> the maps of :class:`Guidance` by name, reference excepted."""
        stem = F.relu(self.stem(F.pixel_unshuffle(portrait, 4)))
        fine = self.fine(stem)
        middle = self.middle(F.relu(fine))
        return {
            "portrait": portrait,
            "encoder_bias": self.encoder(F.pixel_unshuffle(portrait, 8)),
            "matching": matching_features(portrait),
            "coarse": self.coarse(F.relu(middle)),
            "middle": middle,
            "fine": fine,
            "appearance": self.appearance(stem),
        }


class Encoder(nn.Module):
    """One group of four frames -> one latent frame: [N, 4, 3, H, W] -> [N, C, H/32, W/32].

    What moved where is found by block matching against the portrait, which convolutions alone
    do not learn in the time that two cores have; they read the rest (mouth, eyes).
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        width = config.width
        # 8x8 patches of all four frames at once; the portrait's share comes from Guidance.
        self.patchify = nn.Conv2d(GROUP_FRAMES * 3 * 64, width * 3 // 2, 1)
        self.displacement = nn.Conv2d(MATCH_PLACES, 14, 1)
        self.sharpness = nn.Parameter(torch.tensor(20.0))
        merged = width * 3 // 2 + GROUP_FRAMES * 16
        self.fine = nn.Conv2d(merged, width, 3, padding=1)
        self.middle = nn.Conv2d(width, width * 3 // 2, 3, stride=2, padding=1)
        self.middle_block = ResidualBlock(width * 3 // 2)
        self.coarse = nn.Conv2d(width * 3 // 2, width * 2, 3, stride=2, padding=1)
        self.coarse_block = ResidualBlock(width * 2)
        self.head = nn.Conv2d(width * 2, config.latent_channels, 1)
        self.shortcut = nn.Conv2d(GROUP_FRAMES * 2, config.latent_channels, 1)

    def forward(self, frames: Tensor, encoder_bias: Tensor, matching: Tensor) -> Tensor:
        groups = frames.shape[0]
        features = matching_features(frames.flatten(0, 1)).unflatten(0, (groups, GROUP_FRAMES))
        cosines = correlate(features, spread(matching, groups))
        found = expected_place(cosines * self.sharpness)  # [N*4, 2, H/8, W/8]
        moved = torch.cat((F.relu(self.displacement(cosines)), found), dim=1)
        moved = moved.unflatten(0, (groups, GROUP_FRAMES)).flatten(1, 2)
        seen = self.patchify(F.pixel_unshuffle(frames.flatten(1, 2), 8))
        seen = F.relu(seen + spread(encoder_bias, groups))
        x = F.relu(self.fine(torch.cat((seen, moved), dim=1)))
        x = self.middle_block(self.middle(x))
        x = self.coarse_block(self.coarse(F.relu(x)))
        found = F.avg_pool2d(found, 4).unflatten(0, (groups, GROUP_FRAMES)).flatten(1, 2)
        return self.head(F.relu(x)) + self.shortcut(found)


class Decoder(nn.Module):
    """One latent frame -> ``frames`` of its group: flow, then warped portrait plus residual."""

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
        self.detail = nn.Conv2d(fine, thin, 3, padding=1)
        self.merge = nn.Conv2d(2 * thin, thin, 3, padding=1)
        self.merge_second = nn.Conv2d(thin, thin, 3, padding=1)
        self.residual = nn.Conv2d(thin, 3 * 16, 3, padding=1)
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
        code = latents.unflatten(1, (GROUP_FRAMES, len(FEATURES)))[:, :frames]
        first = index_of("flow_x")
        coarse = code[:, :, first : first + 2].flatten(0, 1) * FLOW_UNIT
        coarse = F.interpolate(coarse, scale_factor=4.0, mode="bilinear", align_corners=False)
        return x, coarse + self.flow(x)

    def render(
        self, x: Tensor, offset: Tensor, guidance: Guidance, windows: Tensor | None = None
    ) -> Tensor:
        """Features and offsets of :meth:`motion` -> pictures [N*frames, 3, H, W].

        ``windows`` [N*frames, 4] (top, left, height, width in cells of 8 pixels, one size for
        all) renders only those parts; training uses it to spend its time on faces.
        """
        count = x.shape[0]
        coarse = F.interpolate(offset, scale_factor=2.0, mode="bilinear", align_corners=False)
        full = F.interpolate(offset, scale_factor=8.0, mode="bilinear", align_corners=False)
        coarse_grid = identity_grid(coarse) + coarse.permute(0, 2, 3, 1)
        full_grid = identity_grid(full) + full.permute(0, 2, 3, 1)
        if windows is not None:
            x = cut(x, windows)
            coarse_grid = cut(coarse_grid.permute(0, 3, 1, 2), windows * 2).permute(0, 2, 3, 1)
            full_grid = cut(full_grid.permute(0, 3, 1, 2), windows * 8).permute(0, 2, 3, 1)
        appearance = spread(guidance.appearance, count)
        warped = F.grid_sample(appearance, coarse_grid, padding_mode="border", align_corners=False)
        detail = F.interpolate(
            self.detail(x), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        x = F.relu(self.merge(torch.cat((warped, detail), dim=1)))
        x = F.relu(self.merge_second(x))
        residual = F.pixel_shuffle(self.residual(x), 4)
        portrait = spread(guidance.portrait, count)
        copied = F.grid_sample(portrait, full_grid, padding_mode="border", align_corners=False)
        return copied + residual

    def forward(self, latents: Tensor, guidance: Guidance, frames: int = GROUP_FRAMES) -> Tensor:
        """[N, C, h, w] -> the first ``frames`` pictures of each group: [N, frames, 3, H, W]."""
        x, offset = self.motion(latents, guidance, frames)
        return self.render(x, offset, guidance).unflatten(0, (-1, frames))


def spread(feature: Tensor, count: int) -> Tensor:
    """One copy of each portrait's feature [B, ...] per group or frame: [count, ...]."""
    if feature.shape[0] == 1:
        return feature.expand(count, *feature.shape[1:])
    return feature.repeat_interleave(count // feature.shape[0], dim=0)


def cut(maps: Tensor, windows: Tensor) -> Tensor:
    """Parts of ``maps`` [N, D, H, W] at ``windows`` [N, 4] (top, left, height, width)."""
    return torch.stack(
        [
            each[:, top : top + height, left : left + width]
            for each, (top, left, height, width) in zip(maps, windows.tolist(), strict=True)
        ]
    )


def identity_grid(like: Tensor) -> Tensor:
    """Grid [1, H, W, 2] that samples every place of ``like`` [B, D, H, W] from itself."""
    height, width = like.shape[-2:]
    rows = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) * (2 / height) - 1
    columns = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) * (2 / width) - 1
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]


class PortraitAutoencoder(nn.Module):
    """Video <-> latents, guided by a portrait."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        if config.latent_channels != GROUP_FRAMES * len(FEATURES):
            raise ValueError(
                f"latent_channels must be {GROUP_FRAMES * len(FEATURES)} (one face code for each "
                f"of {GROUP_FRAMES} frames), got {config.latent_channels}"
            )
        self.config = config
        self.pyramid = PortraitPyramid(config.width)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def encoder_state(self) -> dict[str, Tensor]:
        """Copies of the weights that only the encoder uses; it can be trained by itself."""
        names = ("encoder.", "pyramid.encoder.")
        state = self.state_dict()
        return {name: value.clone() for name, value in state.items() if name.startswith(names)}

    def prepare(self, portrait: Tensor) -> Guidance:
        """Portrait [B, 3, H, W] in [-1, 1] -> :class:`Guidance`, once per session."""
        maps = self.pyramid(portrait)
        still = portrait[:, None].expand(-1, GROUP_FRAMES, -1, -1, -1)
        reference = self.encoder(still, maps["encoder_bias"], maps["matching"])
        return Guidance(reference=reference, **maps)

    def encode_groups(self, frames: Tensor, guidance: Guidance) -> Tensor:
        """Groups [N, 4, 3, H, W], N a multiple of the portraits -> latents [N, C, h, w]."""
        return self.encoder(frames, guidance.encoder_bias, guidance.matching)

    def encode(self, video: Tensor, guidance: Guidance) -> Tensor:
        """Video [B, 3, 1+4k, H, W] in [-1, 1] -> latents [B, C, 1+k, H/32, W/32]."""
        frames = video.transpose(1, 2)  # [B, F, 3, H, W]
        first = frames[:, :1].expand(-1, GROUP_FRAMES, -1, -1, -1)
        groups = torch.cat((first, frames[:, 1:]), dim=1).unflatten(1, (-1, GROUP_FRAMES))
        count = groups.shape[1]
        latents = self.encode_groups(groups.flatten(0, 1), guidance)
        return latents.unflatten(0, (-1, count)).transpose(1, 2)

    def decode(self, latents: Tensor, guidance: Guidance, *, skip_frames: int = 0) -> Tensor:
        """Latents [B, C, 1+k, h, w] -> video [B, 3, 1+4k-skip_frames, H, W] in [-1, 1].

        Groups that lie wholly before ``skip_frames`` are not computed.
        """
        parts = []
        if skip_frames < 1:
            parts.append(self.decoder(latents[:, :, 0], guidance, frames=1))
        first_group = max(0, (skip_frames - 1) // GROUP_FRAMES)  # among those after latent 0
        groups = latents[:, :, 1 + first_group :].transpose(1, 2)  # [B, k, C, h, w]
        if groups.shape[1]:
            pictures = self.decoder(groups.flatten(0, 1), guidance)
            pictures = pictures.unflatten(0, groups.shape[:2]).flatten(1, 2)
            parts.append(pictures[:, max(0, skip_frames - 1 - first_group * GROUP_FRAMES) :])
        return torch.cat(parts, dim=1).transpose(1, 2).clamp(-1.0, 1.0)
