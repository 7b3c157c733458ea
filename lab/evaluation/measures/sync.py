"""Do lips and sound belong together, and at which offset: a small network of two towers.

As in SyncNet (Chung & Zisserman 2016), mouth shapes and speech are embedded frame by frame. What
happens at the same moment lies close. Sync-D is the smallest mean distance over offsets. Sync-C is
how far it stands out from the usual one. The offset is where it is. The mouth comes as five numbers
per frame (``face_track.MOUTH_NUMBERS``), the sound as log-mel.

These scores compare talks of this project with each other. Published Sync-C figures come from
another network and other pixels and cannot be set beside them. Letters: B series, F frames, D
width.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from flashtalk.assets import ASSETS
from flashtalk.errors import FlashTalkError
from flashtalk.models.tiny.speech_encoder import ConvBlock, mel_filters
from lab.synthesis.voices.phones import SAMPLES_PER_FRAME

FILE = "sync.safetensors"
SHIPPED = ASSETS / "judges"
MAX_OFFSET_FRAMES = 15  # as SyncNet's
TEMPERATURE = 0.1
MEL_BINS = 40
MEL_WINDOW, MEL_HOP = 512, 160  # 32 ms every 10 ms: four steps per video frame
# Spread of the mouth's numbers within rendered clips.
MOUTH_SPREAD = (0.072, 0.058, 0.077, 0.044, 0.023)


class SyncNetwork(nn.Module):
    """Mouth numbers and samples -> unit vectors per frame in one space; sees 0.4 s around each."""

    mel: Tensor
    window: Tensor
    spread: Tensor

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.register_buffer("mel", mel_filters(MEL_BINS), persistent=False)
        self.register_buffer("window", torch.hann_window(MEL_WINDOW), persistent=False)
        self.register_buffer("spread", torch.tensor(MOUTH_SPREAD), persistent=False)
        self.mouth = nn.Sequential(
            nn.Conv1d(len(MOUTH_SPREAD), width, 3, padding=1),
            nn.GELU(),
            ConvBlock(width, 1),
            nn.Conv1d(width, width, 3, padding=1),
        )
        self.speech = nn.Sequential(
            nn.Conv1d(MEL_BINS, width, 5, padding=2),
            nn.GELU(),
            nn.Conv1d(width, width, 4, stride=4),
            ConvBlock(width, 1),
            nn.Conv1d(width, width, 3, padding=1),
        )

    def forward(self, mouth: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Mouth [B, F, 5] and samples [B, 640 F] -> their embeddings, each [B, F, D]."""
        if samples.shape[1] != mouth.shape[1] * SAMPLES_PER_FRAME:
            raise ValueError(
                f"{mouth.shape[1]} frames need {mouth.shape[1] * SAMPLES_PER_FRAME} samples, got "
                f"{samples.shape[1]}"
            )
        # people differ in their mouths at rest, and readers in where they see a lip
        seen = (mouth - mouth.mean(dim=1, keepdim=True)) / self.spread
        heard = self.log_mel(samples)
        heard = heard - heard.mean(dim=(1, 2), keepdim=True)
        towers = ((self.mouth, seen.transpose(1, 2)), (self.speech, heard))
        lips, sound = (F.normalize(tower(x), dim=1).transpose(1, 2) for tower, x in towers)
        return lips, sound

    def log_mel(self, samples: Tensor) -> Tensor:
        """[B, S] -> [B, bins, S / 160]; each column is centered on its own 10 ms."""
        margin = (MEL_WINDOW - MEL_HOP) // 2
        spectrum = torch.stft(
            F.pad(samples, (margin, margin)),
            MEL_WINDOW,
            MEL_HOP,
            window=self.window,
            center=False,
            return_complex=True,
        )
        return torch.log10(self.mel @ spectrum.abs().square() + 1e-4)


def matching_loss(mouth: Tensor, speech: Tensor) -> Tensor:
    """Cross-entropy of picking the right moment, for both directions; embeddings [B, F, D].

    The wrong answers are the other moments of the same talk (InfoNCE). So a network that knows
    voices or faces gains nothing.
    """
    scores = mouth @ speech.transpose(1, 2) / TEMPERATURE  # [B, F, F]
    right = torch.arange(scores.shape[1], device=scores.device).expand(scores.shape[:2])
    rows = F.cross_entropy(scores.flatten(0, 1), right.flatten())
    columns = F.cross_entropy(scores.transpose(1, 2).flatten(0, 1), right.flatten())
    return (rows + columns) / 2


@dataclass(frozen=True)
class SyncScore:
    """How well lips and sound belong together."""

    confidence: float
    """Sync-C-like: median distance over offsets minus the smallest."""
    distance: float
    """Sync-D-like: the smallest mean distance over offsets."""
    offset_frames: int
    """Where that is; positive: the picture comes after the sound."""


def score_of(mouth: np.ndarray, speech: np.ndarray) -> SyncScore:
    """Embeddings [F, D] of both -> :class:`SyncScore`."""
    frames = len(mouth)
    if frames <= 2 * MAX_OFFSET_FRAMES:
        raise ValueError(
            f"got {frames} frames, need more than {2 * MAX_OFFSET_FRAMES} for offsets up to "
            f"{MAX_OFFSET_FRAMES}"
        )
    # the same moments of speech for every offset, so that distances differ by the offset alone
    said = speech[MAX_OFFSET_FRAMES : frames - MAX_OFFSET_FRAMES]
    distances = {}
    for offset in range(-MAX_OFFSET_FRAMES, MAX_OFFSET_FRAMES + 1):
        start = MAX_OFFSET_FRAMES + offset
        seen = mouth[start : start + len(said)]
        distances[offset] = float(np.linalg.norm(seen - said, axis=1).mean())
    best = min(distances, key=lambda offset: (distances[offset], abs(offset)))
    usual = float(np.median(list(distances.values())))
    return SyncScore(usual - distances[best], distances[best], best)


@torch.inference_mode()
def score_talk(network: SyncNetwork, mouth: np.ndarray, samples: np.ndarray) -> SyncScore:
    """Mouth numbers [F, 5] and samples [640 F] of one segment -> :class:`SyncScore`."""
    seen, heard = network(
        torch.from_numpy(mouth).float()[None], torch.from_numpy(samples).float()[None]
    )
    return score_of(seen[0].numpy(), heard[0].numpy())


def save_sync(network: SyncNetwork, folder: Path) -> None:
    """Write the weights of ``network`` for :func:`load_sync`, in float32."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()}, folder / FILE
    )


def load_sync(folder: Path = SHIPPED) -> SyncNetwork:
    """The network that :func:`save_sync` left in ``folder``.

    Raises :class:`FlashTalkError` if there is none, or one of another shape.
    """
    if not (folder / FILE).is_file():
        raise FlashTalkError(
            f"There is no trained sync network in {folder}. Leave --sync away for the one that "
            f"ships, or train one: python -m lab.evaluation.measures.train_sync --out {folder}"
        )
    network = SyncNetwork()
    try:
        load_model(network, folder / FILE)
    except (RuntimeError, SafetensorError) as error:
        raise FlashTalkError(
            f"{folder / FILE} is no sync network of this version: {error}. Train one anew with "
            "python -m lab.evaluation.measures.train_sync."
        ) from error
    return network.eval().requires_grad_(False)
