"""The tiny autoencoder for Wan 2.1's latents, beside the one that it imitates.

Station "motion frames" and, if asked for, "decode". A network of 3x3 convolutions frame by frame,
in which some layers look at the frame before, too. The architecture is TAEHV's (Ollin Boer Bohan);
names follow its published files (taew2_1). It reads and gives normalized latents.

The portrait's reference is encoded by the whole autoencoder: that happens once. Motion frames are
pictures that are encoded; latents of the transformer are never fed back.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flashtalk.models.published.frames import FramesAreShown
from flashtalk.models.published.wan_vae import TEMPORAL_STRIDE, WanAutoencoder

Part = Literal["encode", "both"]
"""What the tiny autoencoder does: it encodes motion frames, or decodes, too."""

LATENT_CHANNELS = 16
ENCODER_WIDTH = 64
DECODER_WIDTHS = (256, 128, 64, 64)
RECALLING = 3  # layers that look back, in each of the three stages
REACH = 3.0  # latents are held softly within so many standard deviations


class Recalling(nn.Module):
    """Three convolutions over a frame and the one before it, added to the frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(2 * width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, C, H, W] -> the same; nothing comes before the first frame."""
        before = F.pad(x, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1]
        both = torch.cat((x, before), dim=2)
        return F.relu(self.conv(both.flatten(0, 1)).view_as(x) + x)


class Joining(nn.Module):
    """``stride`` frames become one."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(stride * width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, C, H, W] -> [B, F / stride, C, H, W]."""
        joined = x.unflatten(1, (-1, self.stride)).flatten(2, 3)
        return self.conv(joined.flatten(0, 1)).unflatten(0, joined.shape[:2])


class Dividing(nn.Module):
    """A frame becomes ``stride`` frames."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(width, stride * width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, C, H, W] -> [B, F stride, C, H, W]."""
        divided = self.conv(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return divided.unflatten(2, (self.stride, -1)).flatten(1, 2)


class Frames(nn.Sequential):
    """Layers that see all frames, and layers for one frame, one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, F, C, H, W] -> frames, channels and sizes as the layers make them."""
        for layer in self:
            if isinstance(layer, Recalling | Joining | Dividing):
                x = layer(x)
            else:
                x = layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return x


class SoftLimit(nn.Module):
    """Holds values within ``REACH``, without an edge."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return torch.tanh(x / REACH) * REACH


class TinyVae(nn.Module):
    """Both halves; the names and numbers of their layers are the published file's."""

    def __init__(self) -> None:
        super().__init__()
        width = ENCODER_WIDTH
        encoder: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
        for stride in (2, 2, 1):
            encoder += [Joining(width, stride), _convolution(width, width, stride=2)]
            encoder += [Recalling(width) for _ in range(RECALLING)]
        self.encoder = Frames(*encoder, nn.Conv2d(width, LATENT_CHANNELS, 3, padding=1))
        first = DECODER_WIDTHS[0]
        decoder: list[nn.Module] = [SoftLimit(), nn.Conv2d(LATENT_CHANNELS, first, 3, padding=1)]
        decoder.append(nn.ReLU())
        for now, then, stride in zip(DECODER_WIDTHS, DECODER_WIDTHS[1:], (1, 2, 2), strict=False):
            decoder += [Recalling(now) for _ in range(RECALLING)]
            decoder += [nn.Upsample(scale_factor=2), Dividing(now, stride)]
            decoder.append(_convolution(now, then))
        last = nn.Conv2d(DECODER_WIDTHS[-1], 3, 3, padding=1)
        self.decoder = Frames(*decoder, nn.ReLU(), last)

    def encode(self, video: Tensor) -> Tensor:
        """Video [B, 3, 1+4k, H, W] in [-1, 1] -> normalized latents [B, 16, 1+k, H/8, W/8].

        The last frame is repeated to whole latents: so frames lie in those of Wan's autoencoder.
        """
        frames = (video.transpose(1, 2) + 1) / 2
        missing = -frames.shape[1] % TEMPORAL_STRIDE
        frames = torch.cat((frames, frames[:, -1:].expand(-1, missing, -1, -1, -1)), dim=1)
        return self.encoder(frames).transpose(1, 2)

    def decode(self, latents: Tensor) -> Tensor:
        """Normalized latents [B, 16, 1+k, h, w] -> video [B, 3, 1+4k, 8h, 8w] in [-1, 1]."""
        frames = self.decoder(latents.transpose(1, 2))[:, TEMPORAL_STRIDE - 1 :]
        return frames.transpose(1, 2).clamp(0, 1) * 2 - 1


class TinyWanAutoencoder(FramesAreShown):
    """A :class:`flashtalk.models.contracts.Autoencoder` that spares the whole one work.

    Clips of ``motion_frames`` are encoded by ``tiny``, all others by ``whole``.
    """

    def __init__(
        self, whole: WanAutoencoder, tiny: TinyVae, motion_frames: int, part: Part
    ) -> None:
        super().__init__()
        self.whole, self.tiny = whole, tiny
        self._motion_frames, self._part = motion_frames, part

    def graphs(self) -> tuple[nn.Module, ...]:
        """Parts of both."""
        return (*self.whole.graphs(), self.tiny.encoder, self.tiny.decoder)

    def encode(self, video: Tensor, guidance: None = None) -> Tensor:
        """As :meth:`WanAutoencoder.encode`."""
        if video.shape[2] != self._motion_frames:
            return self.whole.encode(video)
        return self.tiny.encode(video.to(self._dtype)).float()

    def decode(self, latents: Tensor, guidance: None = None, *, skip_frames: int = 0) -> Tensor:
        """As :meth:`WanAutoencoder.decode`."""
        if self._part == "encode":
            return self.whole.decode(latents, skip_frames=skip_frames)
        return self.tiny.decode(latents.to(self._dtype))[:, :, skip_frames:].float()

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.tiny.parameters()).dtype


def _convolution(width: int, to: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(width, to, 3, stride=stride, padding=1, bias=False)
