"""Random people: one seed -> head shape, skin, hair, eyes, clothes; and who is held out.

Seeds that end in 9 are the held-out people. Two skins and one hair style belong to them alone. So
"unseen" in an evaluation means unseen shape, skin and hair.

Flow: assets -> mesh -> face_shape -> **identity** -> rig -> renderer -> factory.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lab.synthesis.assets import Assets
from lab.synthesis.heads.face_shape import sample_face
from lab.synthesis.heads.mesh import BaseMesh

HELD_OUT_SKINS = ("young_lightskinned_male_diffuse2", "young_lightskinned_female_diffuse")
HELD_OUT_HAIR = "braid01"
HELD_OUT_EVERY = 10

HAIR = {
    "male": ("short01", "short02", "short04", "afro01", "none"),
    "female": ("long01", "ponytail01", "short02", "bob01", "bob02", "afro01", HELD_OUT_HAIR),
}
HAIR_CHANCE = {"afro01": 0.5, "none": 0.35, "bob01": 0.15, "bob02": 0.15}
HAIR_COLORS = {  # linear reflectance of the hair's mean
    "black": (0.045, 0.04, 0.042),
    "dark": (0.11, 0.075, 0.055),
    "brown": (0.23, 0.15, 0.10),
    "light": (0.42, 0.29, 0.18),
    "blond": (0.66, 0.52, 0.34),
    "red": (0.42, 0.19, 0.10),
    "grey": (0.52, 0.51, 0.50),
}
GARMENTS = {
    "male": (
        *(f"male_casualsuit0{k}" for k in range(1, 7)),
        "male_elegantsuit01",
        "male_worksuit01",
    ),
    "female": (
        "female_casualsuit01",
        "female_casualsuit02",
        "female_elegantsuit01",
        "female_sportsuit01",
    ),
}
EYES = ("brown", "brownlight", "blue", "lightblue", "green", "grey", "bluegreen", "deepblue")
EYE_CHANCE = (0.25, 0.2, 0.13, 0.12, 0.1, 0.1, 0.05, 0.05)
ANCESTRIES = ("caucasian", "asian", "african")


def is_held_out(seed: int) -> bool:
    """Whether the person of this seed must never be trained on."""
    return seed % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


@dataclass(frozen=True)
class Identity:
    """One synthetic person.

    seed: what everything below follows from
    gender, age: ``male|female`` and ``young|middle|old``
    ancestry: weights over ANCESTRIES
    vertices: [V, 3] base mesh of this head in decimeters
    skin, hair, brow, lash, eyes, teeth, garment: names of the assets (hair may be ``none``)
    skin_tone, hair_tone, teeth_tone, garment_tone: RGB factors
    skin_roughness: 0.42 (oily) to 0.55 (dry)
    """

    seed: int
    gender: str
    age: str
    ancestry: dict[str, float]
    vertices: np.ndarray = field(repr=False, compare=False)
    skin: str
    hair: str
    brow: str
    lash: str
    eyes: str
    teeth: str
    garment: str
    skin_tone: np.ndarray
    hair_tone: np.ndarray
    teeth_tone: np.ndarray
    garment_tone: np.ndarray
    skin_roughness: float

    def __post_init__(self) -> None:
        if self.gender not in HAIR:
            raise ValueError(f"gender: got {self.gender!r}, expected one of {sorted(HAIR)}")

    def describe(self) -> str:
        """One line for the data file."""
        people = "+".join(f"{name}:{share:.2f}" for name, share in self.ancestry.items())
        return (
            f"seed={self.seed} {self.gender} {self.age} {people} skin={self.skin} "
            f"hair={self.hair} eyes={self.eyes} garment={self.garment}"
        )


def sample_identity(seed: int, assets: Assets, base: BaseMesh) -> Identity:
    """Draw the person of a seed; the same seed always gives the same person."""
    rng = np.random.default_rng([seed, 1])
    gender = str(rng.choice(["male", "female"]))
    age = str(rng.choice(["young", "middle", "old"], p=[0.6, 0.3, 0.1]))
    ancestry = _sample_ancestry(rng)
    main = max(ancestry, key=ancestry.__getitem__)
    vertices = sample_face(rng, assets, base.vertices, ancestry, gender, age)
    hair_tone = _sample_hair_tone(rng, main, age)
    brightness = rng.uniform(0.65, 1.35) if main == "african" else 1.0
    lightness = brightness * rng.uniform(0.7, 1.0)
    skin_tone = lightness * np.array([1, rng.uniform(0.94, 1.04), rng.uniform(0.91, 1.06)])
    tooth = int(rng.integers(0, 6))
    eye_chance = EYE_CHANCE if main == "caucasian" else (0.6, 0.4, 0, 0, 0, 0, 0, 0)
    return Identity(
        seed=seed,
        gender=gender,
        age=age,
        ancestry=ancestry,
        vertices=vertices,
        skin=_sample_skin(rng, main, gender, age, is_held_out(seed)),
        hair=_sample_hair(rng, gender, is_held_out(seed)),
        brow=f"eyebrow{rng.integers(1, 13):03d}",
        lash=f"eyelashes{rng.integers(1, 5):02d}",
        eyes=str(rng.choice(EYES, p=eye_chance)),
        teeth="teeth_base" if tooth == 0 else f"teeth_shape{tooth:02d}",
        garment=str(rng.choice(GARMENTS[gender])),
        skin_tone=skin_tone,
        hair_tone=hair_tone,
        teeth_tone=np.array([1.14, 1.05, 0.92]) * rng.uniform(0.85, 1),
        garment_tone=rng.uniform(0.1, 0.9) * rng.uniform(0.7, 1.3, 3),
        skin_roughness=float(rng.uniform(0.42, 0.55)),
    )


def _sample_ancestry(rng: np.random.Generator) -> dict[str, float]:
    first, second = rng.choice(ANCESTRIES), rng.choice(ANCESTRIES)
    share = float(rng.uniform(0.6, 1))
    ancestry = {str(first): share}
    ancestry[str(second)] = ancestry.get(str(second), 0.0) + 1 - share
    return ancestry


def _sample_skin(rng: np.random.Generator, main: str, gender: str, age: str, held_out: bool) -> str:
    years = {"young": "young", "middle": "middleage", "old": "old"}[age]
    if main == "african":
        names = [f"{years}_darkskinned_{gender}_diffuse"]
    elif main == "asian":
        names = [f"{years}_lightskinned_{gender}_diffuse{3 if age == 'young' else 2}"]
    else:
        names = [f"{years}_lightskinned_{gender}_diffuse"]
        if age == "young":
            names.append(f"young_lightskinned_{gender}_diffuse2")
    kept = [name for name in names if (name in HELD_OUT_SKINS) == held_out]
    return str(rng.choice(kept or names))


def _sample_hair(rng: np.random.Generator, gender: str, held_out: bool) -> str:
    names = [name for name in HAIR[gender] if held_out or name != HELD_OUT_HAIR]
    chance = np.array([HAIR_CHANCE.get(name, 1.0) for name in names])
    return str(rng.choice(names, p=chance / chance.sum()))


def _sample_hair_tone(rng: np.random.Generator, main: str, age: str) -> np.ndarray:
    if age == "old":
        name = rng.choice(["grey", "grey", "dark"])
    elif main == "caucasian":
        name = rng.choice(
            ["black", "dark", "brown", "light", "blond", "red"],
            p=[0.1, 0.25, 0.25, 0.15, 0.2, 0.05],
        )
    else:
        name = rng.choice(["black", "dark"])
    return np.array(HAIR_COLORS[str(name)]) * rng.uniform(0.8, 1.25)
