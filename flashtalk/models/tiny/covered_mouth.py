"""The flow of a face whose mouth is covered: what lies over the mouth moves with the head alone.

A hand or a microphone before a mouth does not bend with the jaw. Where the reader finds no mouth,
the shift and turn of the upper face replace the flow around it. Letters: M frames, H x W cells of a
flow, L landmarks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.models.tiny.face_code import LANDMARKS, NEAREST_EYES, eye_middle, mouth_middle
from flashtalk.models.tiny.maps import fading, identity_grid

# in distances of the eyes
UPPER_FACE = 0.9  # radius around the middle of the eyes in which the head's motion is read
COVER_CORE = 1.0  # radius around the mouth within which everything moves with the head
COVER_REACH = 2.2  # radius beyond which everything moves as it does


def hold_covered(flow: Tensor, points: Tensor, covered: Tensor) -> Tensor:
    """Flow [M, 2, H, W] of faces with portrait landmarks ``points`` [M, L, 2], mouths held still.

    ``covered`` [M] in 0..1 says how far a mouth is covered; 0 leaves a flow as it is.
    """
    grid = identity_grid(flow)  # [1, H, W, 2]
    left, right = (eye_middle(points, side) for side in ("left", "right"))
    size = (left - right).norm(dim=-1).clamp(min=NEAREST_EYES)[:, None, None]
    nose, between = points[:, LANDMARKS.index("nose_tip")], (left + right) / 2

    def distance(center: Tensor) -> Tensor:
        return (grid - center[:, None, None]).norm(dim=-1) / size  # [M, H, W]

    above = grid[..., 1] < nose[:, 1, None, None]
    head = similarity_flow(flow, (distance(between) < UPPER_FACE) & above)
    reach = (distance(mouth_middle(points)) - COVER_CORE) / (COVER_REACH - COVER_CORE)
    return flow.lerp(head, (covered[:, None, None] * fading(reach))[:, None])


def similarity_flow(flow: Tensor, mask: Tensor) -> Tensor:
    """The shift, turn and growth nearest to ``flow`` [M, 2, H, W] inside of ``mask`` [M, H, W].

    Least squares, as a flow [M, 2, H, W] everywhere.
    """
    places = identity_grid(flow).permute(0, 3, 1, 2)  # [1, 2, H, W]
    weight = mask[:, None].to(flow)
    weight = weight / weight.sum(dim=(2, 3), keepdim=True).clamp(min=1.0)

    def mean(values: Tensor) -> Tensor:
        return (weight * values).sum(dim=(2, 3), keepdim=True)

    shift = mean(flow)
    x, y = (places - mean(places)).split(1, dim=1)  # [M, 1, H, W]
    right, down = (flow - shift).split(1, dim=1)
    size = mean(x * x + y * y).clamp(min=1e-6)  # an empty mask has none
    growth, turn = mean(x * right + y * down) / size, mean(x * down - y * right) / size
    return shift + torch.cat((growth * x - turn * y, turn * x + growth * y), dim=1)
