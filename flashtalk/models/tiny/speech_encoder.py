"""The embedded speech encoder: samples -> features at the video rate.

Part of station "conditions" of the embedded preset. It keeps the contract of wav2vec 2.0: hidden
states ``[frames, layers, width]``, 25 a second. ``lab.training.tiny.speech_encoder`` trains it on
sound alone, where phones and mouth curves are free labels. Learning to listen through pixels would
cost orders of magnitude more clips.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import SpeechEncoderConfig
from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.models.tiny.held_sounds import HeldSounds
from flashtalk.models.tiny.voice_gate import VoiceGate

WINDOW_SAMPLES = 400  # 25 ms, the usual analysis window of speech
FFT_SAMPLES = 512
POWER_FLOOR = 1e-5  # of the mel power; about 80 dB below full scale
SILENCE = (math.log10(POWER_FLOOR) + 1.0) / 2.0  # in log-mel units
SPECTRA_PER_FRAME = 4  # the stem's two strides of two


def mel_filters(bins: int) -> Tensor:
    """Triangular filters [bins, FFT/2+1], equally spaced on the mel scale, 50 Hz .. 7.6 kHz."""

    def to_mel(hertz: float) -> float:
        return 2595.0 * math.log10(1.0 + hertz / 700.0)

    edges_mel = torch.linspace(to_mel(50.0), to_mel(7600.0), bins + 2)
    edges_hz = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    hertz = torch.linspace(0.0, SPEECH_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    rising = (hertz[None] - edges_hz[:-2, None]) / (edges_hz[1:-1] - edges_hz[:-2])[:, None]
    falling = (edges_hz[2:, None] - hertz[None]) / (edges_hz[2:] - edges_hz[1:-1])[:, None]
    return torch.minimum(rising, falling).clamp(min=0.0)


class ConvBlock(nn.Module):
    """Residual dilated convolution over time: [B, D, F] -> the same."""

    def __init__(self, dim: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, dim)
        self.mix = nn.Conv1d(dim, dim, 5, padding=2 * dilation, dilation=dilation)
        self.expand = nn.Conv1d(dim, 2 * dim, 1)
        self.project = nn.Conv1d(2 * dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.gelu(self.mix(self.norm(x)))
        return x + self.project(F.gelu(self.expand(hidden)))


class SpeechEncoder(nn.Module):
    """Log-mel at 100 Hz -> strided convolutions to 25 Hz -> dilated blocks with kept states."""

    mel: Tensor
    window: Tensor

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.gate = VoiceGate() if config.voice_gate else nn.Identity()
        self.register_buffer("mel", mel_filters(config.mel_bins), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW_SAMPLES), persistent=False)
        self.stem = nn.Sequential(
            nn.Conv1d(config.mel_bins, dim, 5, padding=2),
            nn.GELU(),
            nn.Conv1d(dim, dim, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Conv1d(dim, dim, 4, stride=2, padding=1),
        )
        self.blocks = nn.ModuleList(ConvBlock(dim, dilation) for dilation in (1, 2, 1, 4, 1, 2))
        self.outputs = nn.ModuleList(
            nn.Conv1d(dim, config.features.width, 1) for _ in range(config.features.layers)
        )

    def log_mel(self, samples: Tensor) -> Tensor:
        """Samples [B, S] (S a multiple of 640) -> log-mel [B, bins, S/160], about unit range."""
        hop = self.config.hop_samples
        margin = (FFT_SAMPLES - hop) // 2  # each mel frame is centered on its own hop
        padded = F.pad(samples, (margin, FFT_SAMPLES - hop - margin))
        spectrum = torch.stft(
            padded, FFT_SAMPLES, hop, WINDOW_SAMPLES, self.window, center=False, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return (torch.log10(self.mel @ power + POWER_FLOOR) + 1.0) / 2.0

    def forward(self, samples: Tensor) -> Tensor:
        """Mono speech [B, S] at 16 kHz, S a multiple of 640 -> [B, S/640, layers, width]."""
        levels = self.log_mel(self.gate(samples))
        held = HeldSounds.of(levels, SPECTRA_PER_FRAME)
        x = self.stem(held.shorten(levels, SILENCE))  # [B, D, S/640]
        kept: list[Tensor] = []
        every = len(self.blocks) // len(self.outputs)
        for index, block in enumerate(self.blocks):
            x = block(x)
            if (index + 1) % every == 0:
                kept.append(self.outputs[len(kept)](x))
        features = torch.stack([held.lengthen(each) for each in kept], dim=1)
        # [B, layers, width, F]
        return F.layer_norm(features.permute(0, 3, 1, 2), features.shape[2:3])
