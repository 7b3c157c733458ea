"""Sizes of the networks: transformer, embedded autoencoder, speech features and encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from flashtalk.geometry import exact_div

LandmarkSource = Literal["checked", "own"]


@dataclass(frozen=True)
class SpeechFeatures:
    """The layout of speech features: ``[frames, layers, width]`` at the video rate."""

    layers: int
    """Hidden states kept per frame (wav2vec 2.0 base: 12)."""
    width: int
    """Channels of each hidden state (wav2vec 2.0 base: 768)."""
    window_frames: int = 5
    """Frames seen around each video frame, centered (-2 .. +2)."""

    def __post_init__(self) -> None:
        if self.window_frames % 2 == 0:
            raise ValueError(f"window_frames must be odd, got {self.window_frames}")


@dataclass(frozen=True)
class TransformerConfig:
    """The video diffusion transformer, in the published architecture."""

    anchored: ClassVar[bool] = False
    """Whether predictions start at the motion latents and copy them."""

    dim: int
    ffn_dim: int
    heads: int
    layers: int
    latent_channels: int
    """Channels of the latents, which are also what the head predicts."""
    mask_channels: int
    """Channels of the condition mask (4 in Wan image-to-video)."""
    speech: SpeechFeatures
    audio_hidden: int
    """Width inside the audio projector."""
    audio_tokens: int
    """Audio tokens per latent frame."""
    audio_width: int
    """Width of an audio token."""
    patch: tuple[int, int, int] = (1, 2, 2)
    temporal_stride: int = 4
    """Video frames per latent after the first one; the audio projector gathers as many."""
    frequency_dim: int = 256
    """Width of the sinusoidal timestep embedding."""
    text_dim: int = 0
    """Width of the text encoder's states; 0 = no text (and no image) cross-attention."""
    text_tokens: int = 512
    image_dim: int = 0
    """Width of the image encoder's states; needs ``text_dim``."""
    image_tokens: int = 257
    eps: float = 1e-6

    def __post_init__(self) -> None:
        head_dim = exact_div(self.dim, self.heads, "transformer dim per head")
        if head_dim % 2:
            raise ValueError(f"head width must be even for rotary embedding, got {head_dim}")
        if self.image_dim and not self.text_dim:
            raise ValueError("image_dim needs text_dim: both share one cross-attention")
        if self.temporal_stride < 2:
            raise ValueError(f"temporal_stride must be at least 2, got {self.temporal_stride}")
        if self.frequency_dim % 2:
            raise ValueError(f"frequency_dim must be even, got {self.frequency_dim}")

    @property
    def in_channels(self) -> int:
        """Noisy latents, mask and reference latents, concatenated (36 in the 14B)."""
        return 2 * self.latent_channels + self.mask_channels

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    def require_grid(self, cells: tuple[int, int]) -> None:
        """Raises ``ValueError`` for latents of ``cells`` (rows, columns) that cannot be denoised.

        The published transformer takes every grid of whole patches.
        """


@dataclass(frozen=True)
class TinyDenoiserConfig(TransformerConfig):
    """The embedded denoiser: the transformer, anchored on the last motion frame."""

    anchored: ClassVar[bool] = True

    frames_per_latent: int = 4
    """Frames whose values lie one after another in a latent's channels."""
    flow_prior_cells: tuple[int, int] | None = None
    """Rows and columns of the latents for which the flow prior is built; None = no prior."""
    blink_channels: int = 4
    """Channels that tell when the eyes are closed: one for each frame of a latent, or none.
    Blinks are rare, and the few steps of a small model average what is rare away."""

    def __post_init__(self) -> None:
        super().__post_init__()
        exact_div(self.latent_channels, self.frames_per_latent, "latent channels per frame")
        if self.blink_channels not in (0, self.frames_per_latent):
            raise ValueError(
                f"blink_channels must be 0 or one per frame of a latent ({self.frames_per_latent})"
                f", got {self.blink_channels}"
            )

    @property
    def in_channels(self) -> int:
        """Noisy latents, mask, reference latents and blinks, concatenated."""
        return super().in_channels + self.blink_channels

    def require_grid(self, cells: tuple[int, int]) -> None:
        """Raises ``ValueError`` for latents of other ``cells`` than the flow prior is built for."""
        if self.flow_prior_cells not in (None, cells):
            raise ValueError(
                f"the geometry has latents of {cells}, the flow prior of {self.flow_prior_cells}"
            )


@dataclass(frozen=True)
class AutoencoderConfig:
    """The embedded, portrait-guided autoencoder (the 14B uses the Wan 2.1 VAE instead)."""

    latent_channels: int = 44
    width: int = 64
    """Channels of the widest feature maps."""
    fade_unseen: bool = True
    """Whether a mouth or eyes that cannot be seen in the portrait stay unpainted."""
    landmarks: LandmarkSource = "checked"
    """``own``: the project's landmark network reads everybody. ``checked``: a face mesh reads whom
    the two see differently."""

    def __post_init__(self) -> None:
        if self.landmarks not in get_args(LandmarkSource):
            raise ValueError(f"landmarks must be 'checked' or 'own', got {self.landmarks!r}")


@dataclass(frozen=True)
class SpeechEncoderConfig:
    """The embedded speech encoder (the 14B uses wav2vec 2.0 instead)."""

    features: SpeechFeatures
    mel_bins: int = 64
    hop_samples: int = 160
    """100 mel frames per second."""
    dim: int = 128
    voice_gate: bool = False
    """Whether it hears voices only; its trainings hear everything."""
