"""Speech features of a chunk to a few audio tokens per latent frame.

Latent 0 holds one video frame and takes its whole window. A later latent holds ``stride`` frames,
whose windows overlap, so each moment is taken once. The first frame gives its past and itself, the
last one itself and its future, those between only themselves (window 5, stride 4)::

    a-2 a-1 a | b | c | d d+1 d+2      3 + 1 + 1 + 3 = window + stride - 1 = 8 moments

Independent of the timestep: computed once per chunk. Attribute names follow the published
checkpoint (InfiniteTalk), where ``vf`` marks the later latents.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flashtalk.config import TransformerConfig
from flashtalk.geometry import exact_div
from flashtalk.models.dit.embeddings import LayerNorm


class AudioProjector(nn.Module):
    """Three linear layers with ReLU, a first one for each of the two kinds of latent frame."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.stride = config.temporal_stride
        self.tokens = config.audio_tokens
        speech = config.speech
        moment = speech.layers * speech.width
        moments = speech.window_frames + config.temporal_stride - 1
        self.proj1 = nn.Linear(speech.window_frames * moment, config.audio_hidden)
        self.proj1_vf = nn.Linear(moments * moment, config.audio_hidden)
        self.proj2 = nn.Linear(config.audio_hidden, config.audio_hidden)
        self.proj3 = nn.Linear(config.audio_hidden, config.audio_tokens * config.audio_width)
        self.norm = LayerNorm(config.audio_width)

    def forward(self, speech: Tensor) -> Tensor:
        """[B, 1 + stride*(T-1), window, layers, width] -> [B, T, tokens, audio_width]."""
        later = exact_div(speech.shape[1] - 1, self.stride, "speech frames - 1")
        speech = speech.flatten(3)  # [B, F, window, layers*width]
        here = speech.shape[2] // 2
        groups = speech[:, 1:].unflatten(1, (later, self.stride))  # [B, T-1, stride, window, ...]
        moments = torch.cat(
            (groups[:, :, 0, : here + 1], groups[:, :, 1:-1, here], groups[:, :, -1, here:]), dim=2
        )  # [B, T-1, window + stride - 1, layers*width]
        hidden = torch.cat(
            (self.proj1(speech[:, :1].flatten(2)), self.proj1_vf(moments.flatten(2))), dim=1
        ).relu()  # [B, T, audio_hidden]
        tokens = self.proj3(self.proj2(hidden).relu())
        return self.norm(tokens.unflatten(-1, (self.tokens, -1)))
