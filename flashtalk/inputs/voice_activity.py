"""How likely a voice is heard: the network of Silero VAD for 16 kHz, in PyTorch.

Its weights ship in the assets (NOTICE names their source) and are no part of a model's own. So they
are buffers: no state dict holds them, and no training changes them. Each call begins in the state
of silence: what is heard depends on the samples alone. Used by
:mod:`flashtalk.models.tiny.voice_gate` and :mod:`flashtalk.inputs.voiced`.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn

from flashtalk.assets import ASSETS, checked_bytes

DETECTOR = ASSETS / "silero_vad" / "silero_vad_16k.safetensors"
_SHA256 = "d7fb67a5b4de0414a0178270ee81439b9e3067c883c304aa758c247d50ffd79d"

FRAME_SAMPLES = 512  # 32 ms at 16 kHz, as the network was trained
_USUAL_PEAK, _MOST_GAIN = 0.2, 50.0
_CONTEXT_SAMPLES = 64  # of the frame before, heard once more
_BASIS_SAMPLES = 256  # of the network's own Fourier transform
_BASIS_HOP = 128
_STRIDES = (1, 2, 2, 1)  # of the four convolutions: four spectra of a frame become one


def lift(peak: Tensor) -> Tensor:
    """What samples with such a ``peak`` are multiplied by: quiet voices are judged like others."""
    return (_USUAL_PEAK / peak.clamp(min=_USUAL_PEAK / _MOST_GAIN)).clamp(min=1.0)


class VoiceActivity(nn.Module):
    """Spectra of a frame -> four convolutions -> LSTM over the frames -> probability of a voice."""

    def __init__(self, path: Path = DETECTOR) -> None:
        super().__init__()
        content = checked_bytes(path, _SHA256, "voice detector").tobytes()
        for name, tensor in load(content).items():
            self.register_buffer(name.replace(".", "_"), tensor, persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Speech [B, S] at 16 kHz -> [B, ceil(S / 512)], the probability 0..1 in each frame."""
        features = self._features(in_frames(samples, _CONTEXT_SAMPLES, FRAME_SAMPLES))  # [B, N, D]
        silence = features.new_zeros(1, features.shape[0], features.shape[2])
        weights = [
            self.get_buffer(f"lstm_cell_{name}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        states, *_ = torch.lstm(
            features, (silence, silence), weights, True, 1, 0.0, False, False, True
        )
        voiced = F.conv1d(states.relu().transpose(1, 2), *self._layer("final_conv"))
        return voiced[:, 0].sigmoid()

    def _features(self, frames: Tensor) -> Tensor:
        """Frames [B, N, samples], each with its context -> [B, N, D]."""
        batch, count, length = frames.shape
        padded = F.pad(frames.reshape(-1, length), (0, _BASIS_SAMPLES // 4), mode="reflect")
        waves = F.conv1d(padded[:, None], self.get_buffer("stft_conv_weight"), stride=_BASIS_HOP)
        real, imaginary = waves.chunk(2, dim=1)
        x = (real.square() + imaginary.square()).sqrt()  # [B N, frequencies, 4]
        for number, stride in enumerate(_STRIDES, start=1):
            x = F.conv1d(x, *self._layer(f"conv{number}"), stride=stride, padding=1).relu()
        return x.reshape(batch, count, -1)

    def _layer(self, name: str) -> tuple[Tensor, Tensor]:
        return self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")


def in_frames(samples: Tensor, before: int, length: int) -> Tensor:
    """Samples [B, S] -> [B, ceil(S / 512), before + length], silence beyond both ends.

    Frame n begins ``before`` samples before its own 512, whatever its ``length``.
    """
    total = samples.shape[1]
    count = -(-total // FRAME_SAMPLES)
    behind = (count - 1) * FRAME_SAMPLES + length - total
    padded = F.pad(samples, (before, max(behind, 0)))
    return padded.unfold(1, before + length, FRAME_SAMPLES)[:, :count]
