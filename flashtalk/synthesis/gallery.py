"""``python -m flashtalk.synthesis.gallery``: portraits for the product's gallery.

    python -m flashtalk.synthesis.gallery --assets DIR --out assets/portraits

Only held-out people (see `identity`): nobody in the gallery was seen in training.  Soft light, a
plain bright room, eyes to the camera, a slight smile.

Flow: people, renderer -> **gallery** -> ``assets/portraits/*.jpg``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from flashtalk.errors import FlashTalkError
from flashtalk.synthesis.assets import ENVIRONMENT, Assets
from flashtalk.synthesis.camera import Camera
from flashtalk.synthesis.clip import CALM, SMILES
from flashtalk.synthesis.identity import is_held_out
from flashtalk.synthesis.library import Library
from flashtalk.synthesis.lighting import make_light
from flashtalk.synthesis.people import make_person
from flashtalk.synthesis.renderer import Renderer
from flashtalk.synthesis.rig import Pose

SIZE_PX, SUPERSAMPLE, JPEG_QUALITY = 512, 2.0, 92


@dataclass(frozen=True)
class Still:
    """One gallery portrait.

    name: of the file
    seed: of the person, a held-out one
    side: of the key light, radians to the person's left
    wall: color of the room behind, 0..1
    smile, yaw: expression and head turn (radians)
    """

    name: str
    seed: int
    side: float = 0.7
    wall: tuple[float, float, float] = (0.55, 0.58, 0.6)
    smile: float = 0.28
    yaw: float = 0.05

    def __post_init__(self) -> None:
        if not is_held_out(self.seed):
            raise ValueError(f"seed: got {self.seed}, expected a held-out one (it ends in 9)")


STILLS: tuple[Still, ...] = ()


def render_still(library: Library, renderer: Renderer, still: Still) -> np.ndarray:
    """The portrait of one person: uint8 [size, size, 3]."""
    light = make_light(still.side, 0.5, key=0.85, fill=0.4, ambient=0.62, warmth=0.25)
    background = soft_room(still.wall, still.seed, renderer.size_px)
    person = make_person(library, renderer, still.seed, light, background, Camera())
    try:
        weights = {**CALM, **dict.fromkeys(SMILES, still.smile)}
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


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m flashtalk.synthesis.gallery", description="Render the gallery portraits."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--assets", type=Path, help=f"asset folder (or variable {ENVIRONMENT})")
    chosen = parser.parse_args(arguments)
    try:
        library = Library(Assets.locate(chosen.assets))
    except FlashTalkError as problem:
        parser.exit(2, f"{problem}\n")
    renderer = Renderer(SIZE_PX, supersample=SUPERSAMPLE)
    chosen.out.mkdir(parents=True, exist_ok=True)
    for still in STILLS:
        picture = Image.fromarray(render_still(library, renderer, still))
        picture.save(chosen.out / f"{still.name}.jpg", quality=JPEG_QUALITY, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
