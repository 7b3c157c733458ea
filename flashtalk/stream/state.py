"""What one chunk hands to the next: explicit, frozen, small.

Random numbers are not carried. The noise of a chunk follows from (seed, chunk index) alone, so any
chunk can be computed again. It is drawn on the CPU, so a seed means the same on every device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flashtalk.conditions import Conditions
from flashtalk.config import Preset, SamplerConfig
from flashtalk.config.given import whole_number
from flashtalk.errors import FlashTalkError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SessionState:
    """The stream between two chunks."""

    motion_latents: Tensor
    """[B, C, m, h, w] clean latents that the next chunk continues from, float32; m = 1 at the
    start."""
    chunk_index: int
    """Chunks done so far."""
    seed: int

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, got {self.seed}")


def opening_state(conditions: Conditions, seed: int) -> SessionState:
    """Before the first chunk: the portrait is the one motion latent."""
    return SessionState(conditions.reference_latents[:, :, :1], chunk_index=0, seed=seed)


def noise_source(state: SessionState, shape: tuple[int, ...], draws: int) -> Callable[[], Tensor]:
    """A function that returns the next of ``draws`` standard normal tensors of the coming chunk.

    All are drawn and moved at once, so that no denoising step waits for the host.
    """
    words = np.random.SeedSequence((state.seed, state.chunk_index)).generate_state(2)
    generator = torch.Generator().manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)
    like = state.motion_latents
    noises = torch.stack([torch.randn(shape, generator=generator) for _ in range(draws)])
    return iter(noises.to(like.device, like.dtype).unbind()).__next__


def checked_seed(seed: int) -> int:
    """``seed`` as a whole number; raises :class:`FlashTalkError` for any other."""
    rule = "The seed must be a whole number from 0 up"
    whole = whole_number(seed, rule)
    if whole < 0:
        raise FlashTalkError(f"{rule}, got {seed}.")
    return whole


def chosen_sampler(
    preset: Preset, steps: int | None, color_strength: float | None
) -> SamplerConfig:
    """The sampler of ``preset`` with other settings; the log says if it was not trained for these.

    Raises :class:`FlashTalkError` for settings that cannot be used.
    """
    sampler = preset.with_sampler(steps=steps, color_strength=color_strength).sampler
    if sampler.steps not in preset.trained_steps:
        logger.warning(
            "%s was trained for %s steps; %d may look worse",
            preset.name,
            " or ".join(map(str, preset.trained_steps)),
            sampler.steps,
        )
    return sampler
