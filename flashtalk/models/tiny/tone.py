"""The tone of a portrait's face bounds what is painted into its mouth.

Painters learn from renders in ordinary light and color. So their teeth glow in a dark picture, are
ivory in a gray one and blue in the evening. The face itself tells: paint is as light and as
colorful as skin or the whites of eyes. These whites have the color of the light. Letters: B
portraits, M crops, L landmarks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.models.tiny.face_code import LANDMARKS, NEAREST_EYES, eye_middle, mouth_middle
from flashtalk.models.tiny.maps import in_ellipse

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (BT.601)
LIGHTEST_SKIN = 0.8  # quantile of the skin's luma: teeth lie in the shade of lips, not in glare
LIGHTEST_EYES = 0.97  # quantile of the eyes' luma: a glint is not their white
WHITE_OF_EYES = 0.85  # quantile of an eye's luma from which its pixels are white
SHARE_OF_SKIN = 0.5  # how far the light may be on the way to the skin's color: eyes are misread
COLORED = 0.4  # saturation from which paint is of a color of its own, as lips and tongues are
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
    """How light and how colorful faces of portraits [B, 3, H, W] in [-1, 1] are: [B, 5].

    First the luma of the lightest skin or white of an eye, in 0..1. Then a share: 1 for a face in
    color, 0 for a gray one. Last the :func:`color_of_light`.
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
    bounds = torch.stack((lightest, share.clamp(0.0, 1.0)), dim=1)
    return torch.cat((bounds, color_of_light(colors, luma, skin, (left, right))), dim=1)


def color_of_light(
    colors: Tensor, luma: Tensor, skin: Tensor, eyes: tuple[Tensor, Tensor]
) -> Tensor:
    """Red, green and blue of something white in faces ``colors`` [B, 3, H, W], over luma: [B, 3].

    The whites of the ``eyes`` tell, masks [B, H, W] as ``skin`` is. They count up to some way from
    gray to the skin's color, since an iris or make-up is no white.
    """
    most = SHARE_OF_SKIN * (_over_luma(medians(colors, skin)) - 1.0)
    casts = []
    for eye in eyes:
        whitest = masked_quantile(luma, eye, WHITE_OF_EYES)[:, None, None]
        casts.append(_over_luma(medians(colors, eye & (luma >= whitest))) - 1.0)
    cast = torch.stack(casts).mean(dim=0)
    return 1.0 + cast.minimum(most.clamp(min=0.0)).maximum(most.clamp(max=0.0))


def no_limit(portrait: Tensor) -> Tensor:
    """The tone [B, 5] that bounds nothing, in white light."""
    return portrait.new_tensor([NO_LIMIT, 1.0, 1.0, 1.0, 1.0]).expand(len(portrait), -1)


def limit_tone(color: Tensor, tone: Tensor) -> Tensor:
    """``color`` [M, 3, h, w] in [-1, 1] in the light of ``tone`` [M, 5], within its bounds.

    No lighter, and no more colorful. The light colors what is nearly gray: teeth.
    """
    lightest, share = (each[:, None, None, None] for each in tone[:, :2].unbind(dim=1))
    light = tone[:, 2:, None, None]
    colors = (color + 1.0) / 2.0
    most, least = colors.amax(dim=1, keepdim=True), colors.amin(dim=1, keepdim=True)
    gray = (1.0 - (most - least) / (COLORED * most).clamp(min=MIN_LUMA)).clamp(0.0, 1.0)
    colors = colors * (1.0 + gray * (light - 1.0))
    luma = luma_of(colors)
    colors = luma + share * (colors - luma)
    scale = (lightest / luma.clamp(min=MIN_LUMA)).clamp(max=1.0)
    changed = (scale < 1.0) | (share < 1.0) | (light != 1.0).any(dim=1, keepdim=True)
    return torch.where(changed, 2.0 * scale * colors - 1.0, color)


def luma_of(colors: Tensor) -> Tensor:
    """[M, 3, h, w] -> [M, 1, h, w]."""
    red, green, blue = colors.split(1, dim=1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def _over_luma(colors: Tensor) -> Tensor:
    """[B, 3] over their luma."""
    return colors / luma_of(colors[:, :, None, None])[..., 0, 0].clamp(min=MIN_LUMA)


def medians(colors: Tensor, masks: Tensor) -> Tensor:
    """Of each channel of [B, 3, H, W] inside ``masks`` [B, H, W]: [B, 3]."""
    return torch.stack([masked_quantile(each, masks, 0.5) for each in colors.unbind(dim=1)], dim=1)


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
