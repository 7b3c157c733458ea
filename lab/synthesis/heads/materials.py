"""How pieces look, which program draws them and which label they carry.

Flow: identity, textures -> **materials** -> renderer, person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab.synthesis.heads.identity import Identity
from lab.synthesis.heads.textures import Textures

PARTS = ("background", "skin", "mouth", "eyes", "hair", "clothes")
PART_OF_KIND = {
    "skin": 1, "teeth": 2, "tongue": 2, "eyes": 3, "brow": 4, "lash": 4, "hair": 4, "garment": 5,
}  # fmt: skip
PROGRAM_OF_KIND = {
    "skin": "skin", "teeth": "mouth", "tongue": "mouth", "eyes": "eyes", "brow": "foliage",
    "lash": "foliage", "hair": "foliage", "garment": "cloth",
}  # fmt: skip
SECOND_PROGRAM = {"eyes": "glint", "foliage": "fringe"}  # blended over the solid pixels
SKIN_BUMP = 0.12
WHITE = np.ones(3)


@dataclass(frozen=True)
class Material:
    """How a piece looks.

    key: name under which the renderer keeps the image for other people; empty: not kept
    image: [H, W, C] in 0..1
    tint: RGB factor
    roughness: 0.25 (wet) to 0.8 (cloth)
    bump: how deep the image's lightness is embossed
    """

    key: str
    image: np.ndarray
    tint: np.ndarray
    roughness: float = 0.45
    bump: float = 0.0


def materials(textures: Textures, identity: Identity) -> dict[str, Material]:
    """Kind of piece -> its look."""
    looks = {
        "skin": Material(
            f"skin/{identity.skin}",
            textures.skin(identity.skin),
            identity.skin_tone,
            identity.skin_roughness,
            SKIN_BUMP,
        ),
        "eyes": Material(f"eyes/{identity.eyes}", textures.eyes(identity.eyes), WHITE, 0.3),
        "teeth": Material("teeth", textures.teeth(), identity.teeth_tone, 0.25),
        "tongue": Material("tongue", textures.tongue(), np.array([0.8, 0.7, 0.7]), 0.35),
        "brow": Material("", textures.brow(identity), WHITE),
        "lash": Material(f"lash/{identity.lash}/{identity.gender}", textures.lash(identity), WHITE),
        "garment": Material(
            f"garment/{identity.garment}",
            textures.garment(identity.garment),
            identity.garment_tone,
            0.8,
        ),
    }
    if identity.hair != "none":
        looks["hair"] = Material("", textures.hair(identity), WHITE, 0.38)
    return looks
