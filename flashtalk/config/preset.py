"""A member of the family as a whole: networks, chunk geometry, sampler, and where weights are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from flashtalk.config.given import is_number, shown, whole_number
from flashtalk.config.modes import mode_named
from flashtalk.config.networks import AutoencoderConfig, SpeechEncoderConfig, TransformerConfig
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry

WHOLE_COST = 1.4
"""What a second of a whole picture costs over one of a face, about (docs/pictures.md)."""
Size = tuple[int, int] | Literal["auto"] | None
"""Height and width of the video in pixels; ``"auto"`` or ``None``: by the portrait's aspect."""
FramingWay = Literal["face", "picture"]
"""What the video shows: head and shoulders, or the whole picture, in which a part speaks."""


@dataclass(frozen=True)
class SamplerConfig:
    """Few-step sampling of a distilled flow model."""

    steps: int = 4
    shift: float = 5.0
    """Timestep shift: t' = shift t / (1 + (shift - 1) t)."""
    color_strength: float = 1.0
    """Blend of the Lab color match to the portrait, 0 (off) .. 1."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", whole_number(self.steps, "Steps must be a whole number"))
        if not 1 <= self.steps <= 50:
            raise FlashTalkError(f"Steps must be between 1 and 50, got {shown(self.steps)}.")
        if not (is_number(self.color_strength) and 0.0 <= self.color_strength <= 1.0):
            raise FlashTalkError(
                f"Color strength must be between 0 and 1, got {self.color_strength!r}."
            )


@dataclass(frozen=True)
class HubFiles:
    """Some files of one repository on the Hugging Face Hub."""

    repo_id: str
    """``owner/name``."""
    allow_patterns: tuple[str, ...]
    """Glob patterns of the files to fetch; all others stay there."""
    revision: str = "main"
    """Commit, tag or branch. Only a commit hash is a pin: a branch may move between two starts."""

    def __post_init__(self) -> None:
        if self.repo_id.count("/") != 1 or not all(self.repo_id.split("/")):
            raise ValueError(f"repo_id must be owner/name, got {self.repo_id!r}")
        if not self.allow_patterns:
            raise ValueError(f"{self.repo_id}: allow_patterns is empty, nothing would be fetched")


@dataclass(frozen=True)
class PublishedSource:
    """Where the parts of a published checkpoint come from; laid out in one folder when loaded."""

    transformer: HubFiles
    """The video transformer: shards, their index and config.json."""
    wan: HubFiles
    """Autoencoder, text encoder with tokenizer, and image encoder."""
    wav2vec: HubFiles
    """The speech encoder, in transformers' layout."""
    original: bool = False
    """Whether ``wan`` is in Wan's own layout (.pth) or in that of diffusers and transformers."""

    def at_revision(self, revision: str) -> PublishedSource:
        """The same with another revision of the transformer's repository."""
        repo_id = self.transformer.repo_id
        transformer, wan = (
            replace(files, revision=revision) if files.repo_id == repo_id else files
            for files in (self.transformer, self.wan)
        )
        return replace(self, transformer=transformer, wan=wan)


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
    trained_steps: tuple[int, ...] = (4,)
    """Numbers of denoising steps that the transformer was distilled for."""
    trained_chunk_frames: tuple[int, ...] = (33,)
    """Lengths of chunks that training has shown to the transformer, motion frames included."""
    live_lookahead_frames: int = 0
    """``lookahead_frames`` for somebody who speaks live, and waits for them."""
    small_live: bool = False
    """Whether live speech has pictures of the networks' own size, which are there sooner."""
    first_fragment_frames: int = 8
    """Frames of a talk's first chunk that are shown before the rest of it is decoded."""
    speech_loudness_lufs: float | None = None
    """Integrated loudness to which the speech window is brought; ``None`` = as it comes."""
    prompt: str = ""
    """Prompt of a session that gives none; only for models with a text encoder."""
    sizes: tuple[tuple[int, int], ...] = ()
    """(height, width) in pixels to choose from by the portrait's aspect; empty = ``geometry``'s."""
    picture_sizes: tuple[tuple[int, int], ...] = ()
    """(height, width) of the pictures that are made of the networks' frames, the usual one first;
    empty = the frames themselves are shown."""
    crop: Literal["face", "whole"] = "face"
    """How much of a picture is shown: head and shoulders, or as much as the aspect allows."""
    framings: tuple[FramingWay, ...] = ("face",)
    """What a video may show; of the whole picture, the networks still see a part."""
    whole_px: tuple[int, int] = (1_280, 768)
    """Long side of a whole picture, and about that of the part that moves; both at most."""
    least_face: float = 0.0
    """Least height of a face as a share of the portrait's; 0 = as small as the picture has it."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the networks run if nobody says so; ``cuda`` only on machines that have it."""
    source: PublishedSource | None = None
    """Where published weights come from; ``None`` = the repository's assets."""
    mode: str = ""
    """The mode that chose sizes and steps, see :meth:`with_mode`; empty = the preset as it is."""

    def __post_init__(self) -> None:
        if bool(self.prompt) != bool(self.transformer.text_dim):
            raise ValueError(
                f"{self.name}: a default prompt and a text encoder go together, got prompt "
                f"{self.prompt!r} and text_dim {self.transformer.text_dim}"
            )
        for height, width in self.sizes:
            self.geometry.sized(height, width)
        for height, width in self.picture_sizes:
            if height * self.geometry.width_px != width * self.geometry.height_px:
                raise ValueError(f"{self.name}: {height} x {width} has not the networks' aspect")
        if self.geometry.patch != self.transformer.patch:
            raise ValueError(
                f"{self.name}: geometry patch {self.geometry.patch} differs from "
                f"transformer patch {self.transformer.patch}"
            )
        self.transformer.require_grid((self.geometry.latent_height, self.geometry.latent_width))
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

    @property
    def network_size(self) -> tuple[int, int]:
        """Height and width in pixels of the networks' frames, where a portrait has no choice."""
        return self.geometry.height_px, self.geometry.width_px

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """Height and width in pixels of the video, where it is not that of the networks' frames."""
        size = (*self.picture_sizes, self.network_size)[0]
        return None if size == self.network_size else size

    @property
    def title(self) -> str:
        """The preset's name, and the mode's."""
        return f"{self.name} ({self.mode})" if self.mode else self.name

    def with_mode(self, name: str | None) -> Preset:
        """A copy with sizes and steps of the mode ``name``; ``None`` changes nothing.

        Techniques of the mode are the caller's to switch on. Raises :class:`FlashTalkError` for an
        unknown mode, and for a preset that makes pictures of one size.
        """
        if name is None:
            return self
        mode = mode_named(name)
        if not self.sizes:
            raise FlashTalkError(
                f"{self.name} has no mode {name!r}: modes are for flashtalk-14b and its kind, and "
                "its pictures have one size. Leave --mode out."
            )
        sampled = self.with_sampler(steps=mode.steps)
        try:
            geometry = self.geometry.sized(*mode.sizes[0])
            return replace(sampled, geometry=geometry, sizes=mode.sizes, mode=name)
        except ValueError as error:
            raise FlashTalkError(
                f"The sizes of mode {name!r} do not fit the networks of {self.name}: {error}. "
                "Leave --mode out, and choose --size and --steps."
            ) from error

    def with_size(self, size: Size) -> Preset:
        """A copy that makes videos of ``size`` = (height, width) in pixels.

        ``"auto"`` and ``None`` leave the choice among ``sizes`` to each portrait. Raises
        :class:`FlashTalkError` for sides that the networks cannot do.
        """
        if size is None or size == "auto":
            return self
        height, width = size
        if not self.sizes:
            possible = self.picture_sizes or (self.network_size,)
            if size not in possible:
                named = " or ".join(f"{h} x {w}" for h, w in possible)
                raise FlashTalkError(
                    f"{self.name} makes pictures of {named} pixels (height x width) only, got "
                    f"{height} x {width}."
                )
            return replace(self, picture_sizes=(size,)) if self.picture_sizes else self
        step = self.geometry.spatial_stride * max(self.geometry.patch)
        if height < step or width < step or height % step or width % step:
            raise FlashTalkError(
                f"Both sides of a picture must be multiples of {step} pixels, got {height} x "
                f"{width} (height x width). The nearest are {_nearest(height, step)} x "
                f"{_nearest(width, step)}."
            )
        return replace(self, geometry=self.geometry.sized(height, width), sizes=())

    def require_framing(self, framing: str) -> None:
        """Raise :class:`FlashTalkError` for a ``framing`` that this model does not have."""
        if framing not in get_args(FramingWay):
            raise FlashTalkError(f"Framing is 'face' or 'picture', got {framing!r}.")
        if framing not in self.framings:
            raise FlashTalkError(
                f"{self.name} has no framing but its own: it shows as much of a picture as its "
                "sizes allow. Leave framing out."
            )

    def require_prompt(self, prompt: str | None) -> None:
        """Raise :class:`FlashTalkError` for a ``prompt`` that this model cannot read."""
        if prompt and not self.prompt:
            raise FlashTalkError(
                f"{self.name} does not read a prompt: it follows portrait and speech only. "
                "Leave the prompt empty."
            )

    def with_chunk(self, chunk_frames: int | None) -> Preset:
        """A copy that makes chunks of ``chunk_frames``; ``None`` keeps the preset's own.

        Shorter chunks answer sooner: whoever speaks waits for the end of a chunk. Raises
        :class:`FlashTalkError` for a length that the networks were not trained on.
        """
        if chunk_frames is None or chunk_frames == self.geometry.chunk_frames:
            return self
        if chunk_frames not in self.trained_chunk_frames:
            known = " or ".join(map(str, sorted(self.trained_chunk_frames)))
            raise FlashTalkError(
                f"{self.name} was trained on chunks of {known} frames, got {chunk_frames}."
            )
        return replace(self, geometry=replace(self.geometry, chunk_frames=int(chunk_frames)))

    def for_live_speech(self) -> Preset:
        """A copy with the shortest chunks trained on, which hears less ahead of them."""
        short = self.with_chunk(min(self.trained_chunk_frames))
        if self.small_live and short.picture_size is not None:
            short = short.with_size(self.network_size)
        geometry = replace(short.geometry, lookahead_frames=self.live_lookahead_frames)
        return replace(short, geometry=geometry)

    def with_sampler(
        self,
        *,
        steps: int | None = None,
        color_strength: float | None = None,
    ) -> Preset:
        """A copy with other sampler settings; ``None`` keeps the preset's own."""
        asked: dict[str, Any] = {
            "steps": steps,
            "color_strength": color_strength,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        return replace(self, sampler=replace(self.sampler, **given))


def _nearest(side: int, step: int) -> int:
    return max(step, round(side / step) * step)
