"""The embedded autoencoder: latents hold what differs from the portrait, the portrait the rest.

Station "decode" of the embedded preset, and "motion frames", whose codes are known. It keeps the
contract of the Wan 2.1 VAE: ``1 + 4k`` frames <-> ``1 + k`` latents. Identity cannot pass 8x8 cells
and does not have to. The decoder *warps* the portrait's pixels along a predicted flow, and paints
mouth and eyes.

A latent is a group of ``GROUP_FRAMES`` frames (latent 0: its one frame, repeated), coded without
its neighbors. So chunking is exact, and any part can be decoded alone. Letters: B portraits, C
channels and h x w cells of a latent, D features of a code, H x W pixels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import AutoencoderConfig
from flashtalk.inputs.still import FILLING, Place
from flashtalk.models.contracts import Enlarge
from flashtalk.models.tiny.confidence import feature_confidence, hidden_notices
from flashtalk.models.tiny.decoder import Decoder
from flashtalk.models.tiny.enlarging import enlarge
from flashtalk.models.tiny.face_code import (
    FEATURES,
    FLOW_PLACE,
    GROUP_FRAMES,
    frames_of,
    groups_of,
    index_of,
    paint,
    with_flow,
)
from flashtalk.models.tiny.flow_guess import FlowGuesser
from flashtalk.models.tiny.guidance import Guidance, PortraitPyramid
from flashtalk.models.tiny.landmark_choice import choose_marks, read_frames
from flashtalk.models.tiny.landmarks import FaceMarks, FaceReader
from flashtalk.models.tiny.large_portrait import LargePortrait, placed
from flashtalk.models.tiny.lashes import Lashes
from flashtalk.models.tiny.lip_gain import open_wider
from flashtalk.models.tiny.maps import flow_to_grid, repeat_per_frame
from flashtalk.models.tiny.registration import (
    SIDES_PX,
    STEPS,
    displacement_grid,
    gauss_newton_step,
    image_gradient,
    small_gray,
)
from flashtalk.models.tiny.shut_mouth import shut_mouths
from flashtalk.models.tiny.tone import face_tone, no_limit

STRIDE_PX = 32  # pixels along a side of a latent's cell


class PortraitAutoencoder(nn.Module):
    """Video <-> latents, guided by a portrait."""

    latents_independent = True

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

    def begin(
        self, portrait: Tensor, large: Tensor | None = None, place: Place = FILLING
    ) -> tuple[Tensor, Guidance]:
        """Portrait [B, 3, H, W] in [-1, 1] -> the same, a wide open mouth shut, and guidance.

        ``large`` [1, 3, H', W'] is the portrait at the size of the pictures, if that is another.
        Frames have a ``place`` in it.
        """
        marks = self.read_portrait(portrait)
        confidence = feature_confidence(portrait, marks) if self.config.fade_unseen else None
        rested = portrait
        if confidence is not None:
            sure = confidence[:, 0] > 0.0
            rested = shut_mouths(portrait, marks.points, sure)
            if large is not None:
                large = shut_mouths(large, placed(marks.points, place), sure)
        if rested is portrait:
            guidance = self.guidance_of(portrait, marks, confidence)
        else:
            guidance = self.prepare(rested)
        if large is not None:
            guidance = replace(guidance, large=LargePortrait.of(large, place))
        return rested, guidance

    def prepare(self, portrait: Tensor) -> Guidance:
        """Portrait [B, 3, H, W] in [-1, 1] -> its :class:`Guidance`, its mouth as it is."""
        marks = self.read_portrait(portrait)
        if not self.config.fade_unseen:
            return self.guidance_of(portrait, marks)
        return self.guidance_of(portrait, marks, feature_confidence(portrait, marks))

    def guidance_of(
        self, portrait: Tensor, marks: FaceMarks, confidence: Tensor | None = None
    ) -> Guidance:
        """Guidance of a portrait [B, 3, H, W] that was read.

        ``confidence`` [B, 2] in mouth and eyes bounds what is painted; without it all is painted.
        """
        code = paint(marks.points, marks.gaze, self.grid_size(portrait))
        guidance = replace(self.guidance(portrait, code, marks.points), meshed=marks.meshed)
        if confidence is None:
            return guidance
        return replace(
            guidance,
            confidence=confidence,
            tone=face_tone(portrait, marks.points),
            lashes=Lashes.of(portrait, marks.points),
        )

    def graphs(self) -> tuple[nn.Module, ...]:
        """The flow's last correction; painters draw other numbers of frames from call to call."""
        return (self.decoder.outline,)

    def notices(self, guidance: Guidance) -> tuple[str, ...]:
        """Sentences about a mouth or eyes that nothing is painted on."""
        return hidden_notices(guidance.confidence)

    def read_portrait(self, portrait: Tensor) -> FaceMarks:
        """Portrait [B, 3, H, W] in [-1, 1] -> its landmarks, by the network that sees them best."""
        if self.config.landmarks == "own":
            return self.reader(portrait)
        return choose_marks(self.reader, portrait)

    def guidance(self, portrait: Tensor, code: Tensor, points: Tensor) -> Guidance:
        """Guidance of a portrait [B, 3, H, W] whose code [B, D, h, w] and landmarks are known.

        ``points`` [B, L, 2] were read by the own network. All that is painted is shown, in any
        tone: so painters learn.
        """
        maps = self.pyramid(portrait)
        maps["coarse"] = maps["coarse"] + self.decoder.reference(code)
        return Guidance(
            code=code,
            points=points,
            meshed=torch.zeros(len(points), dtype=torch.bool, device=points.device),
            confidence=portrait.new_ones(len(portrait), 2),
            tone=no_limit(portrait),
            **maps,
        )

    @staticmethod
    def grid_size(pictures: Tensor) -> tuple[int, int]:
        """Rows and columns of the latents of ``pictures`` [..., H, W]."""
        return pictures.shape[-2] // STRIDE_PX, pictures.shape[-1] // STRIDE_PX

    def encode(self, video: Tensor, guidance: Guidance) -> Tensor:
        """Video [B, 3, 1+4k, H, W] in [-1, 1] -> latents [B, C, 1+k, h, w].

        A network guesses the flow, which is then made exact.
        """
        frames = video.transpose(1, 2)  # [B, F, 3, H, W]
        flow = self.flow_guesser(frames, guidance.encoder_bias, guidance.matching)
        guess = frames_of(flow.unflatten(0, (len(frames), -1)))  # [B, F, 2, h, w]
        return _latents_of(self.read(frames, guess, guidance))

    def reference_latents(self, clip: Tensor, guidance: Guidance) -> Tensor:
        """Latents [B, C, 1+k, h, w] of a ``clip`` [B, 3, 1+4k, H, W] in which portraits rest.

        Their mouths and eyes are known; read once more, lips of a photograph come out elsewhere.
        Only the flow is found. It undoes the small errors that a decoder makes of a face at rest.
        """
        still = torch.zeros_like(guidance.code[:, FLOW_PLACE])
        code = self.register(guidance.code, guidance.portrait, still, guidance)
        return _latents_of(code[:, None].expand(-1, clip.shape[2], -1, -1, -1))

    def motion_latents(self, video: Tensor, latents: Tensor, guidance: Guidance) -> Tensor:
        """Motion latents [B, C, 1+k, h, w] of frames that the end of ``latents`` was decoded to.

        These codes say exactly how the frames [B, 3, 1+4k, H, W] were made. Reading them back can
        only lose something: it displaces faces by up to ten pixels of 256, and halves open mouths.
        """
        return _latents_of(self.codes_of(latents, 0)[:, -video.shape[2] :])

    def read(self, frames: Tensor, guess: Tensor, guidance: Guidance) -> Tensor:
        """Codes [B, F, D, h, w] of ``frames`` [B, F, 3, H, W] alone.

        Who read the portrait finds mouth and eyes. The flow begins with a ``guess`` [B, F, 2, h, w]
        and is made exact (:mod:`flashtalk.models.tiny.registration`).
        """
        points, gaze = read_frames(self.reader, frames, guidance.points, guidance.meshed)
        code = paint(points, gaze, self.grid_size(frames))
        code = self.register(code, frames.flatten(0, 1), guess.flatten(0, 1), guidance)
        return code.unflatten(0, frames.shape[:2])

    def register(self, code: Tensor, frames: Tensor, guess: Tensor, guidance: Guidance) -> Tensor:
        """Gives codes [M, D, h, w] the flow with which they decode to ``frames`` [M, 3, H, W]."""
        nodes, coarse = self.grid_size(frames), guess
        for side_px in SIDES_PX:
            target = small_gray(frames, side_px)
            gray = small_gray(guidance.portrait, side_px)
            portrait = torch.cat((gray, image_gradient(gray)), dim=1)
            size = (target.shape[-2], target.shape[-1])
            grid = displacement_grid(nodes, size, frames.device)
            flow = self.decoder.flow_of(with_flow(code, coarse), guidance)
            flow = F.interpolate(flow, size=size, mode="bilinear", align_corners=False)
            sampling, decoded = flow_to_grid(flow), coarse
            for _ in range(STEPS):
                change = F.interpolate(coarse - decoded, size=size, mode="bilinear")
                coarse = coarse + gauss_newton_step(
                    target, portrait, sampling + change, grid, guess - coarse
                )
        return with_flow(code, coarse)

    def openings(self, latents: Tensor) -> Tensor:
        """How far open mouths are in frames of latents [1, C, 1+k, h, w]: [1+4k], 0 is shut."""
        return self.codes_of(latents, 0)[0, :, index_of("lip_gap")].amax(dim=(1, 2))

    def decode(self, latents: Tensor, guidance: Guidance, *, skip_frames: int = 0) -> Tensor:
        """Latents [B, C, 1+k, h, w] -> video [B, 3, 1+4k-skip_frames, H, W] in [-1, 1]."""
        return self.decode_traced(latents, guidance, skip_frames=skip_frames)[0]

    def decode_traced(
        self, latents: Tensor, guidance: Guidance, *, skip_frames: int = 0
    ) -> tuple[Tensor, Enlarge | None]:
        """:meth:`decode`, and what makes pictures of these frames, if the portrait is larger."""
        codes = self.codes_of(latents, skip_frames)
        code = codes.flatten(0, 1)
        code = open_wider(code, repeat_per_frame(guidance.meshed, len(code)))
        flow = self.decoder.flow_of(code, guidance)
        frames, origins = self.decoder.render_traced(code, flow, guidance)
        video = frames.unflatten(0, codes.shape[:2]).clamp_(-1.0, 1.0).transpose(1, 2)
        if origins is None or guidance.large is None:
            return video, None
        return video, partial(enlarge, origins=origins, large=guidance.large)

    @staticmethod
    def codes_of(latents: Tensor, skip_frames: int) -> Tensor:
        """Latents [B, C, 1+k, h, w] -> codes of their frames [B, 1+4k-skip_frames, D, h, w]."""
        groups = latents.transpose(1, 2).unflatten(2, (GROUP_FRAMES, -1))  # [B, 1+k, 4, D, h, w]
        codes = torch.cat((groups[:, :1, 0], groups[:, 1:].flatten(1, 2)), dim=1)
        return codes[:, skip_frames:]


def _latents_of(codes: Tensor) -> Tensor:
    """Codes of frames [B, 1+4k, D, h, w] -> latents [B, C, 1+k, h, w]."""
    return groups_of(codes).flatten(2, 3).transpose(1, 2)
