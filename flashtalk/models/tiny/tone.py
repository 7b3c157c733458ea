"""The tone of a portrait's face bounds what is painted into its mouth.

Painters learn from renders in ordinary light and color. So the teeth that they draw glow in a dark
picture and are ivory in a gray one. The face itself says how light and how colorful paint may be.
It may be as light as its skin or the whites of its eyes. Letters: B portraits, M crops, L
landmarks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.models.tiny.face_code import LANDMARKS, NEAREST_EYES, eye_middle, mouth_middle
from flashtalk.models.tiny.maps import in_ellipse

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (BT.601)
LIGHTEST_SKIN = 0.99  # quantile of the skin's luma: a few pixels of glare are no skin
LIGHTEST_EYES = 0.97  # quantile of the eyes' luma: a glint is not their white
MOST_COLORFUL = 0.99  # quantile of the skin's chroma
GRAY_CHROMA = (0.01, 0.03)  # a face with less has no color, one with more has all of its own
MIN_LUMA = 1 / 255  # no luma below divides another
NO_LIMIT = 1e3  # luma that no paint reaches; infinity would have no gradient

# half widths and half heights of ellipses, in distances of the eyes
SKIN_HALF_WIDTH = 0.75
EYE = (0.2, 0.06)
AROUND_EYE = (0.38, 0.22)
AROUND_MOUTH = (0.55, 0.38)
FOREHEAD = 0.4  # how far skin reaches above the eyes, of the way from the eyes to the chin


def face_tone(portrait: Tensor, points: Tensor) -> Tensor:
    """How light and how colorful faces of portraits [B, 3, H, W] in [-1, 1] are: [B, 2].

    First the luma of the lightest skin or white of an eye, in 0..1. Then a share: 1 for a face in
    color, 0 for a gray one.
    """
    colors = (portrait + 1.0) / 2.0
    luma = luma_of(colors)[:, 0]
    chroma = colors.amax(dim=1) - colors.amin(dim=1)
    skin, left, right = face_masks(points, portrait)
    lightest = torch.maximum(
        masked_quantile(luma, skin, LIGHTEST_SKIN),
        masked_quantile(luma, left | right, LIGHTEST_EYES),
    )
    gray, colored = GRAY_CHROMA
    share = (masked_quantile(chroma, skin, MOST_COLORFUL) - gray) / (colored - gray)
    return torch.stack((lightest, share.clamp(0.0, 1.0)), dim=1)


def no_limit(portrait: Tensor) -> Tensor:
    """The tone [B, 2] that bounds nothing."""
    return portrait.new_tensor([NO_LIMIT, 1.0]).expand(len(portrait), 2)


def limit_tone(color: Tensor, tone: Tensor) -> Tensor:
    """``color`` [M, 3, h, w] in [-1, 1] no lighter and no more colorful than ``tone`` [M, 2]."""
    lightest, share = (each[:, None, None, None] for each in tone.unbind(dim=1))
    colors = (color + 1.0) / 2.0
    luma = luma_of(colors)
    colors = luma + share * (colors - luma)
    scale = (lightest / luma.clamp(min=MIN_LUMA)).clamp(max=1.0)
    changed = (scale < 1.0) | (share < 1.0)
    return torch.where(changed, 2.0 * scale * colors - 1.0, color)


def luma_of(colors: Tensor) -> Tensor:
    """[M, 3, h, w] -> [M, 1, h, w]."""
    red, green, blue = colors.split(1, dim=1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def face_masks(points: Tensor, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where skin, left and right eye of faces with landmarks ``points`` [B, L, 2] lie.

    Skin is an ellipse from forehead to chin without eyes and mouth. ``like`` [B, 3, H, W] gives the
    size; each mask is bool [B, H, W].
    """
    left, right = (eye_middle(points, side) for side in ("left", "right"))
    distance = (left - right).norm(dim=-1, keepdim=True).clamp(min=NEAREST_EYES)
    chin, between = points[:, LANDMARKS.index("chin")], (left + right) / 2
    top = between - FOREHEAD * (chin - between)
    half_height = (chin - top).norm(dim=-1, keepdim=True) / 2

    def around(center: Tensor, reach: tuple[float, float]) -> Tensor:
        return in_ellipse(center, distance * distance.new_tensor(reach), like)

    half_size = torch.cat((SKIN_HALF_WIDTH * distance, half_height), dim=1)
    skin = in_ellipse((chin + top) / 2, half_size, like)
    skin = skin & ~around(left, AROUND_EYE) & ~around(right, AROUND_EYE)
    skin = skin & ~around(mouth_middle(points), AROUND_MOUTH)
    return skin, around(left, EYE), around(right, EYE)


def masked_quantile(values: Tensor, masks: Tensor, share: float) -> Tensor:
    """The quantile of ``values`` [B, H, W] inside ``masks``: [B].

    Where a mask is empty, as of a face outside of its picture, the whole picture counts.
    """
    chosen = (
        value[mask] if mask.any() else value.flatten()
        for value, mask in zip(values, masks, strict=True)
    )
    return torch.stack([each.quantile(share) for each in chosen])
