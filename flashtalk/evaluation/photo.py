"""Does a photograph survive being read and drawn? The embedded autoencoder on pictures at rest.

    python -m flashtalk.evaluation.photo PICTURE... --weights assets/flashtalk-tiny

Each picture is cut to squares in which its face is larger and smaller, as visitors cut theirs. A
square is the portrait and, standing still, the video, too: it is encoded as the last frames of a
chunk are, and decoded. What is lost then is misread (a mouth beside its place is painted there).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError, command
from flashtalk.evaluation.reading import load_autoencoder
from flashtalk.inputs.faces import Face, find_faces
from flashtalk.inputs.framing import EYES_IN_FACE, Crop, Framing
from flashtalk.inputs.picture import open_picture
from flashtalk.inputs.portrait import cut, to_tensor
from flashtalk.models.autoencoder import PortraitAutoencoder
from flashtalk.training.autoencoder import psnr_db

FACES = (0.55, 0.48, 0.42, 0.36, 0.3, 0.25, 0.18)
"""Sides of a face over those of its square; the page's own framing has about 0.49."""


def square_around(face: Face, share: float) -> Crop:
    """The square in which ``face`` takes up ``share`` of the side."""
    side = round(face.side_px / share)
    eyes_px = face.top_px + EYES_IN_FACE * face.side_px
    top = round(eyes_px - Framing.eyes * side)
    return Crop(round(face.center_x_px - side / 2), top, side, side)


@torch.inference_mode()
def psnr_at_rest(autoencoder: PortraitAutoencoder, portrait: Tensor) -> float:
    """PSNR in dB of the last frame of ``portrait`` [1, 3, H, W] in [-1, 1], read and drawn."""
    frames = 1 + TINY.geometry.temporal_stride
    still = portrait[:, :, None].expand(-1, -1, frames, -1, -1)
    guidance = autoencoder.prepare(portrait)
    drawn = autoencoder.decode(autoencoder.encode(still, guidance), guidance)[:, :, -1]
    return psnr_db(((drawn - portrait) / 2).square())


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--weights", type=Path, default=Path("assets/flashtalk-tiny"))
    options = parser.parse_args(arguments)
    autoencoder = load_autoencoder(options.weights)
    for path in options.pictures:
        for share, quality_db in measure(autoencoder, path):
            sys.stdout.write(f"{path}, face {share:.0%} of the side: {quality_db:.1f} dB\n")
    return 0


def measure(autoencoder: PortraitAutoencoder, path: Path) -> Iterator[tuple[float, float]]:
    """Share of the face and PSNR of each square of the picture in ``path``.

    Raises :class:`FlashTalkError` if there is no picture or no face.
    """
    picture, _ = open_picture(path)
    faces = find_faces(np.asarray(picture))
    if not faces:
        raise FlashTalkError(f"No face was found in {path}. Give a photo from the front.")
    size = (TINY.geometry.width_px, TINY.geometry.height_px)
    for share in FACES:
        portrait = to_tensor(cut(picture, square_around(faces[0], share)).resize(size))
        yield share, psnr_at_rest(autoencoder, portrait)


if __name__ == "__main__":
    sys.exit(main())
