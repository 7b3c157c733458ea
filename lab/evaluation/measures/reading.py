"""Lips, lids and head of a face, read from frames by the project's own face reader.

The reader is the one that the embedded autoencoder uses (:mod:`flashtalk.models.tiny.landmarks`).
``validate.py`` reports its error on rendered people that it never saw. It is the judge of every run
of a table. So a table has one reader, whatever weights its runs have. Letters: F frames, L
landmarks in the order of ``LANDMARKS``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.face_track import FaceTrack
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.face_code import LANDMARKS
from flashtalk.models.tiny.landmarks import FaceReader
from flashtalk.weights import load_weights
from lab.training.loop import has_checkpoint, load_average
from lab.training.tiny.networks import new_autoencoder, new_reader

BATCH = 32  # pictures read at once


def track_of(landmarks: np.ndarray, names: tuple[str, ...]) -> FaceTrack:
    """The renderer's landmarks [F, any, 2] named ``names`` as a track."""
    return FaceTrack(landmarks[:, [names.index(name) for name in LANDMARKS]].astype(np.float64))


@torch.inference_mode()
def read_faces(reader: FaceReader, frames: np.ndarray) -> FaceTrack:
    """Frames [F, H, W, 3] uint8 -> where the face is in each of them."""
    found = []
    for start in range(0, len(frames), BATCH):
        batch = torch.from_numpy(np.array(frames[start : start + BATCH]))
        pictures = batch.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        found.append(reader(pictures).points.double().numpy())
    return FaceTrack(np.concatenate(found))


def load_reader(folder: Path) -> FaceReader:
    """The reader of a folder of embedded weights, or of a training of the reader.

    Raises :class:`FlashTalkError` for a folder that is neither.
    """
    if has_checkpoint(folder):
        return load_average(folder, new_reader())
    if not folder.is_dir():
        raise FlashTalkError(
            f"There is no face reader in {folder}: give a folder of weights, such as "
            "assets/flashtalk-tiny, or of a training of lab.training.tiny.landmarks."
        )
    return load_autoencoder(folder).reader


def load_autoencoder(folder: Path) -> PortraitAutoencoder:
    """The autoencoder of a folder of embedded weights."""
    autoencoder = new_autoencoder()
    load_weights(folder, TINY.name, {"autoencoder": autoencoder})
    return autoencoder.eval().requires_grad_(False)
