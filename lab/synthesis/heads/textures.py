"""Color images of one person: skin with fine detail, tinted hair and brows, eyes, teeth, clothes.

The public skins are 512 px, soft at portrait size. Three exist at 2048 px. The ratio between one of
them and its own soft copy, multiplied onto another upsampled skin, gives pores and lashes.

Flow: identity -> **textures** -> renderer. Arrays are float32 [H, W, C] in 0..1.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from lab.synthesis.assets import Assets, read_image
from lab.synthesis.heads.identity import Identity

DETAIL_SKIN = "young_lightskinned_female_diffuse2"
SKIN_PX, SOFT_PX = 2048, 512
DYE_KEPT, GARMENT_MEAN = 0.3, 0.6  # share of a garment's own color, mean after fading
EYE_WHITE = (0.86, 0.84, 0.83)  # the eye images are whiter than an eye in a room


class Textures:
    """Reads and tints images; the skin detail is computed once and kept."""

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self._detail: np.ndarray | None = None

    def skin(self, name: str) -> np.ndarray:
        """Skin image [2048, 2048, 3]."""
        full = self.assets.full_skin_file(name)
        if full.exists():
            return read_image(full, "RGB")
        with Image.open(self.assets.skin_file(name)) as image:
            large = image.convert("RGB").resize((SKIN_PX, SKIN_PX), Image.Resampling.BICUBIC)
        return np.clip(np.asarray(large, np.float32) / 255 * self._skin_detail(), 0, 1)

    def hair(self, identity: Identity) -> np.ndarray:
        """Hair image [H, W, 4]: the strands' lightness around the person's hair tone."""
        image = read_image(self.assets.texture_file("hair", identity.hair))
        alpha = image[..., 3:]
        light = image[..., :3].mean(-1, keepdims=True)
        mean = float((alpha * light).sum() / alpha.sum())
        color = np.clip(light / mean, 0, 2.2) * identity.hair_tone
        return np.concatenate([np.clip(color, 0, 1), alpha], -1).astype(np.float32)

    def brow(self, identity: Identity) -> np.ndarray:
        """Brow image [H, W, 4] in the hair's tone, never brighter than dark blond."""
        image = read_image(self.assets.texture_file("eyebrows", identity.brow))
        color = np.minimum(identity.hair_tone, 0.22) * 0.9 + image[..., :3] * 0.08
        return np.concatenate([color, image[..., 3:] * 0.92], -1).astype(np.float32)

    def lash(self, identity: Identity) -> np.ndarray:
        """Lash image [H, W, 4], near black, lighter for men."""
        image = read_image(self.assets.texture_file("eyelashes", identity.lash))
        strength = 0.9 if identity.gender == "female" else 0.6
        return np.concatenate([image[..., :3] * 0.1, image[..., 3:] * strength], -1)

    def eyes(self, name: str) -> np.ndarray:
        """Eye image [H, W, 4], whites toned down and the iris less saturated than the original."""
        image = read_image(
            self.assets.makehuman / f"proxies/eyes/HighPolyEyes/textures/{name}_eye.png"
        )
        color = image[..., :3] * np.array(EYE_WHITE, np.float32)
        gray = color.mean(-1, keepdims=True)
        color = gray + (color - gray) * (0.55 if name.startswith("brown") else 0.8)
        if name == "brown":
            color = color * 1.25
        return np.concatenate([np.clip(color, 0, 1), image[..., 3:]], -1).astype(np.float32)

    def teeth(self) -> np.ndarray:
        return read_image(self.assets.texture_file("teeth", "Teeth_Shape01"), "RGB")

    def tongue(self) -> np.ndarray:
        return read_image(self.assets.texture_file("tongue", "tongue01"), "RGB")

    def garment(self, name: str) -> np.ndarray:
        """Garment image [H, W, 3], mostly gray so that the person's tone can dye it."""
        image = read_image(self.assets.texture_file("clothes", name), "RGB")
        if "elegant" in name:  # suit, shirt and tie keep their contrast
            return image
        gray = image.mean(-1, keepdims=True)
        faded = gray + DYE_KEPT * (image - gray)
        return np.clip(faded * (GARMENT_MEAN / faded.mean()), 0, 1)

    def _skin_detail(self) -> np.ndarray:
        if self._detail is None:
            with Image.open(self.assets.full_skin_file(DETAIL_SKIN)) as image:
                sharp = image.convert("L")
            soft = sharp.resize((SOFT_PX, SOFT_PX), Image.Resampling.LANCZOS)
            soft = soft.resize(sharp.size, Image.Resampling.BICUBIC)
            ratio = (np.asarray(sharp, np.float32) + 4) / (np.asarray(soft, np.float32) + 4)
            self._detail = np.clip(ratio, 0.75, 1.3)[..., None]
        return self._detail
