"""A picture of a person -> the framed portrait a session starts from.

First door of the flow: :mod:`flashtalk.inputs.picture` decodes, :mod:`flashtalk.inputs.faces`
finds the face, :mod:`flashtalk.inputs.framing` decides the rectangle; here they meet, and the
pixels are cut out, filled where the picture ends, and resized.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
import torch
from PIL import Image

from flashtalk.config import Preset
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from flashtalk.inputs.faces import Face, find_faces
from flashtalk.inputs.framing import Crop, closest_size, cover, frame_face
from flashtalk.inputs.picture import MAX_PIXELS, PictureSource, open_picture

CropWay = Literal["face", "whole", "cover"]

NO_FACE = (
    "No face was found in the picture, so its middle is used. "
    "A photo from the front, head and shoulders, works best."
)
SEVERAL_FACES = "{count} faces were found; the largest one speaks."
SMALL_FACE = (
    "The face is small ({size} pixels across the portrait), so it will look soft. "
    "A larger picture works better."
)
FAR_FACE = (
    "The face takes up {percent} % of the picture's side, and this model places mouths well from "
    "about {least} % on. Let the picture be framed around the face, or cut it closer."
)
FILLED = (
    "The picture ends close to the head; its edge was continued by {percent} % to make room. "
    "A photo with some space around the head works best."
)


@dataclass(frozen=True, eq=False)
class Portrait:
    """The person, framed as the model expects."""

    image: Image.Image
    """RGB, exactly ``width_px`` x ``height_px`` of the geometry."""
    tensor: torch.Tensor
    """The same picture, [1, 3, H, W] float32 in [-1, 1]."""
    notices: tuple[str, ...] = ()
    """Sentences for the person who gave the picture."""

    def __post_init__(self) -> None:
        expected = (1, 3, self.image.height, self.image.width)
        if tuple(self.tensor.shape) != expected:
            raise ValueError(f"portrait tensor must be {expected}, got {tuple(self.tensor.shape)}")


def portrait_for(
    source: PictureSource | Portrait, preset: Preset, *, crop: CropWay | None = None
) -> Portrait:
    """The portrait as ``preset`` wants it: its size or one of its sizes, and its way to crop."""
    return load_portrait(
        source,
        preset.geometry,
        crop=crop or preset.crop,
        sizes=preset.sizes,
        least_face=preset.least_face,
    )


def load_portrait(
    source: PictureSource | Portrait,
    geometry: ChunkGeometry,
    *,
    crop: CropWay = "face",
    sizes: Sequence[tuple[int, int]] = (),
    least_face: float = 0.0,
    max_pixels: int = MAX_PIXELS,
) -> Portrait:
    """Decode ``source`` and frame it for ``geometry``.

    Args:
        source: path, bytes of a picture file, PIL image, or array [H, W, 3 or 4] / [H, W]. A
            :class:`Portrait` that was loaded before comes back as it is.
        geometry: gives the portrait's width and height.
        crop: ``face`` cuts a head-and-shoulders framing around the largest face; ``whole`` takes
            the largest centered rectangle of the picture; ``cover`` does that and does not look
            whether there is a face.
        sizes: (height, width) to choose from by the picture's aspect, in place of the geometry's.
        least_face: side of a face over the portrait's below which a notice says that it is far.
        max_pixels: largest accepted picture, width x height.

    Raises:
        FlashTalkError: the picture cannot be used; the sentence says why and what to do.
    """
    if isinstance(source, Portrait):
        return _fitting(source, sizes or [(geometry.height_px, geometry.width_px)])
    if crop not in get_args(CropWay):
        raise FlashTalkError(f"Crop is 'face', 'whole' or 'cover', got {crop!r}.")
    picture, found = open_picture(source, max_pixels=max_pixels)
    if sizes:
        geometry = geometry.sized(*closest_size(*picture.size, sizes))
    notices = list(found)
    aspect = geometry.width_px / geometry.height_px
    area = cover(*picture.size, aspect)
    if crop != "cover":
        faces = find_faces(np.asarray(picture))
        if faces and crop == "face":
            area = frame_face(*picture.size, faces[0], aspect)
        notices += _face_notices(faces, area, least_face)
    if 2 * area.height_px < geometry.height_px:
        notices.append(SMALL_FACE.format(size=area.width_px))
    missing = max(area.missing_px(*picture.size)) / min(area.width_px, area.height_px)
    if missing > 0.02:
        notices.append(FILLED.format(percent=round(100 * missing)))

    image = cut(picture, area, (geometry.width_px, geometry.height_px))
    return Portrait(image, to_tensor(image), tuple(notices))


def cut(picture: Image.Image, area: Crop, size: tuple[int, int]) -> Image.Image:
    """The pixels of ``area`` at ``size`` = (width, height).

    Beyond the picture, its edge is continued and blurred; at ``size``, because the work of a blur
    that grows with the picture grows with the fourth power of its side.
    """
    left, top, right, bottom = area.missing_px(*picture.size)
    inside = picture.crop(
        (area.left_px + left, area.top_px + top, area.right_px - right, area.bottom_px - bottom)
    )
    if not (left or top or right or bottom):
        return inside.resize(size, Image.Resampling.LANCZOS)
    across, down = size[0] / area.width_px, size[1] / area.height_px
    box = [
        min(round(left * across), size[0] - 1),
        min(round(top * down), size[1] - 1),
        size[0] - round(right * across),
        size[1] - round(bottom * down),
    ]
    box[2:] = max(box[2], box[0] + 1), max(box[3], box[1] + 1)
    known = np.asarray(inside.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.LANCZOS))
    margins = (box[1], size[1] - box[3], box[0], size[0] - box[2])
    filled = cv2.copyMakeBorder(known, *margins, cv2.BORDER_REPLICATE)
    outside = np.ones(filled.shape[:2], np.uint8)
    outside[box[1] : box[3], box[0] : box[2]] = 0
    return Image.fromarray(soften(filled, outside))


def soften(filled: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """``filled`` [H, W, 3] uint8, blurred where ``outside`` [H, W] is 1.

    Continued edges are streaks. Blurring grows with the distance from the picture, and the picture
    itself stays untouched.
    """
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 3)
    sigma = 0.03 * min(outside.shape)
    pixels = filled.astype(np.float32)
    blurred = cv2.GaussianBlur(pixels, (0, 0), sigma)
    weight = np.clip(distance / (2 * sigma), 0, 1)[..., None]
    return np.round(pixels + weight * (blurred - pixels)).astype(np.uint8)


def to_tensor(image: Image.Image) -> torch.Tensor:
    """An RGB image as [1, 3, H, W] float32 in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image, dtype=np.float32))
    return pixels.permute(2, 0, 1).unsqueeze(0).div(127.5).sub(1.0).contiguous()


def _fitting(portrait: Portrait, sizes: Sequence[tuple[int, int]]) -> Portrait:
    width, height = portrait.image.size
    if (height, width) not in sizes:
        needed = " or ".join(f"{w} x {h}" for h, w in sizes)
        raise FlashTalkError(
            f"The portrait was framed at {width} x {height} pixels, but {needed} are needed. Load "
            "it for this preset."
        )
    return portrait


def _face_notices(faces: Sequence[Face], area: Crop, least_face: float) -> list[str]:
    """What to say of the ``faces`` found, the first of which speaks in the crop ``area``."""
    if not faces:
        return [NO_FACE]
    notices = [SEVERAL_FACES.format(count=len(faces))] if len(faces) > 1 else []
    share = faces[0].side_px / min(area.width_px, area.height_px)
    if share < least_face:
        told = {"percent": round(100 * share), "least": round(100 * least_face)}
        notices.append(FAR_FACE.format(**told))
    return notices
