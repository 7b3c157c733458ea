"""Stage 1 of the embedded model: flow matching of its transformer on chunks of codes.

    python -m lab.training.tiny.stage1 --data runs/clips --speech runs/speech --out runs/stage1

A batch has chunks of one length, mostly 33 frames and at times 17. Half of the timesteps are
exactly those of the four-step sampler, because a small model is asked for nothing else. Motion
latents carry a little noise and are bent, because in a session they are the model's own work. The
model is told when eyes blink.

The reference is a picture of its own, of the same head with another expression and gaze. Its pose
is that of some moment of the clip, but no frame of the chunk is it. With ``--device cuda
--versions 2`` the data stay on the GPU (:mod:`lab.training.data.gpu_dataset`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from flashtalk.config import TINY
from flashtalk.errors import command
from flashtalk.models.tiny.denoiser import TinyDenoiser
from lab.options import read_options, require_at_least
from lab.training.causal import make_causal
from lab.training.data.chunks import ChunkBatch, windowed_features
from lab.training.data.clips import ClipSet
from lab.training.data.gpu_dataset import GpuSampler
from lab.training.data.latents import LatentSampler, load_latents
from lab.training.loop import load_average, load_part, prefetched, train
from lab.training.losses.stage1_loss import TINY_LOSS, Stage1Loss, chunk_loss
from lab.training.options import MixedTraining, begin
from lab.training.precision import mixed_precision
from lab.training.tiny.networks import new_denoiser, new_speech_encoder
from lab.training.tiny.objective import TinyObjective, set_carried_share

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TinyStage1(MixedTraining):
    """Train the embedded model's transformer by flow matching."""

    speech: Path
    """Run of its speech encoder."""
    init: Path | None = None
    """Run to start from."""
    steps: int = 6000
    rate: float = 6e-4
    batch: int = 16
    """Chunks."""
    versions: int = 0
    """For GPUs: degrade each sound so many times beforehand and keep all data on the device.
    With 0 the processor degrades the sound of each chunk anew."""
    causal: bool = False
    """No latent frame sees a later one, for comparison."""
    loss: Stage1Loss = TINY_LOSS

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(0, self, "versions")


def train_tiny_stage1(config: TinyStage1) -> None:
    """Train the transformer on the clips of ``config.data``."""
    device = begin(config, seed=None)
    encoder = new_speech_encoder()
    load_part(config.speech, "encoder", encoder).to(device)
    sampler = sampler_of(config, device)
    model = starting_transformer(config).to(device)
    objective = TinyObjective(model.config)
    coming = prefetched(lambda: sampler.draw(config.batch), config.workers)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        model.train()
        fitted, batch = next(coming)
        latents, reference, weight, closed, samples = (each.to(device) for each in batch)
        with torch.no_grad():
            speech = windowed_features(encoder, samples, fitted)
        chunks = ChunkBatch(latents, reference, weight, speech, closed)
        with mixed_precision(config.precision, device.type):
            return chunk_loss(model, chunks, fitted, config.loss, objective)

    train(model, step, config)


def sampler_of(config: TinyStage1, device: torch.device) -> LatentSampler | GpuSampler:
    """The sampler of batches: on the processor, or from the memory of ``device``."""
    clips = load_latents(ClipSet(config.data))
    if not config.versions:
        return LatentSampler(clips, TINY, seed=None)
    log.info("degrading %d sounds", config.versions * len(clips))
    return GpuSampler(clips, TINY, device, config.versions)


def starting_transformer(config: TinyStage1) -> TinyDenoiser:
    """A new transformer, or that of ``config.init``."""
    model = new_denoiser()
    if config.init:
        load_average(config.init, model).requires_grad_(True)
    set_carried_share(model)
    if config.causal:
        make_causal(model, TINY.geometry)
    return model


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    train_tiny_stage1(read_options(TinyStage1, arguments))


if __name__ == "__main__":
    sys.exit(main())
