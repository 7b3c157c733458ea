"""Training of the sync network on rendered clips, whose lips and sound belong together.

    python -m lab.evaluation.measures.train_sync --clips runs/clips --out runs/sync

Resumes by itself; stops at Ctrl-C. Learns from the renderer's own landmarks with noise of the size
of the face reader's error, so no video is decoded. Reports how often it finds the right offset in
people, voices and sentences that it never saw.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flashtalk.errors import command
from lab.evaluation.measures.reading import FaceTrack
from lab.evaluation.measures.sync import (
    MAX_OFFSET_FRAMES,
    SyncNetwork,
    matching_loss,
    save_sync,
    score_of,
)
from lab.evaluation.talks import RenderedClip, clip_names, load_clip
from lab.synthesis.voices.phones import SAMPLES_PER_FRAME
from lab.training.cli import begin, training_parser
from lab.training.loop import LoopConfig, device_of, load_average, train

log = logging.getLogger(__name__)

FRAMES = 64  # of a training window
PLACE_NOISE = 0.006  # picture units; the reader's error from frame to frame
GAIN_DB = 6.0


def draw(
    clips: Sequence[RenderedClip], size: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Random windows: mouths [B, FRAMES, 5] and samples [B, 640 FRAMES]."""
    mouths, sounds = [], []
    for _ in range(size):
        clip = clips[int(rng.integers(len(clips)))]
        start = int(rng.integers(len(clip.track.points) - FRAMES + 1))
        points = clip.track.points[start : start + FRAMES]
        noisy = FaceTrack(points + rng.normal(0.0, PLACE_NOISE * rng.random(), points.shape))
        sound = clip.samples[start * SAMPLES_PER_FRAME : (start + FRAMES) * SAMPLES_PER_FRAME]
        mouths.append(noisy.mouth)
        sounds.append(sound * 10 ** (rng.uniform(-GAIN_DB, GAIN_DB) / 20))
    stacked = (torch.from_numpy(np.stack(each)).float() for each in (mouths, sounds))
    return tuple(stacked)


@torch.inference_mode()
def accuracy(
    network: SyncNetwork, pairs: Sequence[tuple[np.ndarray, np.ndarray]], window_frames: int = 50
) -> dict[str, float]:
    """How often the offset is found, within one frame, in windows of so many frames.

    ``pairs`` are mouths [F, 5] and their samples [640 F]. A guess would be right in 3 of 31 cases.
    ``shifted`` is the same after the sound was moved by a known number of frames. Without a window,
    because all clips are too short, only their number is returned.
    """
    network.eval()
    device = device_of(network)
    right, shifted, confidences = [], [], []
    need = window_frames + 2 * MAX_OFFSET_FRAMES
    for number, (mouth, samples) in enumerate(pairs):
        seen, heard = (
            each[0].cpu().numpy()
            for each in network(
                *(torch.from_numpy(each).float()[None].to(device) for each in (mouth, samples))
            )
        )
        move = (number * 7) % 17 - 8
        for start in range(0, len(mouth) - need + 1, window_frames // 2):
            inside = slice(start, start + need)
            score = score_of(seen[inside], heard[inside])
            right.append(abs(score.offset_frames) <= 1)
            confidences.append(score.confidence)
            moved = score_of(seen[inside], np.roll(heard, -move, axis=0)[inside])
            shifted.append(abs(moved.offset_frames - move) <= 1)
    if not right:
        return {"windows": 0.0}
    return {
        "windows": float(len(right)),
        "windows_within_one_frame": float(np.sum(right)),
        "within_one_frame": float(np.mean(right)),
        "shifted": float(np.mean(shifted)),
        "confidence": float(np.mean(confidences)),
    }


@command
def main() -> None:
    """Entry point."""
    parser = training_parser(__doc__.splitlines()[0], steps=1500, batch=16, rate=2e-3, threads=1)
    parser.add_argument("--clips", type=Path, required=True)
    arguments = begin(parser)
    device = arguments.device

    folder = arguments.clips
    learned, held_out = (
        [load_clip(folder, name) for name in clip_names(folder, held_out=unseen)]
        for unseen in (False, True)
    )
    learned = [clip for clip in learned if clip.phones and len(clip.track.points) >= FRAMES]
    unseen = [(clip.track.mouth, clip.samples) for clip in held_out if clip.phones]
    network = SyncNetwork().to(device)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        if index % 300 == 299:
            log.info("held out, current weights: %s", accuracy(network, unseen))
        network.train()
        # by the number of the step, so that a resumed training sees what it would have seen
        drawn = draw(learned, arguments.batch, np.random.default_rng((1, index)))
        loss = matching_loss(*network(*(each.to(device) for each in drawn)))
        return loss, {"loss": loss.item()}

    config = LoopConfig(out=arguments.out, steps=arguments.steps, learning_rate=arguments.rate)
    train(network, step, config)
    load_average(arguments.out, network)
    save_sync(network, arguments.out)
    log.info("held out, averaged weights: %s", accuracy(network, unseen))


if __name__ == "__main__":
    sys.exit(main())
