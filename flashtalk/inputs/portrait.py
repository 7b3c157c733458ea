"""A picture of a person -> the framed portrait a session starts from.

First door of the flow. :mod:`flashtalk.inputs.picture` decodes, :mod:`flashtalk.inputs.faces` finds
the face, :mod:`flashtalk.inputs.framing` decides the rectangle. Here they meet. The pixels are cut
out, filled where the picture ends, and resized.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from PIL import Image

from flashtalk.config import FramingWay, Preset
from flashtalk.config.given import shown, whole_number
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry
from flashtalk.inputs.area import RULE, WHOLE, Area, speaker_in
from flashtalk.inputs.cutting import cut, near_quarter, turn_upright
from flashtalk.inputs.faces import Face, find_faces, measured_roll
from flashtalk.inputs.finding import Finding
from flashtalk.inputs.framing import Crop, closest_size
from flashtalk.inputs.picture import PictureSource, open_picture
from flashtalk.inputs.still import FILLING, Bounds, Place, Still
from flashtalk.inputs.view import MOST_ROLL_DEG, View
from flashtalk.inputs.wanted import FACE_RULE

if TYPE_CHECKING:
    import torch

CropWay = Literal["face", "whole", "cover"]

NO_FACE = (
    "No face was found in the picture. Use a photo from the front, head and shoulders, or {way_on}."
)
WITHOUT_FACE = (
    "No face was found in the picture, so its middle is used. "
    "A photo from the front, head and shoulders, works best."
)
NOTHING_THERE = (
    "The part of the picture that would speak is one even color. "
    "Use a photo from the front, head and shoulders."
)
LEAST_CONTRAST = 6  # of 255, between the darkest and the lightest hundredth of a portrait
LARGEST_FACE = (
    "{count} faces were found; the largest one speaks, number {number} from the left. "
    "Another one can be chosen by its number."
)
CHOSEN_FACE = "{count} faces were found; number {number} from the left speaks."
NO_SUCH_FACE = "There is no face number {number}. Faces found: {count}; the leftmost is number 1."
TURNED = "The face was turned by {degrees} degrees, so the picture was turned upright."
_ROLL_SEEN_DEG = 12.0  # the search sees less than there is
DARK_FACE = "The face is dark, so little of it will be seen to speak. A lighter photo works best."
PROFILE_FACE = (
    "The face is turned far to the side, where a mouth can hardly be seen, so it does not move. "
    "Use a photo from the front."
)
CUT_FACE = (
    "The mouth lies at the edge of the picture or beyond, so little of it will be seen to speak. "
    "Use a picture with the whole face."
)
_MOUTH = ((0.25, 0.75), 0.9)  # sides and lower edge of a mouth in a face's square
PROFILE = 0.55  # turn of a face; three-quarter views have 0.2 to 0.5
DARK = 60  # of 255: the lightest skin of a dark face
SMALL_FACE = (
    "The face is small ({size} pixels across the portrait), so it will look soft. "
    "A larger picture works better."
)
FAR_FACE = (
    "The face takes up {percent} % of the picture's side, and this model places mouths well from "
    "about {least} % on. Let the picture be framed around the face, or cut it closer."
)


class NoFaceError(FlashTalkError):
    """No face was found in a picture.

    Page and shell raise it anew with a ``way_on`` of their own: how to use the picture anyway.
    """

    def __init__(self, way_on: str = "pass without_face=True to use the picture's middle") -> None:
        super().__init__(NO_FACE.format(way_on=way_on))


@dataclass(frozen=True, eq=False)
class Portrait:
    """The person, framed as the model expects."""

    image: Image.Image
    """RGB, at the size of the video."""
    notices: tuple[str, ...] = ()
    """Sentences for the person who gave the picture."""
    finding: Finding | None = None
    """Where it was cut from."""
    framed: Image.Image | None = None
    """What the networks see, where that is another picture."""
    square: Crop | None = None
    """Where in the image that is; it may reach beyond. ``None``: it is the image."""
    tilt_deg: float = 0.0
    """Counterclockwise turn that made it upright there."""
    moving: Image.Image | None = None
    """That square at the size of the video, where the image does not have all of it."""
    framing: FramingWay = "face"
    """Whether the image is the whole picture or a part around a face."""

    @cached_property
    def tensor(self) -> torch.Tensor:
        """The picture at the size of the networks, [1, 3, H, W] float32 in [-1, 1]."""
        return to_tensor(self.framed or self.image)

    @property
    def large(self) -> torch.Tensor | None:
        """What the networks see, at the size of the video, where that is another."""
        if self.framed is None:
            return None
        square = self.square
        if square is None or self.moving is not None:
            return to_tensor(self.moving or self.image)
        return to_tensor(cut(self.image, square, (square.width_px, square.height_px)))

    @cached_property
    def still(self) -> Still | None:
        """The image, if only a part of it moves, or a part of what moves is in it."""
        if self.square is None:
            return None
        return Still(np.asarray(self.image), self.square, self.tilt_deg)

    @property
    def place(self) -> Place:
        """How the networks' frames lie in what :attr:`large` shows."""
        return FILLING if self.still is None else self.still.place


def gray_portrait(preset: Preset, size: tuple[int, int] | None = None) -> Portrait:
    """Nobody, for rehearsals: gray, at the ``size`` of networks or at that of ``preset``."""
    height, width = size or preset.network_size
    small = Image.new("RGB", (width, height), "gray")
    if preset.picture_size is None:
        return Portrait(small)
    return Portrait(small.resize(preset.picture_size[::-1]), framed=small)


def portrait_for(
    source: PictureSource | Portrait,
    preset: Preset,
    *,
    framing: FramingWay = "face",
    crop: CropWay | None = None,
    face: int | None = None,
    without_face: bool = False,
    area: Area | None = None,
) -> Portrait:
    """The portrait as ``preset`` wants it: its size or one of its sizes, and its way to crop.

    Raises:
        FlashTalkError: as :func:`load_portrait`; or the preset does not have that ``framing``.
    """
    preset.require_framing(framing)
    return load_portrait(
        source,
        preset.geometry,
        crop=crop or preset.crop,
        sizes=preset.sizes,
        picture_size=preset.picture_size,
        whole=Bounds(*preset.whole_px) if framing == "picture" else None,
        least_face=preset.least_face,
        face=face,
        without_face=without_face,
        area=area,
    )


def load_portrait(
    source: PictureSource | Portrait,
    geometry: ChunkGeometry,
    *,
    crop: CropWay = "face",
    sizes: Sequence[tuple[int, int]] = (),
    picture_size: tuple[int, int] | None = None,
    whole: Bounds | None = None,
    least_face: float = 0.0,
    face: int | None = None,
    without_face: bool = False,
    area: Area | None = None,
) -> Portrait:
    """Decode ``source`` and frame it for ``geometry``.

    Args:
        source: path, bytes of a picture file, PIL image, or array [H, W, 3 or 4] / [H, W]. A
            :class:`Portrait` that was loaded before comes back as it is.
        geometry: gives the portrait's width and height, as the networks see it.
        crop: ``face`` cuts a head-and-shoulders framing around the largest face. ``whole`` takes
            the largest centered rectangle of the picture. ``cover`` does that and does not look
            whether there is a face.
        sizes: (height, width) to choose from by the picture's aspect, in place of the geometry's.
        picture_size: (height, width) of the video, where that is another.
        whole: show the whole picture, with at most so many pixels.
        least_face: side of a face over the portrait's below which a notice says that it is far.
        face: which of several faces speaks, counted from the left, from 1 on; the largest by
            default.
        without_face: use the picture's middle where no face is found, rather than refuse it.
        area: the part that is shown, in place of one around a face; not of a whole picture. With
            ``crop="face"`` the networks see the face framed as usual all the same.

    Raises:
        NoFaceError: no face was found, and ``without_face`` was not asked for.
        FlashTalkError: the picture cannot be used; the sentence says why and what to do.
    """
    if isinstance(source, Portrait):
        frame = (geometry.height_px, geometry.width_px)
        return _fitting(source, sizes or [frame], picture_size)
    if area is not None and whole is not None:
        raise FlashTalkError(WHOLE)
    if not isinstance(area, Area | None):
        raise FlashTalkError(RULE.format(text=shown(area)))
    face = None if face is None else whole_number(face, FACE_RULE)
    if crop not in get_args(CropWay):
        raise FlashTalkError(f"Crop is 'face', 'whole' or 'cover', got {crop!r}.")
    if crop == "cover":
        picture, notices = open_picture(source)
        speaker: Face | None = None
        faces: list[Face] = []
    else:
        picture, found = open_picture(source, wanted=_has_face)
        picture, speaker, faces, seen = find_speaker(
            picture, face, without_face, keep_tilt=whole is not None
        )
        notices = found + seen
    if sizes:
        geometry = geometry.sized(*closest_size(*picture.size, sizes))
    frame = geometry.width_px, geometry.height_px
    chosen = None if area is None else area.crop(picture.size, frame[0] / frame[1])
    if chosen is not None:
        there = speaker_in(chosen, speaker, faces)
        if there is not None and there is not speaker:
            told = {"count": len(faces), "number": faces.index(there) + 1}
            notices, speaker = (*found, CHOSEN_FACE.format(**told)), there
    if whole is None:
        size = frame if picture_size is None else picture_size[::-1]
        view = View.of_part(picture, speaker, faces, chosen, frame, size, around=crop == "face")
    else:
        view = View.of_whole(picture, speaker, faces, frame, whole)
    framed = view.framed(frame, always=picture_size is not None)
    if crop != "cover" and _contrast(framed or view.image) < LEAST_CONTRAST:
        raise FlashTalkError(NOTHING_THERE)
    if view.speaker is not None:
        least = 0.0 if view.tilt_deg else least_face
        notices += _face_notices(view.picture, view.speaker, view.part, least)
    if 2 * view.part.height_px < geometry.height_px:
        notices += (SMALL_FACE.format(size=view.part.width_px),)
    return Portrait(
        view.image,
        tuple(notices),
        Finding.of(view.picture, view.faces, view.speaker, view.shown),
        framed,
        view.square,
        view.tilt_deg,
        view.moving,
        "face" if whole is None else "picture",
    )


def find_speaker(
    picture: Image.Image, number: int | None, without_face: bool, *, keep_tilt: bool = False
) -> tuple[Image.Image, Face | None, list[Face], tuple[str, ...]]:
    """The picture, turned if the speaker's face lies in it, that face, all from the left, notices.

    Of a turned picture, only the speaker's face is known. To ``keep_tilt`` turns a picture by
    quarters alone, and measures how the face is tilted.

    Raises:
        NoFaceError: no face, unless ``without_face``.
        FlashTalkError: no face of that ``number``.
    """
    faces = find_faces(np.asarray(picture))
    if not faces:
        if not without_face:
            raise NoFaceError
        return picture, None, [], (WITHOUT_FACE,)
    in_order = sorted(faces, key=lambda each: each.center_x_px)
    if number is not None and not 1 <= number <= len(faces):
        raise FlashTalkError(NO_SUCH_FACE.format(number=shown(number), count=len(faces)))
    speaker = faces[0] if number is None else in_order[number - 1]
    notices: tuple[str, ...] = ()
    if len(faces) > 1:
        said = LARGEST_FACE if number is None else CHOSEN_FACE
        told = {"count": len(faces), "number": in_order.index(speaker) + 1}
        notices = (said.format(**told),)
    if abs(speaker.roll_deg) > _ROLL_SEEN_DEG:
        roll = measured_roll(np.asarray(picture), speaker)
        if keep_tilt and not near_quarter(roll):
            tilted = replace(speaker, roll_deg=roll)
            in_order = [tilted if each is speaker else each for each in in_order]
            speaker = tilted
        elif abs(roll) > MOST_ROLL_DEG:
            picture, speaker = turn_upright(picture, replace(speaker, roll_deg=roll))
            in_order = [speaker]
            notices += (TURNED.format(degrees=round(abs(roll))),)
    return picture, speaker, in_order, notices


def _has_face(picture: Image.Image) -> bool:
    return bool(find_faces(np.asarray(picture)))


def _contrast(image: Image.Image) -> float:
    """Between the darkest and the lightest hundredth of all pixels, 0..255."""
    low, high = np.quantile(np.asarray(image.convert("L")), (0.01, 0.99))
    return float(high - low)


def to_tensor(image: Image.Image) -> torch.Tensor:
    """An RGB image as [1, 3, H, W] float32 in [-1, 1]."""
    import torch  # here alone: what reads pictures for a page does without it

    pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)[None]
    return torch.from_numpy(np.ascontiguousarray(pixels / np.float32(127.5) - np.float32(1.0)))


def _fitting(
    portrait: Portrait, sizes: Sequence[tuple[int, int]], picture_size: tuple[int, int] | None
) -> Portrait:
    width, height = portrait.image.size
    framed = portrait.framed or portrait.image
    wanted = [picture_size] if picture_size else sizes
    if portrait.square is not None:
        wanted = [(height, width)]
    if (framed.height, framed.width) not in sizes or (height, width) not in wanted:
        needed = " or ".join(f"{w} x {h}" for h, w in wanted)
        raise FlashTalkError(
            f"The portrait was framed at {width} x {height} pixels, but {needed} are needed. Load "
            "it for this preset."
        )
    return portrait


def _face_notices(
    picture: Image.Image, face: Face, area: Crop, least_face: float
) -> tuple[str, ...]:
    """What to say of the ``face`` that speaks in the crop ``area``."""
    notices: tuple[str, ...] = ()
    share = face.side_px / min(area.width_px, area.height_px)
    if share < least_face:
        told = {"percent": round(100 * share), "least": round(100 * least_face)}
        notices = (FAR_FACE.format(**told),)
    left, top, side = face.left_px, face.top_px, face.side_px
    skin = picture.crop((round(left), round(top), round(left + side), round(top + side)))
    if np.quantile(np.asarray(skin.reduce(max(1, skin.width // 64)).convert("L")), 0.95) < DARK:
        notices += (DARK_FACE,)
    if face.turn > PROFILE:
        notices += (PROFILE_FACE,)
    (first, last), lower = _MOUTH
    beyond = left + first * side < 0 or left + last * side > picture.width
    if beyond or top + lower * side > picture.height:
        notices += (CUT_FACE,)
    return notices
