"""Training of the sync network on rendered clips, whose lips and sound belong together.

    python -m lab.evaluation.measures.train_sync --clips runs/clips --out runs/sync

Resumes by itself; stops at Ctrl-C. Learns from the renderer's own landmarks, so no video is
decoded. Noise of the size of the face reader's error is added. Reports how often it finds the right
offset in people, voices and sentences that it never saw.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flashtalk.errors import command
from flashtalk.evaluation.face_track import FaceTrack
from lab.evaluation.measures.sync import (
    MAX_OFFSET_FRAMES,
    SyncNetwork,
    matching_loss,
    save_sync,
    score_of,
)
from lab.evaluation.talks import RenderedClip, clip_names, load_clip
from lab.options import read_options, require_at_least
from lab.synthesis.voices.phones import SAMPLES_PER_FRAME
from lab.training.loop import device_of, load_average, train
from lab.training.options import Training, begin

log = logging.getLogger(__name__)

EVALUATE_EVERY = 300  # steps
FRAMES = 64  # of a training window
WINDOW_FRAMES = 50  # in which an offset is looked for
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
    seen, heard = (torch.from_numpy(np.stack(each)).float() for each in (mouths, sounds))
    return seen, heard


@torch.inference_mode()
def accuracy(
    network: SyncNetwork, pairs: Sequence[tuple[np.ndarray, np.ndarray]]
) -> dict[str, float]:
    """How often the offset is found, within one frame, in windows of 50 frames.

    ``pairs`` are mouths [F, 5] and their samples [640 F]. A guess would be right in 3 of 31 cases.
    ``shifted`` is the same after the sound was moved by a known number of frames. Without a window,
    because all clips are too short, only their number is returned.
    """
    network.eval()
    device = device_of(network)
    right, shifted, confidences = [], [], []
    need = WINDOW_FRAMES + 2 * MAX_OFFSET_FRAMES
    for number, (mouth, samples) in enumerate(pairs):
        seen, heard = (
            each[0].cpu().numpy()
            for each in network(
                *(torch.from_numpy(each).float()[None].to(device) for each in (mouth, samples))
            )
        )
        move = (number * 7) % 17 - 8
        for start in range(0, len(mouth) - need + 1, WINDOW_FRAMES // 2):
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


@dataclass(frozen=True, kw_only=True)
class SyncTraining(Training):
    """Train the sync network of the evaluation."""

    clips: Path
    """Folder of clips, as ``python -m lab.synthesis`` makes them."""
    steps: int = 1500
    rate: float = 2e-3
    batch: int = 16
    """Windows of clips."""
    threads: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(1, self, "batch")


def train_sync(config: SyncTraining) -> None:
    """Train the network, save it for :func:`load_sync`, and log how often it is right."""
    device = begin(config)
    learned, held_out = (
        [load_clip(config.clips, name) for name in clip_names(config.clips, held_out=unseen)]
        for unseen in (False, True)
    )
    learned = [clip for clip in learned if clip.phones and len(clip.track.points) >= FRAMES]
    unseen = [(clip.track.mouth, clip.samples) for clip in held_out if clip.phones]
    network = SyncNetwork().to(device)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        if index % EVALUATE_EVERY == EVALUATE_EVERY - 1:
            log.info("held out, current weights: %s", accuracy(network, unseen))
        network.train()
        # by the number of the step, so that a resumed training sees what it would have seen
        drawn = draw(learned, config.batch, np.random.default_rng((1, index)))
        loss = matching_loss(*network(*(each.to(device) for each in drawn)))
        return loss, {"loss": loss.item()}

    train(network, step, config)
    load_average(config.out, network)
    save_sync(network, config.out)
    log.info("held out, averaged weights: %s", accuracy(network, unseen))


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    train_sync(read_options(SyncTraining, arguments))


if __name__ == "__main__":
    sys.exit(main())
