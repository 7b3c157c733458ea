"""Random head shapes: MakeHuman sliders and scan-based identity directions on the base mesh.

The MakeHuman sliders give sex, age and ancestry; on their own they look like one cast of game
characters. The 100 directions taken from ICT-FaceKit's scans make the faces believable. So the
sliders run at 30 % of their usual spread and the scan directions at 85 %.

Flow: assets -> mesh -> **face_shape** -> identity -> rig -> renderer -> factory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lab.synthesis.assets import Assets

SLIDER_SPREAD = 0.3
SCAN_SPREAD, SCAN_LIMIT = 0.85, 2.2
# Every default head frowns a little; these two make it look calm.
CALM_BROWS = {"eyebrows/eyebrows-angle-up": 0.5, "eyebrows/eyebrows-trans-up": 0.45}

AGE_MIX: Mapping[str, tuple[tuple[str, float], ...]] = {
    "young": (("young", 1.0),),
    "middle": (("young", 0.5), ("old", 0.5)),
    "old": (("young", 0.15), ("old", 0.85)),
}
HEAD_SHAPES = (
    "diamond",
    "oval",
    "rectangular",
    "round",
    "square",
    "triangular",
    "invertedtriangular",
)


@dataclass(frozen=True)
class Slider:
    """A pair of opposite MakeHuman targets.

    name: folder and stem, e.g. ``nose/nose-hump``
    low, high: the endings of the two targets
    spread: standard deviation before SLIDER_SPREAD
    paired: one target for each side of the face (``eyes/l-eye-bag``), moved together
    """

    name: str
    low: str
    high: str
    spread: float
    paired: bool = False

    def names(self, ending: str) -> list[str]:
        folder, stem = self.name.split("/")
        stems = [f"{side}-{stem}" for side in "lr"] if self.paired else [stem]
        return [f"{folder}/{stem}-{ending}" for stem in stems]


def _sliders(
    folder: str, stems: str, ends: str, spread: float, paired: bool = False
) -> list[Slider]:
    low, high = ends.split("|")
    return [Slider(f"{folder}/{stem}", low, high, spread, paired) for stem in stems.split()]


SLIDERS: tuple[Slider, ...] = (
    *_sliders("head", "head-fat", "decr|incr", 0.35),
    *_sliders("head", "head-scale-horiz head-scale-vert", "decr|incr", 0.25),
    *_sliders(
        "nose",
        "nose-hump nose-volume nose-width1 nose-width2 nose-width3 nose-scale-horiz "
        "nose-scale-vert nose-scale-depth nose-flaring",
        "decr|incr",
        0.3,
    ),
    *_sliders("nose", "nose-point", "down|up", 0.3),
    *_sliders("nose", "nose-curve", "concave|convex", 0.3),
    *_sliders("nose", "nose-base", "down|up", 0.25),
    *_sliders(
        "mouth",
        "mouth-scale-horiz mouth-scale-vert mouth-scale-depth mouth-upperlip-height "
        "mouth-lowerlip-height mouth-upperlip-width mouth-lowerlip-width "
        "mouth-upperlip-volume mouth-lowerlip-volume",
        "decr|incr",
        0.3,
    ),
    *_sliders("mouth", "mouth-trans", "down|up", 0.2),
    *_sliders(
        "chin", "chin-bones chin-height chin-jaw-drop chin-width chin-cleft", "decr|incr", 0.3
    ),
    *_sliders(
        "eyes", "eye-bag eye-height1 eye-height2 eye-height3 eye-scale", "decr|incr", 0.2, True
    ),
    *_sliders("eyes", "eye-corner1 eye-corner2 eye-trans", "down|up", 0.25, True),
    *_sliders("cheek", "cheek-bones cheek-inner cheek-volume", "decr|incr", 0.35, True),
    *_sliders("eyebrows", "eyebrows-angle", "down|up", 0.2),
    *_sliders("eyebrows", "eyebrows-trans", "down|up", 0.25),
    *_sliders("forehead", "forehead-nubian forehead-scale-vert forehead-temple", "decr|incr", 0.3),
    *_sliders("ears", "ear-scale ear-wing ear-lobe", "decr|incr", 0.3, True),
)


def sample_face(
    rng: np.random.Generator,
    assets: Assets,
    base: np.ndarray,
    ancestry: Mapping[str, float],
    gender: str,
    age: str,
) -> np.ndarray:
    """Draw one head: base vertices [V, 3] in decimeters, moved.

    ancestry: weights over ``caucasian``, ``asian``, ``african`` that sum to 1
    """
    vertices = base.astype(np.float32).copy()
    ages = AGE_MIX[age]
    weight = rng.uniform(-0.8, 0.8)
    extreme = "maxweight" if weight > 0 else "minweight"
    for name, share in ages:
        for people, amount in ancestry.items():
            vertices += amount * share * assets.target(f"macrodetails/{people}-{gender}-{name}")
        body = f"macrodetails/universal-{gender}-{name}-averagemuscle"
        vertices += share * (1 - abs(weight)) * assets.target(f"{body}-averageweight")
        vertices += share * abs(weight) * assets.target(f"{body}-{extreme}")
    for shape in HEAD_SHAPES:
        amount = max(0.0, rng.normal() * 0.25 - 0.05) * SLIDER_SPREAD
        vertices += amount * assets.target(f"head/head-{shape}")
    for slider in SLIDERS:
        amount = float(np.clip(rng.normal() * slider.spread * SLIDER_SPREAD, -1, 1))
        for name in slider.names(slider.high if amount > 0 else slider.low):
            vertices += abs(amount) * assets.target(name)
    for name, amount in CALM_BROWS.items():
        vertices += amount * assets.target(name)
    moving, shapes = assets.identity_directions
    scan = SCAN_SPREAD * np.clip(rng.normal(size=len(shapes)), -SCAN_LIMIT, SCAN_LIMIT)
    vertices[moving] += np.tensordot(scan.astype(np.float32), shapes, 1)
    return vertices
