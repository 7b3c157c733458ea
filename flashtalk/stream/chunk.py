"""The chunk step, in four verbs. Pure; live, file, ``skip``, roll-out and memory planning call it.

::

    noise + motion latents + conditions --sample--> latents --show--> frames --> pictures
                 ^                                                      |
                 '------------ carry: latents of the last 5 frames <----'

``advance`` is the whole step; :mod:`flashtalk.stream.finisher` makes the pictures. Nothing here
sets a gradient mode for its caller, keeps anything or touches an attribute of a network. Networks
are expected in ``eval()`` mode.

Between the networks everything is float32, whatever type their weights have. Sixteen bits would
round the latents at each step and from chunk to chunk.

Letters: B batch, C latent channels, T latent frames, F video frames, H W pixels, h w latent cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from flashtalk.conditions import Conditions
from flashtalk.config import SamplerConfig
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from flashtalk.inputs.still import Still
from flashtalk.models.contracts import Denoiser, Enlarge
from flashtalk.models.networks import Networks
from flashtalk.models.pixels import ToPixels, to_pixels
from flashtalk.stream.color import MatchFrame, match_color, match_frame
from flashtalk.stream.denoise import Velocity, clean_estimate, denoise, hold_motion
from flashtalk.stream.schedule import shifted_timesteps
from flashtalk.stream.state import SessionState, noise_source
from flashtalk.stream.timing import NO_TIMER, Timer
from flashtalk.stream.workers import ALONE, WorkerPool

Bounds = tuple[int, int]
"""First frame and end of a range of a chunk's frames."""


@dataclass(frozen=True)
class Shown:
    """Frames as they are carried on, and how they were made."""

    video: Tensor
    """[B, 3, F, H, W] in [-1, 1]."""
    parts: tuple[tuple[int, Enlarge | None], ...]
    """How many of the frames were decoded together, and what makes pictures of them."""


@dataclass(frozen=True)
class Scene:
    """Networks, conditions and sampler that all chunks of one session share."""

    networks: Networks
    conditions: Conditions
    sampler: SamplerConfig
    workers: WorkerPool = ALONE
    """Decode and match side by side, where the autoencoder's latents are independent."""
    timer: Timer = NO_TIMER
    frame_match: MatchFrame = match_frame
    """Matches the colors of one frame; a compiled one takes its place."""
    to_pixels: ToPixels = to_pixels
    """Brings frames of the networks' own size to the host."""
    still: Still | None = None
    """The whole picture, where what is made is a part of it."""

    @property
    def geometry(self) -> ChunkGeometry:
        """The chunk in seconds, samples, frames and latents."""
        return self.networks.preset.geometry


def sample(
    scene: Scene, state: SessionState, speech: Tensor, exit_step: int | None = None
) -> Tensor:
    """Clean latents [B, C, T, h, w] float32 of the chunk after ``state``.

    ``speech`` [B, F, window, layers, width] holds the windows of all frames of the chunk. The
    result is the estimate of one denoising step, the last one unless ``exit_step`` names another.
    Gradient, if it is on, flows through that step alone (Self-Forcing, arXiv 2506.08009, algorithm
    1). Raises ``ValueError`` for a step that the sampler does not have.
    """
    motion_latents = state.motion_latents
    batch, channels, num_motion, height, width = motion_latents.shape
    geometry, reference_latents = scene.geometry, scene.conditions.reference_latents
    denoiser = scene.networks.transformer
    timesteps = shifted_timesteps(scene.sampler)
    steps = len(timesteps) - 1
    exit_step = steps - 1 if exit_step is None else exit_step
    if not 0 <= exit_step < steps:
        raise ValueError(f"exit_step must be in 0 .. {steps - 1}, got {exit_step}")
    with scene.timer.stage("denoise"):
        control = denoiser.control(geometry, state.seed, state.chunk_index, batch)
        velocity = conditioned_velocity(
            denoiser,
            denoiser.condition(reference_latents, geometry.chunk_latents, num_motion, control),
            speech,
            scene.conditions.text,
            scene.conditions.image,
            num_motion=num_motion,
        )
        shape = (batch, channels, geometry.chunk_latents, height, width)
        fresh_noise = noise_source(state, shape, draws=exit_step + 1)
        with torch.no_grad():
            noisy = denoise(
                velocity, fresh_noise(), motion_latents, timesteps[: exit_step + 1], fresh_noise
            )
        now = timesteps[exit_step]
        estimate = clean_estimate(noisy, velocity(noisy, now), now)
        return denoiser.constrain(estimate, reference_latents, num_motion, control)


def show(
    scene: Scene, state: SessionState, latents: Tensor, bounds: Sequence[Bounds]
) -> Iterator[Shown]:
    """The frames of each range of ``bounds``, as they are decoded.

    The known motion latents take their place in ``latents`` [B, C, T, h, w]. Colors are matched to
    the portrait's.
    """
    latents = hold_motion(latents, state.motion_latents)
    for start, stop in bounds:
        yield Shown(*_decode(scene, latents, start, stop))


def carry(scene: Scene, state: SessionState, latents: Tensor, shown: Tensor) -> SessionState:
    """The state after a chunk of ``latents`` [B, C, T, h, w].

    Its last frames, 5 or more, are ``shown`` [B, 3, F, H, W].
    """
    with scene.timer.stage("motion_encode"):
        last = shown[:, :, -scene.geometry.motion_frames :]
        autoencoder, guidance = scene.networks.autoencoder, scene.conditions.guidance
        motion_latents = autoencoder.motion_latents(last, latents, guidance).float()
        return SessionState(motion_latents, state.chunk_index + 1, state.seed)


def advance(scene: Scene, state: SessionState, speech: Tensor) -> tuple[Tensor, SessionState]:
    """One chunk: the new frames [B, 3, F, H, W], float in [-1, 1], and the next state.

    ``speech`` is as in :func:`sample`.
    """
    latents = sample(scene, state, speech)
    (shown,) = show(scene, state, latents, fragment_bounds(scene.geometry))
    return shown.video, carry(scene, state, latents, shown.video)


def skip(scene: Scene, state: SessionState, speech: Tensor) -> SessionState:
    """The state after a chunk whose video nobody will see; up to rounding that of :func:`advance`.

    Only the frames that the next chunk continues are decoded.
    """
    latents = sample(scene, state, speech)
    (shown,) = show(scene, state, latents, (carried_bounds(scene.geometry),))
    return carry(scene, state, latents, shown.video)


# --- parts of the verbs ---------------------------------------------------------------------------
def conditioned_velocity(
    denoiser: Denoiser,
    condition: Tensor,
    speech: Tensor,
    text: Tensor | None = None,
    image: Tensor | None = None,
    *,
    num_motion: int,
) -> Velocity:
    """``denoiser`` as a function of latents and timestep alone.

    ``condition`` [B, E, T, h, w] is concatenated to the latents. The speech is projected here, once
    for all steps: for gradients to reach the projector, call this with gradients on.
    """
    audio_tokens = denoiser.project_speech(speech)

    def velocity(latents: Tensor, timestep: float) -> Tensor:
        # never in the latents' own type: bfloat16 would make 832 out of 833.33
        timesteps = latents.new_full((latents.shape[0],), timestep, dtype=torch.float32)
        return denoiser(
            latents, timesteps, condition, audio_tokens, text, image, num_motion=num_motion
        )

    return velocity


def _decode(
    scene: Scene, latents: Tensor, start: int, stop: int
) -> tuple[Tensor, tuple[tuple[int, Enlarge | None], ...]]:
    """Frames ``start`` .. ``stop`` of a chunk, color-matched: [B, 3, stop - start, H, W].

    Beside them, the frames of each part and what makes pictures of them.
    """
    geometry, conditions, workers = scene.geometry, scene.conditions, scene.workers
    autoencoder = scene.networks.autoencoder
    with scene.timer.stage("decode"):
        traced = workers.map(
            lambda part: autoencoder.decode_traced(
                latents[:, :, : geometry.latents_of(part[1])],
                conditions.guidance,
                skip_frames=part[0],
            ),
            split_bounds(start, stop, geometry.temporal_stride, workers.count),
        )
    videos = [video for video, _ in traced]
    parts = tuple((video.shape[2], enlarge) for video, enlarge in traced)
    with scene.timer.stage("color"):
        matched = workers.map(
            lambda part: match_color(
                part, conditions.color, scene.sampler.color_strength, scene.frame_match
            ),
            videos,
        )
        return matched[0] if len(matched) == 1 else torch.cat(matched, dim=2), parts


def split_bounds(start: int, stop: int, stride: int, parts: int) -> tuple[Bounds, ...]:
    """Frames ``start`` .. ``stop`` in at most ``parts`` ranges that end with whole latents.

    The first range has most latents, or fewest if it has frames of half a latent besides.

    >>> split_bounds(5, 33, stride=4, parts=2), split_bounds(4, 33, stride=4, parts=2)
    (((5, 21), (21, 33)), ((4, 17), (17, 33)))
    """
    latents, besides = divmod(stop - start, stride)
    counts = [len(range(part, latents, parts)) for part in range(min(parts, latents))]
    if besides:
        counts.reverse()
    ends = [start + besides + stride * sum(counts[: index + 1]) for index in range(len(counts))]
    return tuple(pairwise((start, *ends)))


def carried_bounds(geometry: ChunkGeometry) -> Bounds:
    """The range of a chunk's frames that the next chunk continues: its last 5."""
    return geometry.new_frames, geometry.chunk_frames


def fragment_bounds(geometry: ChunkGeometry, first_fragment_frames: int = 0) -> tuple[Bounds, ...]:
    """Ranges of a chunk in which its new frames are decoded.

    The motion frames at the front are not decoded at all. Raises :class:`FlashTalkError` if the
    first fragment is not made of whole latents or leaves nothing for the second.
    """
    start, stop = geometry.motion_frames, geometry.chunk_frames
    if first_fragment_frames == 0:
        return ((start, stop),)
    stride = geometry.temporal_stride
    if first_fragment_frames % stride or not 0 < first_fragment_frames < geometry.new_frames:
        raise FlashTalkError(
            f"The first fragment cannot have {first_fragment_frames} frames: choose 0 (no "
            f"fragment) or a multiple of {stride} below {geometry.new_frames}."
        )
    middle = start + first_fragment_frames
    return ((start, middle), (middle, stop))
