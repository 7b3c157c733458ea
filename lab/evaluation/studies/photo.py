"""Does a photograph survive being read and drawn? The embedded autoencoder on pictures.

    python -m lab.evaluation.studies.photo PICTURE... --weights assets/flashtalk-tiny

Each picture is cut to squares in which its face is larger and smaller, as visitors cut theirs. A
square is the portrait and twice the video, too. It is encoded as the frames of a chunk are, and
decoded:

* *At rest*: what is lost is misread (a mouth beside its place is painted there). A decoder that
  copied the portrait would be perfect.
* *In motion*: the whole picture turns, shifts and grows a little. So the truth is known, and a copy
  is wrong. Places that the portrait does not show are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from torch import Tensor

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError, command
from flashtalk.inputs.cutting import cut
from flashtalk.inputs.faces import EYES_IN_FACE, Face, find_faces
from flashtalk.inputs.framing import Crop, Framing
from flashtalk.inputs.picture import open_picture
from flashtalk.inputs.portrait import to_tensor
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from lab.evaluation.measures.reading import load_autoencoder
from lab.options import TINY_WEIGHTS, read_options
from lab.training.tiny.quality import psnr_db

FACES = (0.55, 0.48, 0.42, 0.36, 0.3, 0.25, 0.18)
"""Sides of a face over those of its square; the page's own framing has about 0.49."""


Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, whose own are -1 and 1."""


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


@dataclass(frozen=True)
class Motion:
    """A small smooth motion of a whole picture. It begins and ends at rest."""

    frames: int = 17
    turn_rad: float = 0.06
    """Largest turn to either side."""
    shift: float = 0.05
    """Largest shift, half sides of the picture."""
    zoom: float = 0.04
    """Largest growth, as a share."""

    def places(self, height_px: int, width_px: int) -> Tensor:
        """Where each pixel of each frame lies in the picture: [F, H, W, 2], -1..1 inside."""
        phase = torch.linspace(0.0, 2 * torch.pi, self.frames)
        turn, scale = self.turn_rad * phase.sin(), 1.0 - self.zoom * (1.0 - phase.cos()) / 2
        shift = self.shift * torch.stack((phase.sin(), (2 * phase).sin()), dim=1)
        cosine, sine = scale * turn.cos(), scale * turn.sin()
        across = torch.stack((cosine, -sine, shift[:, 0]), dim=1)
        down = torch.stack((sine, cosine, shift[:, 1]), dim=1)
        matrices = torch.stack((across, down), dim=1)  # [F, 2, 3]
        size = [self.frames, 1, height_px, width_px]
        return F.affine_grid(matrices, size, align_corners=False)


@dataclass(frozen=True)
class Moved:
    """How well a moved picture is drawn; PSNR in dB."""

    whole_db: float
    whole_copy_db: float
    """The same of the portrait, unmoved."""
    face_db: float
    face_copy_db: float


@dataclass(frozen=True)
class Quality:
    """Errors of one square."""

    rest_db: float
    """PSNR of the last frame of a video of the portrait at rest."""
    moved: Moved


@torch.inference_mode()
def psnr_in_motion(autoencoder: PortraitAutoencoder, portrait: Tensor, face: Box) -> Moved:
    """``portrait`` [1, 3, H, W] in [-1, 1] moves, is read and drawn, and compared with the truth.

    ``face`` is where its face is. The first frame, which rests, is not counted.
    """
    motion = Motion()
    places = motion.places(*portrait.shape[-2:])
    still = portrait.expand(motion.frames, -1, -1, -1)
    true = F.grid_sample(still, places, padding_mode="border", align_corners=False)
    guidance = autoencoder.prepare(portrait)
    video = true.transpose(0, 1)[None]
    drawn = autoencoder.decode(autoencoder.encode(video, guidance), guidance)[0].transpose(0, 1)
    known = (places.abs() <= 1.0).all(dim=-1)
    first, last = torch.tensor(face[:2]), torch.tensor(face[2:])
    in_face = ((places >= first) & (places <= last)).all(dim=-1)
    found = []
    for counted in (known, known & in_face):
        for shown in (drawn, portrait):
            square = ((shown - true) / 2).square().mean(dim=1)  # [F, H, W]
            found.append(psnr_db(square[1:][counted[1:]]))
    return Moved(*found)


def face_box(face: Face, square: Crop) -> Box:
    """Left, top, right, bottom of ``face`` in a picture cut out as ``square``: -1..1 inside."""
    left = (face.left_px - square.left_px) / square.width_px * 2 - 1
    top = (face.top_px - square.top_px) / square.height_px * 2 - 1
    size = face.side_px / square.width_px * 2
    return left, top, left + size, top + size


def measure(autoencoder: PortraitAutoencoder, path: Path) -> Iterator[tuple[float, Quality]]:
    """Share of the face and quality of each square of the picture in ``path``.

    Raises :class:`FlashTalkError` if there is no picture or no face.
    """
    picture, _ = open_picture(path)
    faces = find_faces(np.asarray(picture))
    if not faces:
        raise FlashTalkError(f"No face was found in {path}. Give a photo from the front.")
    size = (TINY.geometry.width_px, TINY.geometry.height_px)
    for share in FACES:
        square = square_around(faces[0], share)
        portrait = to_tensor(cut(picture, square, size))
        moved = psnr_in_motion(autoencoder, portrait, face_box(faces[0], square))
        yield share, Quality(psnr_at_rest(autoencoder, portrait), moved)


@dataclass(frozen=True, kw_only=True)
class PhotoStudy:
    """Judge how well photographs survive being read and drawn."""

    pictures: tyro.conf.Positional[tuple[Path, ...]]
    """Photographs with a face."""
    weights: Path = TINY_WEIGHTS
    """Folder of the embedded model's weights."""


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    config = read_options(PhotoStudy, arguments)
    autoencoder = load_autoencoder(config.weights)
    for path in config.pictures:
        for share, found in measure(autoencoder, path):
            moved = found.moved
            sys.stdout.write(
                f"{path}, face {share:.0%} of the side: {found.rest_db:.1f} dB at rest; in motion "
                f"{moved.whole_db:.1f} (a copy {moved.whole_copy_db:.1f}), its face "
                f"{moved.face_db:.1f} (a copy {moved.face_copy_db:.1f})\n"
            )


if __name__ == "__main__":
    sys.exit(main())
