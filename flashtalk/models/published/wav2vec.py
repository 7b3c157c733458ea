"""wav2vec 2.0 behind the contract of :class:`flashtalk.models.contracts.SpeechEncoder`.

Part of station "conditions" of the 14B preset; the small preset has an encoder of its own at this
place. The network is transformers' ``Wav2Vec2Model``, run in the order of the published system. The
convolutions hear 50 times a second. Their features are resampled to the video rate, then the
transformer layers read them. So every hidden state belongs to one video frame::

    samples -> convolutions (50 Hz) -> 25 Hz -> projection -> layers, states 1 .. N kept

Some networks of the kind hear samples of zero mean and unit variance; preprocessor_config.json says
which (``do_normalize``). The published one hears samples as they are. Their level is what the
loudness step made it, and a quiet room stays quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flashtalk.geometry import exact_div

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model

VARIANCE_FLOOR = 1e-7  # that of transformers' Wav2Vec2FeatureExtractor


def standardized(samples: Tensor) -> Tensor:
    """Samples [B, S] with zero mean and unit variance over S, float32; silence stays silence."""
    samples = samples.float()
    centered = samples - samples.mean(dim=-1, keepdim=True)
    variance = centered.square().mean(dim=-1, keepdim=True)
    return centered * torch.rsqrt(variance + VARIANCE_FLOOR)


class Wav2Vec2SpeechEncoder(nn.Module):
    """Hidden states of every transformer layer, one per video frame; without the embedding."""

    def __init__(
        self, wav2vec: Wav2Vec2Model, samples_per_frame: int, *, standardize: bool = False
    ) -> None:
        """``standardize`` brings samples to zero mean and unit variance, as ``do_normalize``."""
        super().__init__()
        self.wav2vec = wav2vec
        self.samples_per_frame = samples_per_frame
        self.standardize = standardize

    def forward(self, samples: Tensor) -> Tensor:
        """Mono speech [B, S] at 16 kHz -> [B, F, layers, width] float32.

        F = S / samples_per_frame; raises ``ValueError`` if that is not a whole number.
        """
        frames = exact_div(samples.shape[-1], self.samples_per_frame, "speech samples per frame")
        return self.hidden_states(standardized(samples) if self.standardize else samples, frames)

    def hidden_states(self, waveform: Tensor, frames: int) -> Tensor:
        """A waveform [B, S] as the network hears it -> [B, ``frames``, layers, width] float32."""
        network = self.wav2vec
        heard = network.feature_extractor(waveform.to(network.dtype))  # [B, D, about 50 a second]
        heard = F.interpolate(heard, size=frames, mode="linear", align_corners=True)
        x, _ = network.feature_projection(heard.transpose(1, 2))  # [B, F, width]
        # The layers are walked through here, because the encoder itself returns only the last.
        encoder = network.encoder
        norm_first = not network.config.do_stable_layer_norm
        x = x + encoder.pos_conv_embed(x)
        if norm_first:
            x = encoder.layer_norm(x)
        states = []
        for layer in encoder.layers:
            x = layer(x)
            states.append(x)
        if not norm_first:
            states[-1] = encoder.layer_norm(x)
        return torch.stack(states, dim=2).float()
