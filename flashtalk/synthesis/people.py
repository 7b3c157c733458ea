"""From a seed to a person ready to draw: rig, materials and buffers put together.

Flow: identity, rig, textures -> **people** -> factory, gallery.
"""

from __future__ import annotations

import numpy as np

from flashtalk.synthesis.camera import Camera
from flashtalk.synthesis.identity import Identity, sample_identity
from flashtalk.synthesis.library import Library
from flashtalk.synthesis.lighting import Light
from flashtalk.synthesis.renderer import Material, Person, Renderer
from flashtalk.synthesis.rig import Rig

SKIN_BUMP = 0.12
ONES = np.ones(3)


def make_person(
    library: Library,
    renderer: Renderer,
    seed: int,
    light: Light,
    background: np.ndarray,
    camera: Camera,
) -> Person:
    """Draw the identity of `seed` and put it in front of the camera."""
    identity = sample_identity(seed, library.assets, library.base)
    rig = Rig(library, identity, camera.bottom())
    return Person(renderer, rig, materials(library, identity), light, background, camera)


def materials(library: Library, identity: Identity) -> dict[str, Material]:
    """Kind of piece -> its look."""
    textures = library.textures
    tint = str(identity.seed)
    looks = {
        "skin": Material(
            f"skin/{identity.skin}", textures.skin(identity.skin), identity.skin_tone,
            identity.skin_roughness, SKIN_BUMP,
        ),
        "eyes": Material(f"eyes/{identity.eyes}", textures.eyes(identity.eyes), ONES, 0.3),
        "teeth": Material("teeth", textures.teeth(), identity.teeth_tone, 0.25),
        "tongue": Material("tongue", textures.tongue(), np.array([0.8, 0.7, 0.7]), 0.35),
        "brow": Material(f"brow/{identity.brow}/{tint}", textures.brow(identity), ONES),
        "lash": Material(f"lash/{identity.lash}/{identity.gender}", textures.lash(identity), ONES),
        "garment": Material(
            f"garment/{identity.garment}", textures.garment(identity.garment),
            identity.garment_tone, 0.8,
        ),
    }  # fmt: skip
    if identity.hair != "none":
        looks["hair"] = Material(f"hair/{identity.hair}/{tint}", textures.hair(identity), ONES, 0.38)
    return looks
