"""What was found in a picture, for somebody who looks at it: faces and the part that is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from flashtalk.inputs.faces import Face
from flashtalk.inputs.framing import Crop

PREVIEW_PX = 480


@dataclass(frozen=True)
class Box:
    """A rectangle in shares of the picture's width and height; it may reach beyond the picture."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, eq=False)
class Finding:
    """Faces from left to right, who speaks, and the crop."""

    preview: Image.Image
    """The whole picture, upright, small."""
    faces: tuple[Box, ...]
    number: int | None
    """Who speaks, from 1 on; ``None`` without a face."""
    crop: Box
    """What becomes the portrait."""

    @classmethod
    def read(cls, facts: Mapping[str, Any], preview: Image.Image) -> Finding:
        """What :attr:`facts` wrote."""
        faces = tuple(Box(**face) for face in facts["faces"])
        return cls(preview, faces, facts["number"], Box(**facts["crop"]))

    @property
    def facts(self) -> dict[str, Any]:
        """All but the preview, for JSON."""
        faces = [asdict(face) for face in self.faces]
        return {"faces": faces, "number": self.number, "crop": asdict(self.crop)}

    @classmethod
    def of(
        cls, picture: Image.Image, faces: Sequence[Face], speaker: Face | None, crop: Crop
    ) -> Finding:
        """Of ``picture``, whose ``faces`` stand from left to right."""
        width, height = picture.size

        def box(left: float, top: float, wide: float, high: float) -> Box:
            return Box(left / width, top / height, wide / width, high / height)

        preview = picture.copy()
        preview.thumbnail((PREVIEW_PX, PREVIEW_PX), reducing_gap=2.0)
        return cls(
            preview,
            tuple(box(f.left_px, f.top_px, f.side_px, f.side_px) for f in faces),
            None if speaker is None else list(faces).index(speaker) + 1,
            box(crop.left_px, crop.top_px, crop.width_px, crop.height_px),
        )
