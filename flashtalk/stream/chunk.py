"""The chunk step: state and speech in, frames and the next state out. Pure; used by everyone.

::

    noise + motion latents + conditions --N steps--> latents --decode--> frames -color, seam-> video
                 ^                                                                    |
                 '------------------ encode the last 5 frames <-----------------------'

The live session, the file session and the training roll-out call the same code. It sets no gradient
mode, keeps nothing and touches no network attribute. Networks are expected in ``eval()`` mode.

Between the networks everything is float32, whatever type their weights have: sixteen bits would
add a rounding of the latents to each step and to each hand-over.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import pairwise

import torch
from torch import Tensor

from flashtalk.conditions import Conditions
from flashtalk.conditions.first_frame import condition_latents
from flashtalk.config import Preset, SamplerConfig
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.blinks import chunk_closures
from flashtalk.models.tiny.lid_clamp import let_lids_meet
from flashtalk.stream.color import match_color
from flashtalk.stream.denoise import Velocity, denoise
from flashtalk.stream.schedule import shifted_timesteps
from flashtalk.stream.seam import Seam, fade_seam
from flashtalk.stream.state import SessionState, noise_source
from flashtalk.stream.timing import NO_TIMER, Timer
from flashtalk.stream.workers import ALONE, SideBySide


def advance(
    networks: Networks,
    conditions: Conditions,
    state: SessionState,
    speech: Tensor,
    sampler: SamplerConfig,
    *,
    timer: Timer = NO_TIMER,
) -> tuple[Tensor, SessionState]:
    """One chunk: the new frames [B, 3, 28, H, W], float in [-1, 1], and the next state.

    ``speech`` holds the windows of all 33 frames of the chunk, [B, 33, window, layers, width].
    """
    pieces = advance_in_pieces(networks, conditions, state, speech, sampler, timer=timer)
    videos = []
    while True:
        try:
            videos.append(next(pieces))
        except StopIteration as done:
            return torch.cat(videos, dim=2), done.value


def advance_in_pieces(
    networks: Networks,
    conditions: Conditions,
    state: SessionState,
    speech: Tensor,
    sampler: SamplerConfig,
    *,
    first_fragment_frames: int = 0,
    parts: SideBySide = ALONE,
    timer: Timer = NO_TIMER,
) -> Generator[Tensor, None, SessionState]:
    """:func:`advance` as a generator: yields the video as it is decoded, returns the next state.

    With ``first_fragment_frames`` the first so many frames are decoded, matched and yielded before
    the rest; otherwise there is one piece. The hand-over is computed after the last piece was
    taken, so it delays no picture. ``parts`` decodes and matches side by side; more than one
    worker needs an autoencoder that codes every latent alone.
    """
    geometry = networks.preset.geometry
    with timer.stage("denoise"):
        latents = sample_latents(networks, conditions, state, speech, sampler)
    shown: list[Tensor] = []
    seam: Seam | None = None
    for start, stop in fragment_bounds(geometry, first_fragment_frames):
        again = not shown and sampler.seam_frames > 0 and state.last_frame is not None
        with timer.stage("decode"):
            first = start - 1 if again else start  # what was shown last, from the motion latents
            bounds = split_bounds(first, stop, geometry.temporal_stride, parts.workers)
            videos = parts.map(
                lambda part: networks.autoencoder.decode(
                    latents[:, :, : geometry.latents_of(part[1])],
                    conditions.guidance,
                    skip_frames=part[0],
                ),
                bounds,
            )
        with timer.stage("color"):
            matched = parts.map(
                lambda part: match_color(part, conditions.color, sampler.color_strength), videos
            )
            video = matched[0] if len(matched) == 1 else torch.cat(matched, dim=2)
            if again:
                seam, video = Seam(state.last_frame, video[:, :, :1]), video[:, :, 1:]
            if seam is not None:
                done = start - geometry.motion_frames
                video = fade_seam(video, seam, done, sampler.seam_frames)
        shown.append(video)
        yield video
    with timer.stage("encode"):
        last = shown[-1]
        if last.shape[2] < geometry.motion_frames:
            last = torch.cat(shown, dim=2)
        return hand_over(networks, conditions, state, last)


def next_state(
    networks: Networks,
    conditions: Conditions,
    state: SessionState,
    speech: Tensor,
    sampler: SamplerConfig,
) -> SessionState:
    """The state after a chunk whose video nobody will see; up to rounding that of :func:`advance`.

    Only the last 5 frames are decoded, which the next chunk continues.
    """
    latents = sample_latents(networks, conditions, state, speech, sampler)
    video = networks.autoencoder.decode(
        latents, conditions.guidance, skip_frames=networks.preset.geometry.new_frames
    )
    video = match_color(video, conditions.color, sampler.color_strength)
    return hand_over(networks, conditions, state, video)


def sample_latents(
    networks: Networks,
    conditions: Conditions,
    state: SessionState,
    speech: Tensor,
    sampler: SamplerConfig,
) -> Tensor:
    """Clean latents of the chunk, [B, C, T, h, w] float32; the first m are the motion latents."""
    motion = state.motion_latents
    batch, channels, _, height, width = motion.shape
    shape = (batch, channels, networks.preset.geometry.chunk_latents, height, width)
    fresh_noise = noise_source(state, shape)
    velocity = chunk_velocity(networks, conditions, state, speech)
    latents = denoise(velocity, fresh_noise(), motion, shifted_timesteps(sampler), fresh_noise)
    closed = chunk_blinks(networks.preset, state)
    if closed is None:
        return latents
    return let_lids_meet(latents, conditions.reference_latents, closed, motion.shape[2])


def chunk_velocity(
    networks: Networks, conditions: Conditions, state: SessionState, speech: Tensor
) -> Velocity:
    """The transformer with everything of this chunk filled in but latents and timestep."""
    condition = chunk_condition(
        networks.preset, conditions, state, clean_latents=state.motion_latents.shape[2]
    )
    return conditioned_velocity(
        networks.transformer, condition, speech, conditions.text, conditions.image
    )


def chunk_condition(
    preset: Preset, conditions: Conditions, state: SessionState, clean_latents: int
) -> Tensor:
    """What is concatenated to the latents of the chunk after ``state``: [B, mask + .., T, h, w].

    The first ``clean_latents`` carry no noise.
    """
    return condition_latents(
        conditions.reference_latents,
        preset.transformer,
        preset.geometry.chunk_latents,
        clean_latents,
        chunk_blinks(preset, state),
    )


def chunk_blinks(preset: Preset, state: SessionState) -> Tensor | None:
    """How far eyes are to be closed in the chunk after ``state``, [B, F] in 0..1.

    None for models that are not told.
    """
    if not preset.transformer.blink_channels:
        return None
    batch = state.motion_latents.shape[0]
    return chunk_closures(state.seed, state.chunk_index, batch, preset.geometry)


def conditioned_velocity(
    transformer: VideoTransformer,
    condition: Tensor,
    speech: Tensor,
    text: Tensor | None = None,
    image: Tensor | None = None,
) -> Velocity:
    """``transformer`` as a function of latents and timestep alone.

    ``condition`` [B, mask + C, T, h, w] is concatenated to the latents; the others are as in
    :class:`VideoTransformer`. The speech is projected here, once for all steps: for gradients to
    reach the projector, call this with gradients on.
    """
    audio_tokens = transformer.project_speech(speech)

    def velocity(latents: Tensor, timestep: float) -> Tensor:
        # never in the latents' own type: bfloat16 would make 832 out of 833.33
        timesteps = latents.new_full((latents.shape[0],), timestep, dtype=torch.float32)
        return transformer(
            latents, timesteps, condition, text=text, image=image, audio_tokens=audio_tokens
        )

    return velocity


def hand_over(
    networks: Networks, conditions: Conditions, state: SessionState, video: Tensor
) -> SessionState:
    """The state after a chunk that ended with ``video`` [B, 3, F, H, W], F >= 5."""
    last = video[:, :, -networks.preset.geometry.motion_frames :]
    motion = networks.autoencoder.encode(last, conditions.guidance).float()
    shown = last[:, :, -1:].clone()  # a view would keep the whole chunk in memory
    return SessionState(motion, state.chunk_index + 1, state.seed, last_frame=shown)


def split_bounds(start: int, stop: int, stride: int, parts: int) -> tuple[tuple[int, int], ...]:
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


def fragment_bounds(
    geometry: ChunkGeometry, first_fragment_frames: int = 0
) -> tuple[tuple[int, int], ...]:
    """Frame ranges (start, stop) of a chunk in which its new frames are decoded.

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
