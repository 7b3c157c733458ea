"""What the chunk step asks of the networks around the transformer, as protocols.

Above nothing but tensors: the embedded modules (:mod:`flashtalk.models.tiny.autoencoder`,
:mod:`flashtalk.models.tiny.speech_encoder`) and the adapters of published ones
(:mod:`flashtalk.models.published.wan_vae`, :mod:`flashtalk.models.published.wav2vec`,
:mod:`flashtalk.models.published.umt5`, :mod:`flashtalk.models.published.clip`) fulfill them, and
the stream never asks which of the two it holds.

Precision stops at these doors. Whatever type the weights have, latents, video and features come out
as float32 and may go in as float32: the state between two chunks, the noise and the color match
would lose too much in 16 bits.

Letters: B batch, C latent channels, H W pixels, h w latent cells, S samples, F video frames.
"""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor


class Autoencoder(Protocol):
    """Video <-> latents; 1 + 4k frames are 1 + k latents, and the first frame stands alone."""

    def prepare(self, portrait: Tensor) -> Any:
        """Portrait [B, 3, H, W] in [-1, 1] -> what this autoencoder wants to know of it.

        The result is handed back to ``encode`` and ``decode`` and read by nobody else.
        """

    def encode(self, video: Tensor, guidance: Any) -> Tensor:
        """Video [B, 3, 1+4k, H, W] in [-1, 1] -> latents [B, C, 1+k, h, w]."""

    def decode(self, latents: Tensor, guidance: Any, *, skip_frames: int = 0) -> Tensor:
        """Latents [B, C, 1+k, h, w] -> video [B, 3, 1+4k-skip_frames, H, W] in [-1, 1]."""


class SpeechEncoder(Protocol):
    """Speech -> hidden states at the video rate."""

    def __call__(self, samples: Tensor) -> Tensor:
        """Mono speech [B, S] at 16 kHz, S whole video frames -> [B, F, layers, width]."""


class TextEncoder(Protocol):
    """Prompt -> states for the transformer's cross-attention."""

    def __call__(self, prompt: str) -> Tensor:
        """[1, text tokens, width]; the rows behind the prompt are zero."""

    def notice(self, prompt: str) -> str | None:
        """A sentence for the visitor when not all of ``prompt`` can be used, else ``None``."""


class ImageEncoder(Protocol):
    """Portrait -> states for the transformer's cross-attention."""

    def __call__(self, portrait: Tensor) -> Tensor:
        """Portrait [B, 3, H, W] in [-1, 1] -> [B, image tokens, width]."""
