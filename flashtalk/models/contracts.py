"""What the chunk step asks of its networks, as protocols.

:mod:`flashtalk.models.tiny` and :mod:`flashtalk.models.published` fulfill them. The chunk step, the
session and the trainings know these contracts only; none asks which family is running.

Precision stops here. Whatever type the weights have, latents, video and features come out as
float32 and may go in as float32. The state between two chunks, the noise and the color match would
lose too much in 16 bits.

Letters: B batch, C latent channels, T latent frames, H W pixels, h w latent cells, S samples,
F video frames, m motion latents, E condition channels, H' W' pixels of the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from flashtalk.geometry import ChunkGeometry
from flashtalk.inputs.still import FILLING, Place

Enlarge = Callable[[Tensor], NDArray[np.uint8]]
"""Video [1, 3, F, H, W] in [-1, 1] -> pictures [F, H', W', 3], 0..255.

It belongs to the frames that it was decoded with. Their colors may have been changed a little.
"""


class Denoiser(Protocol):
    """Noisy latents of a chunk -> velocity; and what a family adds around that."""

    anchored: bool
    """Whether predictions start at the motion latents and copy them."""

    def reference_clip(self, portrait: Tensor, frames: int) -> Tensor:
        """Portrait [B, 3, H, W] -> video [B, 3, F, H, W] whose latents are the reference."""

    def control(
        self, geometry: ChunkGeometry, seed: int, chunk_index: int, batch: int
    ) -> Tensor | None:
        """Control signal [B, F] of one chunk of a session, ``None`` in models without one."""

    def condition(
        self,
        reference_latents: Tensor,
        chunk_latents: int,
        num_motion: int,
        control: Tensor | None = None,
    ) -> Tensor:
        """What is concatenated to the noisy latents of a chunk: [B, E, T, h, w]."""

    def project_speech(self, speech: Tensor) -> Tensor:
        """Speech windows [B, F, window, layers, width] -> audio tokens [B, T, tokens, width]."""

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        condition_latents: Tensor,
        audio_tokens: Tensor,
        text: Tensor | None = None,
        image: Tensor | None = None,
        *,
        num_motion: int,
    ) -> Tensor:
        """Velocity [B, C, T, h, w] float32 of ``latents``, the first ``num_motion`` clean."""

    def constrain(
        self,
        latents: Tensor,
        reference_latents: Tensor,
        num_motion: int,
        control: Tensor | None,
    ) -> Tensor:
        """Clean latents [B, C, T, h, w] -> the same, held to what ``control`` asks for."""


class Autoencoder(Protocol):
    """Video <-> latents; 1 + 4k frames are 1 + k latents, and the first frame stands alone."""

    latents_independent: bool
    """Whether any range of latents decodes alone, so that ranges decode side by side."""

    def begin(
        self, portrait: Tensor, large: Tensor | None = None, place: Place = FILLING
    ) -> tuple[Tensor, Any]:
        """Portrait [B, 3, H, W] in [-1, 1] -> the picture that a session begins with, and guidance.

        The guidance is what this autoencoder wants to know of the portrait. It is handed back to
        the methods below and read by nobody else. ``large`` [B, 3, H', W'] is the portrait at the
        size of the pictures, where that is another. Frames have a ``place`` in it.
        """

    def graphs(self) -> Sequence[nn.Module]:
        """Parts that compile as one graph each, for pictures of one size."""

    def notices(self, guidance: Any) -> tuple[str, ...]:
        """Sentences for the visitor about what of the portrait cannot be drawn."""

    def openings(self, latents: Tensor) -> Tensor | None:
        """How far open mouths are in frames of latents [1, C, 1+k, h, w]: [1+4k].

        0 is shut, 1 a little open; ``None`` where latents do not say so.
        """

    def encode(self, video: Tensor, guidance: Any) -> Tensor:
        """Video [B, 3, 1+4k, H, W] in [-1, 1] -> latents [B, C, 1+k, h, w]."""

    def reference_latents(self, clip: Tensor, guidance: Any) -> Tensor:
        """A ``clip`` [B, 3, 1+4k, H, W] made of the portrait itself -> latents [B, C, 1+k, h, w].

        What is known of the portrait need not be read from it again.
        """

    def motion_latents(self, video: Tensor, latents: Tensor, guidance: Any) -> Tensor:
        """Motion latents [B, C, 1+k, h, w] of a chunk's last frames, which the next one continues.

        They were decoded from the end of ``latents`` [B, C, T, h, w]. They are shown as ``video``
        [B, 3, 1+4k, H, W] in [-1, 1].
        """

    def decode(self, latents: Tensor, guidance: Any, *, skip_frames: int = 0) -> Tensor:
        """Latents [B, C, 1+k, h, w] -> video [B, 3, 1+4k-skip_frames, H, W] in [-1, 1]."""

    def decode_traced(
        self, latents: Tensor, guidance: Any, *, skip_frames: int = 0
    ) -> tuple[Tensor, Enlarge | None]:
        """:meth:`decode`, and what makes pictures of these frames.

        That is ``None`` where pictures are the frames themselves.
        """


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
