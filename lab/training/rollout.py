"""Retrospective self-correction: the generator continues its own video, then one step is judged.

The generator makes k chunks as a live session does, with the same functions and the same sampler.
Only the last one is trained, and in it exactly one denoising step::

    chunk 1 .. k-1   sample - decode the last 5 frames - their motion latents      no gradient
    chunk k          denoise to the exit step                                      no gradient
                     clean estimate at the exit step                               gradient

So the graph holds a single pass of one network whatever k is. What goes wrong on the way is in the
motion latents. Pose drifts in all models, color and details where frames are encoded again.

Sources: [FT] SoulX-FlashTalk, arXiv 2512.23379, multi-step retrospective self-correction (k, the
one step with a gradient, motion frames); [SF] Self-Forcing, arXiv 2506.08009, algorithm 1 (exit
step, truncated gradient, noise again between steps).

k and the exit step decide how often the network is called, so all ranks must draw the same. They
come from (seed, step, purpose) alone, never from the rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flashtalk.conditions import Conditions
from flashtalk.config import SamplerConfig
from flashtalk.models.networks import Networks
from flashtalk.stream.chunk import Scene, sample, skip
from flashtalk.stream.state import SessionState, opening_state


@dataclass(frozen=True)
class Talk:
    """Inputs of a roll-out; everything detached. Letters: B talks, K chunks."""

    conditions: Conditions
    speech: Tensor
    """[B, K, F, window, layers, width] windows of the frames of each chunk."""
    null_text: Tensor | None = None
    """[B, L, text_dim] states of the negative prompt; only for models that read a prompt."""

    @property
    def chunks(self) -> int:
        """K, the longest roll-out."""
        return self.speech.shape[1]


@dataclass(frozen=True)
class Draw:
    """Random choices for all ranks."""

    chunks: int
    """k, how many chunks are made."""
    exit_step: int
    """Which denoising step of the last chunk is judged, 0 .. steps - 1."""


@dataclass(frozen=True)
class LastChunk:
    """The chunk that is judged."""

    estimate: Tensor
    """[B, C, T, h, w] clean latents as the exit step estimates them, motion latents included;
    carries the graph if gradients were on."""
    state: SessionState
    """State that the chunk continues; detached."""
    speech: Tensor
    """[B, F, window, layers, width] the chunk's own windows."""

    @property
    def num_motion(self) -> int:
        """m, how many motion latents the chunk continued."""
        return self.state.motion_latents.shape[2]


def shared_draw(words: Sequence[int], max_chunks: int, steps: int) -> Draw:
    """k uniform in 1 .. ``max_chunks``, the exit step uniform in 0 .. ``steps`` - 1.

    ``words`` (seed, step, purpose) decide alone: the same on every rank and after every resume.
    """
    rng = np.random.default_rng(np.random.SeedSequence(tuple(words)))
    # [FT]: k ~ U{1, ..., K}; [SF] algorithm 1: s ~ U{1, ..., steps}, the same for all ranks
    return Draw(int(rng.integers(1, max_chunks + 1)), int(rng.integers(steps)))


def roll_out(
    networks: Networks, talk: Talk, draw: Draw, sampler: SamplerConfig, seed: int
) -> LastChunk:
    """``draw.chunks`` chunks of ``talk``; gradient, if it is on, only through the exit step.

    With the last exit step the estimate is what a live session of the same ``seed`` decodes.
    Raises ``ValueError`` if there is not enough speech.
    """
    if draw.chunks > talk.chunks:
        raise ValueError(
            f"a roll-out of {draw.chunks} chunks needs as many of speech, got {talk.chunks}"
        )
    scene = Scene(networks, talk.conditions, sampler)
    state = opening_state(talk.conditions, seed)
    # [FT]: chunk c + 1 starts from the last frames of chunk c, detached, as in a live session
    with torch.no_grad():
        for index in range(draw.chunks - 1):
            state = skip(scene, state, talk.speech[:, index])
    speech = talk.speech[:, draw.chunks - 1]
    estimate = sample(scene, state, speech, draw.exit_step)
    return LastChunk(estimate, state, speech)
