"""How well the embedded decoder draws held-out clips from their true codes.

    python -m flashtalk.evaluation.decoder --clips DIR --weights assets/flashtalk-tiny --out docs

No talk can look better than this. A clip in which little moves is drawn well by a copy of its
portrait, so PSNR says something only beside that of the copy: groups of four frames are put
together by how good a copy would be.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from flashtalk.errors import command
from flashtalk.evaluation.measures import border_jump, correlation
from flashtalk.evaluation.pictures import frame_differences
from flashtalk.evaluation.reading import load_autoencoder, read_faces
from flashtalk.models.autoencoder import PortraitAutoencoder
from flashtalk.models.face_code import GROUP_FRAMES
from flashtalk.stream.session import to_pixels
from flashtalk.training.autoencoder import group_psnr, true_guidance
from flashtalk.training.clips import Clip, ClipSet
from flashtalk.training.groups import as_float, painted

log = logging.getLogger(__name__)

BANDS_DB = (0, 18, 20, 22, 24, 26, 28, 30, 99)  # PSNR of a copy of the portrait
FRAMES_AT_ONCE = 28
LEAST_DEVIATION = 0.01  # of the lip gap of a clip in which somebody speaks, in units of the curves


@dataclass(frozen=True, eq=False)
class DrawnClip:
    """One clip as the decoder draws it."""

    psnr_db: np.ndarray
    """[G, 2, 2] of G groups: whole frame and mouth's box, drawn and copied from the portrait."""
    opening_correlation: float
    """Lip opening read from the drawn frames against that read from the true ones; NaN in clips
    without speech, whose lips rest."""
    flicker: float
    """Frame difference where a new latent begins over that inside, by the same of the true ones."""
    outlines: tuple[float, float]
    """Share of the pictures that lies near an outline, and of the squared error there."""


@torch.inference_mode()
def draw(autoencoder: PortraitAutoencoder, clip: Clip) -> DrawnClip:
    """Draw all frames of ``clip`` from their true codes and compare."""
    codes, _ = painted(clip)
    guidance = true_guidance(autoencoder, clip)
    count = len(clip.frames) // GROUP_FRAMES * GROUP_FRAMES
    true = np.array(clip.frames[:count])
    drawn = np.concatenate(
        [
            to_pixels(autoencoder.decoder.pictures(part, guidance).transpose(0, 1))
            for part in torch.from_numpy(codes[:count].astype(np.float32)).split(FRAMES_AT_ONCE)
        ]
    )
    shown = as_float(torch.from_numpy(drawn).permute(0, 3, 1, 2)).split(GROUP_FRAMES)
    psnr = [group_psnr(clip, GROUP_FRAMES * index, group) for index, group in enumerate(shown)]
    near = near_outlines(clip.parts[:count], true.shape[1])
    square = np.square(drawn.astype(np.float32) - true).mean(axis=-1)
    openings = [read_faces(autoencoder.reader, frames).opening for frames in (drawn, true)]
    return DrawnClip(
        psnr_db=np.array([[[g[p], g[f"{p}_copy"]] for p in ("whole", "mouth")] for g in psnr]),
        opening_correlation=correlation(*openings) if spoken(clip) else float("nan"),
        flicker=latent_jump(drawn) / latent_jump(true),
        outlines=(float(near.mean()), float(square[near].sum() / square.sum())),
    )


def near_outlines(parts: np.ndarray, side_px: int) -> np.ndarray:
    """Where another part of the picture is at most a cell away.

    Labels [F, g, g] of the renderer -> [F, side_px, side_px] bool.
    """
    labels = torch.from_numpy(parts.astype(np.float32))[:, None]
    highest = F.max_pool2d(labels, 3, stride=1, padding=1)
    lowest = -F.max_pool2d(-labels, 3, stride=1, padding=1)
    near = F.interpolate((highest != lowest).float(), size=(side_px, side_px), mode="nearest")
    return near[:, 0].numpy() > 0


def spoken(clip: Clip) -> bool:
    """Whether lips open in it."""
    return float(clip.curve("lip_gap").std()) > LEAST_DEVIATION


def latent_jump(frames: np.ndarray) -> float:
    """Frame difference where a new latent begins over that inside."""
    return border_jump(frame_differences(frames), 0, GROUP_FRAMES)


def report(drawn: Sequence[DrawnClip]) -> dict[str, object]:
    """Figures of all clips together."""
    psnr = np.concatenate([clip.psnr_db for clip in drawn])
    bands = []
    for lowest, highest in pairwise(BANDS_DB):
        band: dict[str, object] = {"copy_db": [lowest, highest]}
        for place, name in enumerate(("whole", "mouth")):
            copied = psnr[:, place, 1]
            chosen = psnr[(copied >= lowest) & (copied < highest), place, 0]
            band[name] = {
                "groups": len(chosen),
                "psnr_db": round(float(chosen.mean()), 2) if len(chosen) else None,
            }
        bands.append(band)
    correlations = [each.opening_correlation for each in drawn]
    outlines = np.mean([each.outlines for each in drawn], axis=0).round(2).tolist()
    (whole, whole_copy), (mouth, mouth_copy) = psnr.mean(axis=0).round(2).tolist()
    return {
        "clips": len(drawn),
        "groups": len(psnr),
        "whole_db": whole,
        "whole_copy_db": whole_copy,
        "mouth_db": mouth,
        "mouth_copy_db": mouth_copy,
        "opening_correlation": round(float(np.nanmean(correlations)), 3),
        "opening_correlation_lowest": round(float(np.nanmin(correlations)), 3),
        "flicker": round(float(np.mean([each.flicker for each in drawn])), 3),
        "near_outlines": {"of_picture": outlines[0], "of_square_error": outlines[1]},
        "by_copy": bands,
    }


@command
def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("assets/flashtalk-tiny"))
    parser.add_argument("--out", type=Path, help="folder for decoder.json")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)

    autoencoder = load_autoencoder(arguments.weights)
    drawn = []
    for clip in ClipSet(arguments.clips, held_out=True).clips:
        drawn.append(draw(autoencoder, clip))
        log.info(
            "clip %s: whole %.1f dB (copy %.1f), mouth %.1f dB (copy %.1f)",
            clip.name,
            *drawn[-1].psnr_db.mean(axis=0).flatten(),
        )
    found = report(drawn)
    for name, value in found.items():
        for line in value if isinstance(value, list) else [value]:
            log.info("%s: %s", name, line)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "decoder.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
