"""Whether anything before a mouth has the color of the face: a microphone has not.

Landmarks lie on a microphone as if its edge were lips. But nothing of it is like the skin, whereas
lips, teeth and beards always show some. Letters: B portraits, L landmarks, H x W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.models.tiny.face_code import LANDMARKS, NEAREST_EYES, eye_middle
from flashtalk.models.tiny.maps import in_ellipse
from flashtalk.models.tiny.tone import luma_of, masked_quantile, medians

# in distances of the eyes
MOUTH_RADIUS = 0.25  # of the disc that is looked at, at least
PATCH_RADIUS = 0.07  # of patches of skin: cheeks, tip of the nose, forehead
CHEEK, FOREHEAD = 0.75, -0.35  # how far below the eyes

LIPS = 0.65  # of the height of open lips: the radius of a disc that shows these
LUMA_WEIGHT = 0.3  # shadows lie on the same skin
NEAREST = 0.1  # quantile of the disc's distances from the color of the skin
LEAST_CHROMA = 0.1  # paler and gray faces are measured as if they had so much


def mouth_apart(portrait: Tensor, points: Tensor) -> Tensor:
    """How far the color of what is before mouths is from that of the skin, in its chroma: [B].

    That of the tenth which is most like it. ``portrait`` is [B, 3, H, W] in [-1, 1], ``points``
    are [B, L, 2].
    """
    colors = _opponents((portrait + 1.0) / 2.0)
    left, right = (eye_middle(points, side) for side in ("left", "right"))
    across = left - right
    size = across.norm(dim=-1, keepdim=True).clamp(min=NEAREST_EYES)
    down = torch.stack((-across[:, 1], across[:, 0]), dim=1)
    nose = points[:, LANDMARKS.index("nose_tip")]
    cheeks = left + CHEEK * down, right + CHEEK * down
    forehead = (left + right) / 2 + FOREHEAD * down

    upper, lower = (points[:, LANDMARKS.index(f"outer_{each}_lip")] for each in ("upper", "lower"))
    lips = LIPS * (lower - upper).norm(dim=-1, keepdim=True)
    radius = torch.maximum(MOUTH_RADIUS * size, lips)

    def around(center: Tensor, radius: Tensor) -> Tensor:
        return in_ellipse(center, radius.expand(-1, 2), portrait)

    patch = PATCH_RADIUS * size
    patches = [medians(colors, around(each, patch)) for each in (*cheeks, nose, forehead)]
    skin = torch.stack(patches).median(dim=0).values  # [B, 3]
    light, *chroma = (colors - skin[:, :, None, None]).unbind(dim=1)
    away = sum((each.square() for each in chroma), (LUMA_WEIGHT * light).square()).sqrt()
    nearest = masked_quantile(away, around((upper + lower) / 2, radius), NEAREST)
    return nearest / skin[:, 1:].norm(dim=-1).clamp(min=LEAST_CHROMA)


def _opponents(colors: Tensor) -> Tensor:
    """[B, 3, H, W] in 0..1 as luma, red against green, and both against blue."""
    red, green, blue = colors.unbind(dim=1)
    return torch.stack((luma_of(colors)[:, 0], red - green, (red + green) / 2 - blue), dim=1)
