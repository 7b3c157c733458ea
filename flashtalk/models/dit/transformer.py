"""The video diffusion transformer of the published checkpoint, and how its chunks are conditioned.

Takes the noisy latents of a chunk with everything it is conditioned on and predicts a velocity
(noise minus clean latents). It neither samples (:mod:`flashtalk.stream`) nor loads itself
(:mod:`flashtalk.weights`). Architecture and parameter names are those of the published checkpoint
(Wan 2.1 image-to-video with InfiniteTalk's audio modules)::

    latents | mask | reference latents -> patches -> blocks -> head -> velocity
    timestep ------------------------------------> modulation of blocks and head
    speech -> audio tokens per latent frame -----> blocks
    text, image -> context tokens ---------------> blocks (where the model has them)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flashtalk.config import TransformerConfig
from flashtalk.geometry import ChunkGeometry
from flashtalk.models.dit.attention import CrossAttention
from flashtalk.models.dit.audio_attention import AudioCrossAttention
from flashtalk.models.dit.audio_projector import AudioProjector
from flashtalk.models.dit.block import Head, TransformerBlock
from flashtalk.models.dit.embeddings import (
    Float32Sequential,
    ImageProjector,
    sinusoidal_embedding,
    unpatchify,
)
from flashtalk.models.dit.rope import RotaryTables


class VideoTransformer(nn.Module):
    """Velocity of a chunk of latents; bidirectional inside the chunk, no state between calls.

    Fulfills :class:`flashtalk.models.contracts.Denoiser`.
    """

    anchored = False
    """Predictions do not start at the motion latents."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        dim = config.dim
        self.config = config
        self.patch_embedding = nn.Conv3d(config.in_channels, dim, config.patch, config.patch)
        self.time_embedding = Float32Sequential(
            nn.Linear(config.frequency_dim, dim), nn.SiLU(), nn.Linear(dim, dim)
        )
        self.time_projection = Float32Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        if config.text_dim:
            self.text_embedding = nn.Sequential(
                nn.Linear(config.text_dim, dim), nn.GELU(approximate="tanh"), nn.Linear(dim, dim)
            )
        if config.image_dim:
            self.img_emb = ImageProjector(config.image_dim, dim)
        self.audio_proj = AudioProjector(config)
        self.blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.layers))
        self.head = Head(config)
        self.rotary = RotaryTables(config.head_dim)
        self.initialize()

    def initialize(self) -> None:
        """Draws new weights for training from scratch.

        Gates, modulation and head start at zero (AdaLN-Zero, Peebles & Xie 2023): the network
        begins as the identity and predicts zeros. Speech alone starts slightly open, so that
        its gradient does not have to wait for a gate.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.patch_embedding.weight.flatten(1))
        for module in self.time_embedding:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
        closed = [self.head.head]
        closed += [layer for layer in self.time_projection if isinstance(layer, nn.Linear)]
        for module in self.modules():
            if isinstance(module, AudioCrossAttention):
                nn.init.xavier_uniform_(module.proj.weight, gain=0.2)
            elif isinstance(module, CrossAttention):
                closed.append(module.o)
            elif isinstance(module, TransformerBlock | Head):
                nn.init.zeros_(module.modulation)
        for layer in closed:
            nn.init.zeros_(layer.weight)

    # --- conditions -----------------------------------------------------------------------------
    def reference_clip(self, portrait: Tensor, frames: int) -> Tensor:
        """Portrait [B, 3, H, W], followed by gray frames: [B, 3, F, H, W] (Wan 2.1)."""
        clip = portrait[:, :, None]
        gray = torch.zeros_like(clip).expand(-1, -1, frames - 1, -1, -1)
        return torch.cat((clip, gray), dim=2)

    def control(
        self, geometry: ChunkGeometry, seed: int, chunk_index: int, batch: int
    ) -> Tensor | None:
        """No control signal."""
        return None

    def condition(
        self,
        reference_latents: Tensor,
        chunk_latents: int,
        num_motion: int,
        control: Tensor | None = None,
    ) -> Tensor:
        """Mask and reference of one chunk: [B, mask + C, T, h, w] (Wan 2.1 image-to-video).

        The mask is 1 on latent frame 0, where the reference is, in every chunk; it does not mark
        motion latents. ``reference_latents`` [B, C, T, h, w] are those of :meth:`reference_clip`.
        Raises ``ValueError`` for a reference of another length, and for a control signal.
        """
        batch, _, frames, height, width = reference_latents.shape
        if frames != chunk_latents:
            raise ValueError(
                f"this model needs reference latents for all {chunk_latents} latent frames of a "
                f"chunk, got {frames}"
            )
        if control is not None:
            raise ValueError("this model has no control signal, but one was given")
        mask = reference_latents.new_zeros(batch, self.config.mask_channels, frames, height, width)
        mask[:, :, :1] = 1.0
        return torch.cat((mask, reference_latents), dim=1)

    def project_speech(self, speech: Tensor) -> Tensor:
        """Audio tokens [B, T, tokens, audio_width] of ``speech`` [B, F, window, layers, width].

        F = 1 + temporal_stride * (T - 1). Independent of the timestep: once per chunk is enough.
        """
        return self.audio_proj(speech.to(self.audio_proj.proj1.weight.dtype))

    # --- prediction -----------------------------------------------------------------------------
    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        condition_latents: Tensor,
        audio_tokens: Tensor,
        text: Tensor | None = None,
        image: Tensor | None = None,
        *,
        num_motion: int = 0,
    ) -> Tensor:
        """Velocity [B, C, T, H, W] float32 (noise - x0) of ``latents`` [B, C, T, H, W].

        ``timestep`` [B] is 0 .. 1000. ``condition_latents`` [B, mask + C, T, H, W] come from
        :meth:`condition`. ``audio_tokens`` from :meth:`project_speech`; ``text`` [B, up to
        text_tokens, text_dim] and ``image`` [B, image_tokens, image_dim] exactly when the
        configuration has them. ``num_motion`` is not read: clean latents show it by themselves.
        Raises ``ValueError`` when these do not fit together.
        """
        return self.predict(latents, timestep, condition_latents, audio_tokens, text, image)

    def predict(
        self,
        latents: Tensor,
        timestep: Tensor,
        condition_latents: Tensor,
        audio_tokens: Tensor,
        text: Tensor | None,
        image: Tensor | None,
    ) -> Tensor:
        """The head's output, [B, C, T, H, W] float32; arguments as in :meth:`forward`."""
        dtype = self.patch_embedding.weight.dtype
        self._check(latents, audio_tokens, text, image)

        x = torch.cat((latents, condition_latents), dim=1).to(dtype)
        x = self.patch_embedding(x)  # [B, dim, T, H/ph, W/pw]
        grid = (x.shape[2], x.shape[3], x.shape[4])
        x = x.flatten(2).transpose(1, 2)  # [B, L, dim]

        time = self.time_embedding(sinusoidal_embedding(timestep, self.config.frequency_dim))
        modulation = self.time_projection(time).unflatten(1, (6, -1))  # [B, 6, dim]
        rotation = self.rotary.of(grid, x.device)
        if text is not None:
            padding = self.config.text_tokens - text.shape[1]
            text = self.text_embedding(F.pad(text.to(dtype), (0, 0, 0, padding)))
        if image is not None:
            image = self.img_emb(image.to(dtype))

        for block in self.blocks:
            x = block(x, modulation, rotation, audio_tokens, text, image)
        return unpatchify(self.head(x, time), grid, self.config.patch)

    def constrain(
        self,
        latents: Tensor,
        reference_latents: Tensor,
        num_motion: int,
        control: Tensor | None,
    ) -> Tensor:
        """``latents`` as they are."""
        return latents

    def _check(
        self, latents: Tensor, audio_tokens: Tensor, text: Tensor | None, image: Tensor | None
    ) -> None:
        """Raises ``ValueError`` for inputs that would give a wrong result in silence."""
        config = self.config
        if any(size % patch for size, patch in zip(latents.shape[2:], config.patch, strict=True)):
            raise ValueError(
                f"latents {tuple(latents.shape[2:])} are not whole patches of {config.patch}"
            )
        frames = latents.shape[2] // config.patch[0]
        if audio_tokens.shape[1] != frames:
            raise ValueError(
                f"got speech for {audio_tokens.shape[1]} latent frames, expected {frames}: "
                f"1 + {config.temporal_stride} * {frames - 1} video frames"
            )
        for name, given, dim in (
            ("text", text, config.text_dim),
            ("image", image, config.image_dim),
        ):
            if (given is not None) != (dim > 0):
                raise ValueError(
                    f"this model has {'a' if dim else 'no'} {name} input, "
                    f"but {name} was {'not ' if given is None else ''}given"
                )
        if text is not None and text.shape[1] > config.text_tokens:
            raise ValueError(
                f"got {text.shape[1]} text tokens, expected at most {config.text_tokens}"
            )
