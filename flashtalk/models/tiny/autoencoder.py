"""The embedded autoencoder: latents carry what differs from the portrait, the portrait the rest.

Station "decode" (and "motion frames", which are encoded here) of the small preset; the 14B preset
has the Wan 2.1 VAE at this place. Same contract: ``1 + 4k`` frames <-> ``1 + k`` latents.

Identity cannot pass 8x8 cells, so it does not have to: the decoder *warps* the portrait's pixels
along a predicted flow and paints a mouth and eyes.

Every latent frame is a group of ``temporal_stride`` frames (latent 0: its one frame, repeated)
that is coded without its neighbors, so chunking is exact and any part can be decoded alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import AutoencoderConfig
from flashtalk.models.tiny.decoder import Decoder
from flashtalk.models.tiny.face_code import (
    FEATURES,
    GROUP_FRAMES,
    flow_of,
    frames_of,
    groups_of,
    paint,
    with_flow,
)
from flashtalk.models.tiny.flow_guess import FlowGuesser
from flashtalk.models.tiny.guidance import Guidance, PortraitPyramid
from flashtalk.models.tiny.landmarks import FaceReader
from flashtalk.models.tiny.maps import places_of
from flashtalk.models.tiny.registration import SIDES, STEPS, grid_of, slopes, small_gray, step

STRIDE = 32  # pixels per latent cell


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
        self.flow_guesser = FlowGuesser(config)
        self.reader = FaceReader(config.width)
        self.decoder = Decoder(config)

    def prepare(self, portrait: Tensor) -> Guidance:
        """Portrait [B, 3, H, W] in [-1, 1] -> :class:`Guidance`, once per session."""
        marks = self.reader(portrait)
        code = paint(marks.points, marks.gaze, self.grid(portrait))
        return self.guidance(portrait, code, marks.points)

    def guidance(self, portrait: Tensor, code: Tensor, points: Tensor) -> Guidance:
        """The same where the portrait's code [B, features, h, w] and landmarks are known."""
        maps = self.pyramid(portrait)
        maps["coarse"] = maps["coarse"] + self.decoder.reference(code)
        return Guidance(code=code, points=points, **maps)

    @staticmethod
    def grid(pictures: Tensor) -> tuple[int, int]:
        """Rows and columns of the latents of ``pictures`` [..., H, W]."""
        return pictures.shape[-2] // STRIDE, pictures.shape[-1] // STRIDE

    def encode(self, video: Tensor, guidance: Guidance) -> Tensor:
        """Video [B, 3, 1+4k, H, W] in [-1, 1] -> latents [B, C, 1+k, H/32, W/32].

        The reader finds mouth and eyes; a network guesses the flow, and
        :mod:`flashtalk.models.tiny.registration` makes it exact.
        """
        frames = video.transpose(1, 2)  # [B, F, 3, H, W]
        batch, count = frames.shape[:2]
        marks = self.reader(frames.flatten(0, 1))
        code = paint(marks.points, marks.gaze, self.grid(frames)).unflatten(0, (batch, count))
        flow = self.flow_guesser(frames, guidance.encoder_bias, guidance.matching)
        latents = with_flow(groups_of(code).flatten(2, 3), flow.unflatten(0, (batch, -1)))
        return self.register(latents, frames, guidance).transpose(1, 2)

    def register(self, latents: Tensor, frames: Tensor, guidance: Guidance) -> Tensor:
        """Latents [B, 1+k, C, h, w] of ``frames`` [B, 1+4k, 3, H, W] with their flow made exact."""
        batch = latents.shape[0]
        nodes = (latents.shape[-2], latents.shape[-1])
        guess = flow = frames_of(flow_of(latents)).flatten(0, 1)  # [B*(1+4k), 2, h, w]
        for side in SIDES:
            target = small_gray(frames.flatten(0, 1), side)
            gray = small_gray(guidance.portrait, side)
            portrait = torch.cat((gray, slopes(gray)), dim=1)
            size = (target.shape[-2], target.shape[-1])
            grid = grid_of(nodes, size, latents.device)
            offset = self.decoder.offsets(latents, guidance)
            offset = F.interpolate(offset, size=size, mode="bilinear", align_corners=False)
            places, asked = places_of(offset), flow
            for _ in range(STEPS):
                change = F.interpolate(flow - asked, size=size, mode="bilinear")
                flow = flow + step(target, portrait, places + change, grid, guess - flow)
            latents = with_flow(latents, groups_of(flow.unflatten(0, (batch, -1))))
        return latents

    def decode(self, latents: Tensor, guidance: Guidance, *, skip_frames: int = 0) -> Tensor:
        """Latents [B, C, 1+k, h, w] -> video [B, 3, 1+4k-skip_frames, H, W] in [-1, 1]."""
        groups = latents.transpose(1, 2).unflatten(2, (GROUP_FRAMES, -1))  # [B, 1+k, 4, D, h, w]
        codes = torch.cat((groups[:, :1, 0], groups[:, 1:].flatten(1, 2)), dim=1)
        codes = codes[:, skip_frames:]
        video = self.decoder.pictures(codes.flatten(0, 1), guidance).unflatten(0, codes.shape[:2])
        return video.clamp_(-1.0, 1.0).transpose(1, 2)
