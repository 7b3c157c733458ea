"""``python -m lab.synthesis.gallery``: portraits for the product's gallery.

    python -m lab.synthesis.gallery --assets DIR --out assets/portraits

Only held-out people (see `identity`): nobody in the gallery was seen in training. Soft light, a
plain bright room, eyes to the camera, a slight smile.

Flow: person -> **gallery** -> ``assets/portraits/*.jpg``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from flashtalk.errors import command
from lab.options import read_options
from lab.synthesis.assets import Assets
from lab.synthesis.clip import CALM, SMILES
from lab.synthesis.heads.identity import is_held_out, sample_identity
from lab.synthesis.heads.library import Library
from lab.synthesis.heads.rig import Pose
from lab.synthesis.renderer.camera import Camera
from lab.synthesis.renderer.lighting import make_light
from lab.synthesis.renderer.opengl import Renderer
from lab.synthesis.renderer.person import make_person

SIZE_PX, SUPERSAMPLE, JPEG_QUALITY = 512, 2.0, 92
SQUINTS = ("cheekSquintLeft", "cheekSquintRight")
ZOOM, DOWN = 0.94, -0.025  # a little air above the hair


@dataclass(frozen=True)
class Still:
    """One gallery portrait.

    name: of the file
    seed: of the person, a held-out one
    side: of the key light, radians to the person's left
    wall: color of the room behind, 0..1
    smile, yaw: expression and head turn (radians)
    garment, hair: instead of the person's own; empty: their own
    """

    name: str
    seed: int
    side: float = 0.7
    wall: tuple[float, float, float] = (0.55, 0.58, 0.6)
    smile: float = 0.42
    yaw: float = 0.05
    garment: str = ""
    hair: str = ""

    def __post_init__(self) -> None:
        if not is_held_out(self.seed):
            raise ValueError(f"seed: got {self.seed}, expected a held-out one (it ends in 9)")


STILLS: tuple[Still, ...] = (
    Still("ada", 29, wall=(0.66, 0.61, 0.55), yaw=-0.06),
    Still("amara", 379, wall=(0.54, 0.6, 0.63), smile=0.5),
    Still("clara", 189, wall=(0.6, 0.62, 0.58), yaw=-0.04, garment="female_casualsuit02"),
    Still("emil", 739, wall=(0.52, 0.56, 0.62), side=-0.6),
    Still("henry", 269, wall=(0.58, 0.56, 0.54), smile=0.5, garment="male_elegantsuit01"),
    Still("kenji", 689, wall=(0.6, 0.6, 0.6), side=-0.7, smile=0.45),
    Still("mei", 539, wall=(0.64, 0.6, 0.58), smile=0.45, hair="long01"),
    Still("omar", 729, wall=(0.56, 0.6, 0.62), smile=0.5),
)


def render_still(library: Library, renderer: Renderer, still: Still) -> np.ndarray:
    """The portrait of one person: uint8 [size, size, 3]."""
    light = make_light(still.side, 0.5, key=1.0, fill=0.45, ambient=0.72, warmth=0.25)
    background = soft_room(still.wall, still.seed, renderer.size_px)
    identity = sample_identity(still.seed, library.assets, library.base)
    identity = replace(
        identity, garment=still.garment or identity.garment, hair=still.hair or identity.hair
    )
    camera = Camera(zoom=ZOOM, offset=(0.0, DOWN))
    person = make_person(library, renderer, identity, light, background, camera)
    try:
        weights = {**CALM, **dict.fromkeys(SMILES, still.smile), **dict.fromkeys(SQUINTS, 0.25)}
        gaze = (-0.9 * still.yaw, 0.0)
        return person.draw(Pose(weights, still.yaw, 0.02, 0.0, gaze))
    finally:
        person.release()


def soft_room(wall: tuple[float, float, float], seed: int, size_px: int) -> np.ndarray:
    """A bright room out of focus: [size, size, 3] in 0..1."""
    rng = np.random.default_rng([seed, 4])
    picture = np.ones((64, 64, 3)) * np.array(wall)
    picture *= np.linspace(1.12, 0.88, 64)[:, None, None]
    for _ in range(5):  # windows and shelves
        left, width = rng.integers(0, 56), rng.integers(4, 16)
        top, height = rng.integers(0, 30), rng.integers(12, 40)
        picture[top : top + height, left : left + width] *= rng.uniform(0.75, 1.3)
    image = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    image = image.resize((size_px, size_px), Image.Resampling.BICUBIC)
    image = image.filter(ImageFilter.GaussianBlur(size_px / 22))
    # a little grain keeps the gradient from banding
    return np.clip(np.asarray(image) / 255 + rng.normal(0, 0.004, (size_px, size_px, 3)), 0, 1)


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Render the gallery's portraits."""

    out: Path
    """Folder for the pictures."""
    assets: Path | None = None
    """Folder of :mod:`lab.synthesis.assets`, or what $FLASHTALK_SYNTHESIS_ASSETS names."""


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    config = read_options(Gallery, arguments)
    library = Library(Assets.locate(config.assets))
    renderer = Renderer(SIZE_PX, supersample=SUPERSAMPLE)
    config.out.mkdir(parents=True, exist_ok=True)
    for still in STILLS:
        picture = Image.fromarray(render_still(library, renderer, still))
        picture.save(config.out / f"{still.name}.jpg", quality=JPEG_QUALITY, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
