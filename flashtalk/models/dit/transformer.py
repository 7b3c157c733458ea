"""The video diffusion transformer: one class for flashtalk-tiny and flashtalk-14b.

Takes the noisy latents of a chunk with everything it is conditioned on and predicts a velocity
(noise minus clean latents). It neither samples (:mod:`flashtalk.stream`) nor loads itself
(:mod:`flashtalk.weights`). Architecture and parameter names are those of the published checkpoint
(Wan 2.1 image-to-video with InfiniteTalk's audio modules)::

    latents | mask | reference latents -> patches -> blocks -> head -> velocity
    timestep ------------------------------------> steer blocks and head
    speech -> audio tokens per latent frame -----> blocks
    text, image -> context tokens ---------------> blocks (14B only)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flashtalk.config import TransformerConfig
from flashtalk.models.dit.attention import CrossAttention
from flashtalk.models.dit.audio_attention import AudioCrossAttention
from flashtalk.models.dit.audio_projector import AudioProjector
from flashtalk.models.dit.block import Head, TransformerBlock
from flashtalk.models.dit.embeddings import (
    Float32Sequential,
    ImageProjector,
    sinusoidal_embedding,
    unpatchify,
    without_autocast,
)
from flashtalk.models.dit.rope import RotaryTables
from flashtalk.models.dit.softmax_attention import AttentionBackend
from flashtalk.models.tiny.flow_anchor import FaceLikeFlow, HandOver
from flashtalk.models.tiny.frame_smoothing import FrameSmoothing


class VideoTransformer(nn.Module):
    """Velocity of a chunk of latents; bidirectional inside the chunk, no state between calls."""

    def __init__(
        self, config: TransformerConfig, backend: AttentionBackend = AttentionBackend.SDPA
    ) -> None:
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
        self.blocks = nn.ModuleList(TransformerBlock(config, backend) for _ in range(config.layers))
        self.head = Head(config)
        if config.predicts == "clean":
            self.hand_over = HandOver(config)
            self.smoothing = FrameSmoothing(config.latent_channels, config.frames_per_latent)
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
            elif isinstance(module, FaceLikeFlow):
                module.forget()
        for layer in closed:
            nn.init.zeros_(layer.weight)

    def project_speech(self, speech: Tensor) -> Tensor:
        """Audio tokens [B, T, tokens, audio_width] of ``speech`` [B, F, window, layers, width].

        F = 1 + temporal_stride * (T - 1). Independent of the timestep: compute them once per
        chunk and pass them to every step as ``audio_tokens``.
        """
        return self.audio_proj(speech.to(self.audio_proj.proj1.weight.dtype))

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        condition_latents: Tensor,
        speech: Tensor | None = None,
        text: Tensor | None = None,
        image: Tensor | None = None,
        *,
        audio_tokens: Tensor | None = None,
    ) -> Tensor:
        """Velocity [B, C, T, H, W] float32 (noise - x0) of ``latents`` [B, C, T, H, W].

        ``timestep`` [B] is 0 .. 1000; ``condition_latents`` [B, mask + C, T, H, W]; ``speech``
        [B, F, window, layers, width], or in its place ``audio_tokens`` from
        :meth:`project_speech`; ``text`` [B, up to text_tokens, text_dim] and ``image`` [B,
        image_tokens, image_dim] exactly when the configuration has them.
        Raises ``ValueError`` when these do not fit together.
        """
        dtype = self.patch_embedding.weight.dtype
        if audio_tokens is None:
            if speech is None:
                raise ValueError("got neither speech nor audio_tokens, expected one of them")
            audio_tokens = self.project_speech(speech)
        elif speech is not None:
            raise ValueError("got both speech and audio_tokens, expected one of them")
        self._check(latents, audio_tokens, text, image)

        x = torch.cat((latents, condition_latents), dim=1).to(dtype)
        x = self.patch_embedding(x)  # [B, dim, T, H/ph, W/pw]
        grid = (x.shape[2], x.shape[3], x.shape[4])
        x = x.flatten(2).transpose(1, 2)  # [B, L, dim]

        time = self.time_embedding(sinusoidal_embedding(timestep, self.config.frequency_dim))
        steering = self.time_projection(time).unflatten(1, (6, -1))  # [B, 6, dim]
        rotation = self.rotary.of(grid, x.device)
        if text is not None:
            padding = self.config.text_tokens - text.shape[1]
            text = self.text_embedding(F.pad(text.to(dtype), (0, 0, 0, padding)))
        if image is not None:
            image = self.img_emb(image.to(dtype))

        for block in self.blocks:
            x = block(x, steering, rotation, audio_tokens, text, image)
        predicted = unpatchify(self.head(x, time), grid, self.config.patch)
        if self.config.predicts == "velocity":
            return predicted
        clean = int(condition_latents[0, 0, :, 0, 0].sum())  # the mask: how many motion latents
        if clean < 1:
            raise ValueError(
                "a network that predicts clean latents counts them from the last given one, but "
                "the mask marks none as given"
            )
        masks, channels = self.config.mask_channels, self.config.latent_channels
        reference = condition_latents[:, masks : masks + channels, 0]
        predicted = predicted + self.hand_over(latents, reference, clean)
        # what was handed over is known: the first new frames join it smoothly
        known = latents[:, :, :clean].float()
        with without_autocast(x.device):
            predicted = torch.cat((known, predicted[:, :, clean:]), dim=2)
            predicted = self.smoothing(predicted, clean)
        share = (timestep.float() / 1000.0).view(-1, 1, 1, 1, 1)
        return (latents.float() - predicted) / share.clamp(min=1e-3)

    def _check(
        self, latents: Tensor, audio_tokens: Tensor, text: Tensor | None, image: Tensor | None
    ) -> None:
        """Raises ``ValueError`` for inputs that would otherwise give a wrong result in silence."""
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
