"""The peaks of a session, phase by phase, by running it: the real code on tensors without memory.

Conditioning comes first. Then one chunk of the stream runs with the motion frames of an earlier
one, exactly as in a session. The chunk step marks its own phases for a timer. Here the timer that
it is given reads bytes instead of seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from flashtalk.conditions import Conditions, gather_conditions
from flashtalk.conditions.speech import last_speech_windows
from flashtalk.config import Preset
from flashtalk.models.networks import Networks
from flashtalk.stream.chunk import Scene, advance, sample
from flashtalk.stream.state import SessionState
from flashtalk.stream.timing import NO_TIMER, Timer
from lab.memory.live_bytes import LiveBytes, counted
from lab.memory.parts import Parts

STAGE_PHASES = {"motion_encode": "motion encode"}  # where the chunk step's own names are others
PLANNED_STEPS = 2  # of the sampler: one with fresh noise after it and the last one; more are alike


@dataclass
class PeakTimer:
    """Takes the place of a stage timer: notes the highest number of live bytes of every stage."""

    counter: LiveBytes
    peaks: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.counter.start_phase()
        try:
            yield
        finally:
            phase = STAGE_PHASES.get(name, name)
            self.peaks[phase] = max(self.peaks.get(phase, 0), self.counter.peak)

    def take(self) -> dict[str, float]:
        return {}


def activation_peaks(parts: Parts, preset: Preset) -> dict[str, int]:
    """Highest bytes of everything but stored weights, by phase: ``preset``, one session, batch 1.

    Included is what a session carries along (text and image states, reference and motion latents).
    ``parts`` must be new: the text encoder remembers prompts, and a second run would find its own.
    Besides the phases of a session there is ``"denoise fp8"``, the same with a transformer whose
    weights are stored in 8 bits. Weights that are made anew at each use count too.
    """
    with counted(parts.device) as counter:
        timer = PeakTimer(counter)
        run_session(parts, preset, timer)
    return timer.peaks


def run_session(parts: Parts, preset: Preset, timer: Timer) -> None:
    """Conditioning and one chunk in the middle of a stream, at the picture size of ``preset``."""
    networks = replace(parts.networks, preset=preset)
    packed = replace(networks, transformer=parts.packed_transformer)
    sampler = replace(preset.sampler, steps=min(preset.sampler.steps, PLANNED_STEPS))
    with torch.device(parts.device):
        conditions = _conditions(networks, preset, timer)
        with timer.stage("speech"):
            speech = _speech(networks, preset)
        state = _running_state(preset)
        scene = Scene(networks, conditions, sampler, timer=timer)
        advance(scene, state, speech)
        with timer.stage("denoise fp8"):
            sample(replace(scene, networks=packed, timer=NO_TIMER), state, speech)


def _conditions(networks: Networks, preset: Preset, timer: Timer) -> Conditions:
    geometry = preset.geometry
    portrait = torch.zeros(1, 3, geometry.height_px, geometry.width_px)
    text = image = None
    if networks.text_encoder is not None:
        with timer.stage("text"):
            text = networks.text_encoder(preset.prompt)
    if networks.image_encoder is not None:
        with timer.stage("image"):
            image = networks.image_encoder(portrait)
    with timer.stage("first frame"):
        return gather_conditions(networks, portrait, text=text, image=image)


def _speech(networks: Networks, preset: Preset) -> Tensor:
    """The windows of one chunk, [1, F, window, layers, width], as a session cuts them."""
    geometry = preset.geometry
    samples = torch.zeros(1, geometry.speech_window_samples)
    features = networks.speech_encoder(samples)[0]
    window = preset.transformer.speech.window_frames
    ahead = geometry.lookahead_frames
    return last_speech_windows(features, window, geometry.chunk_frames, ahead)[None]


def _running_state(preset: Preset) -> SessionState:
    """In the middle of a stream: all motion latents are there."""
    geometry, channels = preset.geometry, preset.transformer.latent_channels
    shape = (1, channels, geometry.num_motion, geometry.latent_height, geometry.latent_width)
    return SessionState(torch.zeros(shape), chunk_index=1, seed=0)
