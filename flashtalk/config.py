"""What a model is: one frozen dataclass per idea and the named presets.

Above :mod:`flashtalk.geometry`, below everything that computes. Both sizes of the family are
instances of the same dataclasses; nothing else in the code asks which of them is running.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry, exact_div


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
    """The video diffusion transformer; flashtalk-tiny and flashtalk-14b are two instances."""

    dim: int
    ffn_dim: int
    heads: int
    layers: int
    latent_channels: int
    """Channels of the latents, which are also what the head predicts."""
    mask_channels: int
    """Channels of the condition mask (4 in Wan image-to-video, 1 in the embedded model)."""
    mask_marks: Literal["reference", "motion"]
    """What the mask is 1 on: latent frame 0 (published model) or the clean motion latents."""
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


@dataclass(frozen=True)
class AutoencoderConfig:
    """The embedded, portrait-guided autoencoder (the 14B uses the Wan 2.1 VAE instead)."""

    latent_channels: int = 44
    width: int = 64
    """Channels of the widest feature maps."""


@dataclass(frozen=True)
class SpeechEncoderConfig:
    """The embedded speech encoder (the 14B uses wav2vec 2.0 instead)."""

    features: SpeechFeatures
    mel_bins: int = 64
    hop_samples: int = 160
    """100 mel frames per second."""
    dim: int = 128


@dataclass(frozen=True)
class SamplerConfig:
    """Few-step sampling of a distilled flow model."""

    steps: int = 4
    shift: float = 5.0
    """Timestep shift: t' = shift t / (1 + (shift - 1) t)."""
    color_strength: float = 1.0
    """Blend of the Lab color match to the portrait, 0 (off) .. 1."""

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= 50:
            raise FlashTalkError(f"Steps must be between 1 and 50, got {self.steps}.")
        if not 0.0 <= self.color_strength <= 1.0:
            raise FlashTalkError(
                f"Color strength must be between 0 and 1, got {self.color_strength}."
            )


@dataclass(frozen=True)
class Preset:
    """A named member of the family: everything needed to build, load and run it."""

    name: str
    geometry: ChunkGeometry
    transformer: TransformerConfig
    sampler: SamplerConfig
    weights: str
    """Folder of the weights below the repository's assets/, or a Hub id."""
    autoencoder: AutoencoderConfig | None = None
    speech_encoder: SpeechEncoderConfig | None = None
    trained_steps: tuple[int, ...] = field(default=(4,))
    first_fragment_frames: int = 8
    """Frames of a live session's first chunk that are shown before the rest of it is decoded."""

    def __post_init__(self) -> None:
        if self.geometry.patch != self.transformer.patch:
            raise ValueError(
                f"{self.name}: geometry patch {self.geometry.patch} differs from "
                f"transformer patch {self.transformer.patch}"
            )
        if self.geometry.temporal_stride != self.transformer.temporal_stride:
            raise ValueError(
                f"{self.name}: geometry and transformer disagree on the temporal stride"
            )
        if (
            self.autoencoder
            and self.autoencoder.latent_channels != self.transformer.latent_channels
        ):
            raise ValueError(
                f"{self.name}: autoencoder and transformer disagree on latent channels"
            )
        if self.speech_encoder and self.speech_encoder.features != self.transformer.speech:
            raise ValueError(f"{self.name}: speech encoder and transformer disagree on features")

    def with_sampler(
        self, *, steps: int | None = None, color_strength: float | None = None
    ) -> Preset:
        """A copy with other sampler settings; ``None`` keeps the preset's own."""
        own = self.sampler
        sampler = SamplerConfig(
            steps=own.steps if steps is None else steps,
            shift=own.shift,
            color_strength=own.color_strength if color_strength is None else color_strength,
        )
        return replace(self, sampler=sampler)


TINY_SPEECH = SpeechFeatures(layers=2, width=128)

TINY = Preset(
    name="flashtalk-tiny",
    geometry=ChunkGeometry(height_px=256, width_px=256, spatial_stride=32, speech_window_frames=75),
    transformer=TransformerConfig(
        dim=192,
        ffn_dim=576,
        heads=4,
        layers=6,
        latent_channels=44,
        mask_channels=1,
        mask_marks="motion",
        speech=TINY_SPEECH,
        audio_hidden=192,
        audio_tokens=4,
        audio_width=192,
    ),
    autoencoder=AutoencoderConfig(latent_channels=44),
    speech_encoder=SpeechEncoderConfig(features=TINY_SPEECH),
    sampler=SamplerConfig(),
    weights="flashtalk-tiny",
)

FOURTEEN_B = Preset(
    name="flashtalk-14b",
    geometry=ChunkGeometry(height_px=768, width_px=448, spatial_stride=8),
    transformer=TransformerConfig(
        dim=5120,
        ffn_dim=13824,
        heads=40,
        layers=40,
        latent_channels=16,
        mask_channels=4,
        mask_marks="reference",
        speech=SpeechFeatures(layers=12, width=768),
        audio_hidden=512,
        audio_tokens=32,
        audio_width=768,
        text_dim=4096,
        image_dim=1280,
    ),
    sampler=SamplerConfig(),
    weights="Soul-AILab/SoulX-FlashTalk-14B",
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (TINY, FOURTEEN_B)}


def preset_named(name: str) -> Preset:
    """The preset called ``name``; raises :class:`FlashTalkError` listing the known ones."""
    if name not in PRESETS:
        raise FlashTalkError(f"Unknown preset {name!r}. Known presets: {', '.join(PRESETS)}.")
    return PRESETS[name]
