"""Photographs, textures and writing that move as clips move: the warp knows more than renders.

Used by :mod:`lab.training.data.codec_dataset` for ``--pictures`` of the warp's trainings. A picture
takes the portrait's place, and the frames are that picture along the clip's true flow. Where the
flow is smooth, it would look like that. Where it jumps (outlines, which a picture does not have)
and around mouth and eyes (which painters draw) nothing is asked. Letters on a rendered portrait are
learned in the same way, since no clothes of the clips have any.
"""

from __future__ import annotations

import logging
import string
from pathlib import Path

import cv2
import numpy as np

from flashtalk.errors import FlashTalkError
from lab.training.data.clips import GRID, MIDDLES

log = logging.getLogger(__name__)

ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
KEPT_PX = 1024  # longer side of a picture in memory
SHARE = 0.4  # of the groups whose picture is another one
PORTRAIT_KEPT = 0.3  # of these, groups that keep their portrait and get letters on it
LETTERS = 0.4  # of the others, groups that get letters, too
MOST_WORDS = 6
JUMP = 0.5  # cells that neighbors may move apart where a flow counts as smooth
PAINTED_CELLS = (9, 13)  # around mouth and eyes, rows and columns that painters may reach
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)


class Pictures:
    """All pictures of a folder, small enough to be kept in memory.

    Raises :class:`FlashTalkError` where there are none.
    """

    def __init__(self, folder: Path) -> None:
        paths = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in ENDINGS]
        found = [(path, cv2.imread(str(path), cv2.IMREAD_COLOR)) for path in paths]
        self.all = [_at_most(each[..., ::-1], KEPT_PX) for _, each in found if each is not None]
        for path, picture in found:
            if picture is None:
                log.warning("%s is left out: it cannot be read as a picture", path)
        if not self.all:
            raise FlashTalkError(
                f"There are no pictures in {folder}; give --pictures a folder of photographs and "
                f"textures ({', '.join(ENDINGS)})."
            )
        log.info("%d pictures from %s", len(self.all), folder)

    def part(self, side_px: int, rng: np.random.Generator) -> np.ndarray:
        """A random square of a random picture, mirrored at times: [side, side, 3] uint8."""
        picture = self.all[rng.integers(len(self.all))]
        shorter = min(picture.shape[:2])
        side = int(rng.uniform(min(0.7 * side_px, shorter), shorter)) if shorter > 1 else 1
        top, left = (rng.integers(0, length - side + 1) for length in picture.shape[:2])
        chosen = picture[top : top + side, left : left + side]
        if rng.random() < 0.5:
            chosen = chosen[:, ::-1]
        shrinks = side > side_px
        return cv2.resize(
            np.ascontiguousarray(chosen),
            (side_px, side_px),
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC,
        )

    def moved(
        self, sample: dict[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """A group of :func:`lab.training.data.codec_dataset.sample` with another picture in it."""
        portrait = sample["pictures"][-1]
        side = portrait.shape[0]
        if rng.random() < PORTRAIT_KEPT:
            picture = with_letters(portrait, rng)
        else:
            picture = self.part(side, rng)
            if rng.random() < LETTERS:
                picture = with_letters(picture, rng)
        frames = np.stack([along(picture, flow) for flow in sample["flow"]])
        smooth = np.stack([is_smooth(flow) for flow in sample["flow"]]) * sample["known"]
        painted = np.stack([_near_painters(weight) for weight in sample["weight"]])
        return sample | {
            "pictures": np.concatenate((frames, picture[None])),
            "known": smooth.astype(np.float32),
            "weight": (smooth * ~painted).astype(np.float32),
        }


def with_letters(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``picture`` [H, W, 3] uint8 with a few words in random letters on it."""
    written = np.ascontiguousarray(picture).copy()
    height, width = written.shape[:2]
    for _ in range(int(rng.integers(1, MOST_WORDS + 1))):
        word = "".join(rng.choice(list(string.ascii_letters + string.digits), rng.integers(2, 9)))
        color = tuple(int(value) for value in rng.integers(0, 256, size=3))
        place = (int(rng.integers(-width // 8, width * 3 // 4)), int(rng.integers(0, height)))
        size, thickness = float(rng.uniform(0.35, 1.4)), int(rng.integers(1, 4))
        font = int(rng.choice(FONTS))
        cv2.putText(written, word, place, font, size, color, thickness, cv2.LINE_AA)
    return written


def along(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """``picture`` [H, W, 3] seen along a flow [g, g, 2] of positions in it, -1..1: [H, W, 3]."""
    height, width = picture.shape[:2]
    fine = cv2.resize(flow.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    places = ((fine + 1) * np.array([width, height], np.float32) - 1) / 2
    return cv2.remap(  # type: ignore[call-overload]
        picture, places, None, interpolation=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def is_smooth(flow: np.ndarray) -> np.ndarray:
    """Where neighbors of a flow [g, g, 2] move alike: [g, g] in 0 and 1."""
    offset = flow - np.stack(np.meshgrid(MIDDLES, MIDDLES), axis=-1)
    jumps = np.zeros(offset.shape[:2], np.uint8)
    for axis in (0, 1):
        apart = np.abs(np.diff(offset, axis=axis)).max(axis=-1) > JUMP * 2 / GRID
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        jumps[tuple(before)] |= apart
        jumps[tuple(after)] |= apart
    return 1.0 - cv2.dilate(jumps, np.ones((3, 3), np.uint8)).astype(np.float32)


def _near_painters(weight: np.ndarray) -> np.ndarray:
    """[g, g] bool, where mouth and eyes weigh more than the rest, and what is near."""
    return cv2.dilate((weight > 1).astype(np.uint8), np.ones(PAINTED_CELLS, np.uint8)) > 0


def _at_most(picture: np.ndarray, longer_px: int) -> np.ndarray:
    """``picture`` [H, W, 3], made smaller where its longer side is longer than that."""
    scale = longer_px / max(picture.shape[:2])
    if scale >= 1:
        return np.ascontiguousarray(picture)
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA)
