"""Stage 1: flow matching of the transformer on chunks of latents.

    python -m flashtalk.training.stage1 --data runs/clips --out runs/stage1 \\
        --speech runs/speech-encoder

As in the published recipe (report, Stage 1): chunks of several lengths (a batch has one: 33 frames
mostly, 17 at times), the first one or two latents clean and outside the loss, the reference from
outside the window, timesteps shifted by 5, 10 % of the chunks without speech for guidance,
mouth-weighted and temporal-difference terms. Ours: half of the timesteps are exactly those that the
four-step sampler will visit, because nothing else is ever asked of the small model; the clean
motion latents carry a little noise and are bent, because in a session they are the model's own
work; and the embedded model is told when eyes blink. Its pictures have one size, so there are no
buckets of aspect.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flashtalk.conditions.first_frame import condition_latents
from flashtalk.conditions.speech import last_speech_windows
from flashtalk.config import TINY, Preset
from flashtalk.errors import command
from flashtalk.models.causal import look_back_only
from flashtalk.models.face_code import FEATURES, FLOW, GROUP_FRAMES
from flashtalk.models.speech_encoder import SpeechEncoder
from flashtalk.models.transformer import VideoTransformer
from flashtalk.stream.denoise import hold_motion, renoise
from flashtalk.stream.schedule import shift_time, shifted_timesteps
from flashtalk.synthesis.augment import augment
from flashtalk.training.bending import bent, random_bends, unbending_error
from flashtalk.training.clips import ClipSet
from flashtalk.training.command import add_precision, begin, training_parser
from flashtalk.training.latents import LatentClip, load_latents
from flashtalk.training.loop import LoopConfig, load_average, load_part, prefetched, train
from flashtalk.training.losses import flow_matching, temporal_difference
from flashtalk.training.precision import mixed_precision

log = logging.getLogger(__name__)

SHORT_CHUNK_FRAMES = 17
SHORT_CHUNKS = 0.15  # share of batches; all others have a session's length
COLD_START = 0.15  # share of batches with a single motion latent
NO_SPEECH = 0.1
SAMPLER_TIMES = 0.5  # share of chunks at exactly the sampler's timesteps
MOTION_NOISE = 0.12
FLOW_NOISE = 0.03  # flow is handed over almost exactly, so the next chunk may trust it
TEMPORAL_WEIGHT = 2.0
JUNCTION_WEIGHT = 4.0


def speech_of(clip: LatentClip, start: int, preset: Preset) -> np.ndarray:
    """The samples that a session would hold when the chunk at frame ``start`` is made."""
    geometry = preset.geometry
    last = start + geometry.chunk_frames + geometry.lookahead_frames
    end = last * geometry.samples_per_frame
    begin = end - geometry.speech_window_samples
    heard = clip.samples[max(0, begin) : end]
    return np.pad(heard, (geometry.speech_window_samples - len(heard), 0))


def windowed_features(encoder: SpeechEncoder, samples: Tensor, preset: Preset) -> Tensor:
    """Samples [B, S] of whole speech windows -> [B, F, window, layers, width] of the chunk."""
    features = encoder(samples)
    frames, ahead = preset.geometry.chunk_frames, preset.geometry.lookahead_frames
    window = preset.transformer.speech.window_frames
    return torch.stack([last_speech_windows(each, window, frames, ahead) for each in features])


class ChunkSampler:
    """Draws training chunks: latents, reference, weight, closed eyes, speech samples."""

    def __init__(self, clips: list[LatentClip], preset: Preset, seed: int | None) -> None:
        self.clips = clips
        self.preset = preset
        self.rng = np.random.default_rng(seed)

    def draw(self, size: int) -> tuple[Preset, tuple[Tensor, ...]]:
        """A batch of one length, and the preset with chunks that long.

        Latents [B, C, T, h, w], reference [B, C, 1, h, w], weight [B, C, T, h, w], closures
        [B, F], samples [B, S].
        """
        short = self.rng.random() < SHORT_CHUNKS
        frames = SHORT_CHUNK_FRAMES if short else self.preset.geometry.chunk_frames
        preset = replace(self.preset, geometry=replace(self.preset.geometry, chunk_frames=frames))
        latents, references, weights, closed, sounds = [], [], [], [], []
        for _ in range(size):
            clip = self.clips[self.rng.integers(len(self.clips))]
            ahead = preset.geometry.lookahead_frames
            start = int(self.rng.integers(0, len(clip.codes) - frames - ahead + 1))
            window, weight, reference = clip.window(start, frames, self.rng.random() < 0.5)
            sound = speech_of(clip, start, preset)
            if self.rng.random() < 0.6:
                sound = augment(sound, self.rng)
            latents.append(window)
            references.append(reference)
            weights.append(weight)
            closed.append(clip.closed[start : start + frames])
            sounds.append(sound.astype(np.float32))
        drawn = (latents, references, weights, closed, sounds)
        return preset, tuple(torch.from_numpy(np.stack(each)) for each in drawn)


def draw_times(size: int, preset: Preset) -> Tensor:
    """Noise shares in (0, 1], [B]: shifted uniform, or one of the sampler's own."""
    uniform = shift_time(torch.rand(size), preset.sampler.shift)
    visited = torch.tensor(shifted_timesteps(preset.sampler)[:-1]) / 1000.0
    chosen = visited[torch.randint(len(visited), (size,))]
    return torch.where(torch.rand(size) < SAMPLER_TIMES, chosen, uniform)


def motion_noise(clean: Tensor) -> Tensor:
    """What to add to clean motion latents [B, C, m, h, w]: about what a session misreads."""
    strength = clean.new_tensor([FLOW_NOISE if name in FLOW else MOTION_NOISE for name in FEATURES])
    strength = strength.repeat(clean.shape[1] // len(FEATURES)).view(1, -1, 1, 1, 1)
    share = torch.rand(clean.shape[0], 1, 1, 1, 1)
    return strength * share * torch.randn_like(clean)


def by_frame(latents: Tensor, preset: Preset) -> Tensor:
    """Latents [B, C, T, h, w] of the embedded model, or a mask with C = 1, one frame after another.

    [B, C / 4, 4 T, h, w]: a latent holds the codes of four frames, and what is seen is whether
    *they* move smoothly. Other presets' latents stay as they are.
    """
    if preset.autoencoder is None:
        return latents
    if latents.shape[1] == 1:
        return latents.repeat_interleave(GROUP_FRAMES, dim=2)
    frames = latents.unflatten(1, (GROUP_FRAMES, -1))  # [B, 4, D, T, h, w]
    return frames.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)


def set_hand_over(model: VideoTransformer) -> None:
    """Where each channel of the embedded model's predictions begins; not trained, here or later.

    Motion goes on exactly where it was. What is read from a face less exactly counts in part. If
    trained, the share of the motion falls below 1, which costs no loss and makes borders jump.
    """
    share = model.hand_over.share
    share.copy_(torch.tensor([1.0 if name in FLOW else 0.35 for name in FEATURES]).view_as(share))


def chunk_loss(
    model: VideoTransformer,
    latents: Tensor,
    reference: Tensor,
    weight: Tensor,
    closed: Tensor,
    speech: Tensor,
    preset: Preset,
) -> tuple[Tensor, dict[str, float]]:
    """Stage 1 loss of a batch of chunks; shapes as :meth:`ChunkSampler.draw`, speech windowed."""
    batch, _, chunk, _, _ = latents.shape
    motion = 1 if torch.rand(()) < COLD_START else preset.geometry.motion_latents
    true = latents
    if motion > 1 and preset.transformer.face_cells:
        latents = bent(latents, random_bends(batch, preset.transformer.face_cells), motion)
    noise = torch.randn_like(latents)
    times = draw_times(batch, preset)
    noisy = renoise(latents, noise, 1000.0 * times.view(-1, 1, 1, 1, 1))
    clean = latents[:, :, :motion]
    clean = clean + motion_noise(clean)
    condition = condition_latents(reference, preset.transformer, chunk, motion, closed)
    # null speech is zero features, as in the published model; silence is something else
    speech = speech * (torch.rand(batch, 1, 1, 1, 1) >= NO_SPEECH)
    velocity = model(hold_motion(noisy, clean), 1000.0 * times, condition, speech)
    mask = torch.zeros(batch, 1, chunk, 1, 1)
    mask[:, :, :motion] = 1.0
    if preset.transformer.predicts == "clean":  # its errors count alike at all times
        share = times.view(-1, 1, 1, 1, 1)
        velocity, latents, noise = share * velocity, share * latents, share * noise
    flow = flow_matching(velocity, latents, noise, mask, weight)
    steady = temporal_difference(
        *(by_frame(each, preset) for each in (velocity, latents, noise, mask)), JUNCTION_WEIGHT
    )
    loss = flow + TEMPORAL_WEIGHT * steady
    figures = {"flow": flow.item(), "temporal": steady.item()}
    if preset.transformer.face_cells:
        codes = by_frame(true, preset).transpose(1, 2)  # [B, 4 T, D, h, w]
        portraits = by_frame(reference, preset)[:, :, :1].transpose(1, 2).expand_as(codes)
        bends = unbending_error(
            model.hand_over.face_like, codes.flatten(0, 1), portraits.flatten(0, 1)
        )
        loss = loss + bends
        figures["bends"] = bends.item()
    return loss, figures


@command
def main() -> None:
    """Entry point."""
    parser = training_parser(__doc__.splitlines()[0], steps=6000, batch=16, rate=6e-4)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="run to start from")
    parser.add_argument(
        "--causal", action="store_true", help="no latent frame sees a later one, for comparison"
    )
    add_precision(parser)
    arguments = begin(parser, seed=None)

    preset = TINY
    encoder = SpeechEncoder(preset.speech_encoder)
    load_part(arguments.speech, "encoder", encoder)
    clips = load_latents(ClipSet(arguments.data))
    sampler = ChunkSampler(clips, preset, seed=None)
    model = VideoTransformer(preset.transformer)
    if arguments.init:
        load_average(arguments.init, model).requires_grad_(True)
    if preset.transformer.predicts == "clean":
        set_hand_over(model)
    if arguments.causal:
        look_back_only(model, preset.geometry)
    coming = prefetched(lambda: sampler.draw(arguments.batch))

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        model.train()
        bucket, (*known, samples) = next(coming)
        with torch.no_grad():
            speech = windowed_features(encoder, samples, bucket)
        with mixed_precision(arguments.precision):
            return chunk_loss(model, *known, speech, bucket)

    config = LoopConfig(out=arguments.out, steps=arguments.steps, learning_rate=arguments.rate)
    train(model, step, config)


if __name__ == "__main__":
    sys.exit(main())
