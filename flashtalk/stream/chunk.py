"""The chunk step: state and speech in, frames and the next state out. Pure; used by everyone.

::

    noise + motion latents + conditions --N steps--> latents --decode--> frames --color--> video
                 ^                                                                  |
                 '---------------- encode the last 5 frames <-----------------------'

The live session, the file session and the training roll-out call the same code. It sets no gradient
mode, keeps nothing and touches no network attribute. Networks are expected in ``eval()`` mode.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from flashtalk.conditions import Conditions
from flashtalk.conditions.first_frame import condition_latents
from flashtalk.config import Preset, SamplerConfig
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from flashtalk.models.autoencoder import PortraitAutoencoder
from flashtalk.models.speech_encoder import SpeechEncoder
from flashtalk.models.transformer import VideoTransformer
from flashtalk.stream.color import match_color
from flashtalk.stream.denoise import Velocity, denoise
from flashtalk.stream.schedule import shifted_timesteps
from flashtalk.stream.state import SessionState, noise_source
from flashtalk.stream.timing import NO_TIMER, Timer


@dataclass(frozen=True)
class Networks:
    """One set of weights, shared by all sessions."""

    preset: Preset
    transformer: VideoTransformer
    autoencoder: PortraitAutoencoder
    speech_encoder: SpeechEncoder


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
    timer: Timer = NO_TIMER,
) -> Generator[Tensor, None, SessionState]:
    """:func:`advance` as a generator: yields the video as it is decoded, returns the next state.

    With ``first_fragment_frames`` the first so many frames are decoded, matched and yielded before
    the rest; otherwise there is one piece. The hand-over is computed after the last piece was
    taken, so it delays no picture.
    """
    geometry = networks.preset.geometry
    with timer.stage("denoise"):
        latents = sample_latents(networks, conditions, state, speech, sampler)
    shown: list[Tensor] = []
    for start, stop in fragment_bounds(geometry, first_fragment_frames):
        with timer.stage("decode"):
            video = networks.autoencoder.decode(
                latents[:, :, : geometry.latents_of(stop)], conditions.guidance, skip_frames=start
            )
        with timer.stage("color"):
            video = match_color(video, conditions.color, sampler.color_strength)
        shown.append(video)
        yield video
    with timer.stage("encode"):
        last = shown[-1]
        if last.shape[2] < geometry.motion_frames:
            last = torch.cat(shown, dim=2)
        return hand_over(networks, conditions, state, last)


def sample_latents(
    networks: Networks,
    conditions: Conditions,
    state: SessionState,
    speech: Tensor,
    sampler: SamplerConfig,
) -> Tensor:
    """Clean latents of the chunk, [B, C, T, h, w]; the first m are the motion latents."""
    motion = state.motion_latents
    batch, channels, _, height, width = motion.shape
    shape = (batch, channels, networks.preset.geometry.chunk_latents, height, width)
    fresh_noise = noise_source(state, shape)
    velocity = chunk_velocity(networks, conditions, state, speech)
    return denoise(velocity, fresh_noise(), motion, shifted_timesteps(sampler), fresh_noise)


def chunk_velocity(
    networks: Networks, conditions: Conditions, state: SessionState, speech: Tensor
) -> Velocity:
    """The transformer with everything but latents and timestep filled in.

    The speech is projected here, once for all steps: for gradients to reach the projector, call
    this with gradients on.
    """
    preset = networks.preset
    condition = condition_latents(
        conditions.reference_latents,
        preset.transformer,
        preset.geometry.chunk_latents,
        state.motion_latents.shape[2],
    )
    audio_tokens = networks.transformer.project_speech(speech)

    def velocity(latents: Tensor, timestep: float) -> Tensor:
        timesteps = latents.new_full((latents.shape[0],), timestep)
        return networks.transformer(
            latents,
            timesteps,
            condition,
            text=conditions.text,
            image=conditions.image,
            audio_tokens=audio_tokens,
        )

    return velocity


def hand_over(
    networks: Networks, conditions: Conditions, state: SessionState, video: Tensor
) -> SessionState:
    """The state after a chunk that ended with ``video`` [B, 3, F, H, W], F >= 5."""
    last = video[:, :, -networks.preset.geometry.motion_frames :]
    motion = networks.autoencoder.encode(last, conditions.guidance)
    return SessionState(motion, chunk_index=state.chunk_index + 1, seed=state.seed)


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
