"""A plain face for the tests of codes and close-ups."""

import torch

from flashtalk.models.tiny.face_code import LANDMARKS


def face(
    shift: tuple[float, float] = (0.0, 0.0), gap: float = 0.06, lids: float = 0.04
) -> torch.Tensor:
    """Points [1, L, 2] of a plain face moved by ``shift``; lips ``gap``, lids ``lids`` apart."""
    at = {
        "left_mouth_corner": (-0.16, 0.3),
        "right_mouth_corner": (0.16, 0.3),
        "outer_upper_lip": (0.0, 0.24),
        "outer_lower_lip": (0.0, 0.38),
        "inner_upper_lip": (0.0, 0.3 - gap / 2),
        "inner_lower_lip": (0.0, 0.3 + gap / 2),
        "nose_tip": (0.0, 0.1),
        "chin": (0.0, 0.55),
    }
    for side, sign in (("left", -1.0), ("right", 1.0)):
        at[f"{side}_eye_outer"], at[f"{side}_eye_inner"] = (sign * 0.3, -0.2), (sign * 0.12, -0.2)
        at[f"{side}_eye_upper"] = (sign * 0.2, -0.2 - lids / 2)
        at[f"{side}_eye_lower"] = (sign * 0.2, -0.2 + lids / 2)
        at[f"{side}_brow"] = (sign * 0.2, -0.35)
    return torch.tensor([[at[name] for name in LANDMARKS]]) + torch.tensor(shift)
