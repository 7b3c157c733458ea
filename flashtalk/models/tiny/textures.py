"""Learned textures of what lies behind lips and lids, sampled where they fall in a crop.

Two textures hang on the edges of an opening: one below the upper edge, one above the lower. Two
more stand on the jaws of a mouth. Upper teeth move with the nose and lower teeth with the chin,
wherever the lips are. Thousands of crops meet one place of a texture; a convolution would learn
anew for every distance from the edge. Letters: M features, D channels, h x w pixels of a crop.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.models.tiny.feature_state import JawPlacement
from flashtalk.models.tiny.maps import warp
from flashtalk.models.tiny.opening import SDF_UNIT, Aperture

TEXTURE_CHANNELS = 8
EDGE_TEXTURE_SIZE = (24, 48)  # rows and columns
EDGE_TEXTURE_DEPTH = 1.2  # how far it reaches into the opening, in half widths
EDGE_TEXTURE_WIDTH = 1.2  # to each side of the center, in half widths
JAW_TEXTURE_SIZE = (32, 64)  # rows and columns
JAW_TEXTURE_REACH = (0.45, 0.3)  # half width and half height, in distances of the eyes
JAW_TRANSFORM_SCALE = 0.3  # of a predicted affine map; its shift is in distances of the eyes


def edge_textures(
    textures: Tensor, across: Tensor, edges: Tensor, aperture: Aperture, shift: Tensor
) -> list[Tensor]:
    """Both edge textures of M openings, upper and lower: [M, D, h, w] each.

    ``textures`` [2, D, rows, columns] hang on the upper and on the lower edge. ``across`` [M, 1, h,
    w] is in half widths, and ``edges`` [M, 2, h, w] come from :func:`opening.edge_distances`.
    ``shift`` [M, 2] moves the textures deeper, in half widths.
    """
    depth = edges * (SDF_UNIT / aperture.half_width[:, None, None, None])
    depth = depth + shift[:, :, None, None]
    depth = depth * (2.0 / EDGE_TEXTURE_DEPTH) - 1.0
    columns = across[:, 0] / EDGE_TEXTURE_WIDTH
    return [
        warp(texture[None], torch.stack((columns, rows), dim=1))
        for texture, rows in zip(textures.to(depth), depth.unbind(1), strict=True)
    ]


def jaw_textures(textures: Tensor, xy: Tensor, jaws: JawPlacement, affine: Tensor) -> list[Tensor]:
    """The textures of upper and lower teeth in M crops: [M, D, h, w] each.

    ``textures`` is [2, D, rows, columns] and ``xy`` [M, 2, h, w] the place of each pixel.
    ``affine`` [M, 2, 2, 3] maps places on each jaw: how it lies under what is seen of the face
    (turned, nearer, with longer teeth).
    """
    affine = JAW_TRANSFORM_SCALE * affine
    reach = xy.new_tensor(JAW_TEXTURE_REACH)
    sampled = []
    for texture, place, change in zip(
        textures.to(xy), (jaws.upper, jaws.lower), affine.unbind(dim=1), strict=True
    ):
        offset = (xy - place[:, :, None, None]) / jaws.scale[:, None, None, None]
        mapped = offset + torch.einsum("mij,mjhw->mihw", change[..., :2], offset)
        mapped = mapped + change[..., 2, None, None]
        sampled.append(warp(texture[None], mapped / reach[:, None, None]))
    return sampled
