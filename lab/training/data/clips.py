"""Rendered clips as training reads them: pictures, portrait, sound and what the renderer knows.

Reads the folder that ``python -m lab.synthesis`` writes. A clip's pictures are unpacked into
``cache/`` beside the clips, once, when they are wanted. So a random window costs no video decoding.
Trainings that need labels alone (:mod:`lab.training.data.latents`) unpack nothing.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import av
import numpy as np
import soundfile
from PIL import Image

from flashtalk.errors import FlashTalkError
from lab.synthesis.heads.identity import is_held_out

log = logging.getLogger(__name__)

BLINK = "eyeBlinkLeft"  # the weight of the renderer's face; both eyes blink alike
GRID = 64  # side of the renderer's flow and part maps
MIDDLES = np.linspace(-1 + 1 / GRID, 1 - 1 / GRID, GRID)  # of their cells


@dataclass(frozen=True, eq=False)
class Clip:
    """One clip. Letters: F frames, L landmarks, K curves."""

    name: str
    """Its number, as its files are called."""
    footage: Callable[[], np.ndarray]
    """Gives ``frames``; called when somebody first looks at them."""
    portrait: np.ndarray
    """[H, W, 3] uint8: the same person at another moment."""
    samples: np.ndarray
    """[F * 640] float32 at 16 kHz."""
    flow: np.ndarray
    """[F, 64, 64, 2] float16: where each place lies in the portrait, in [-1, 1]."""
    parts: np.ndarray
    """[F, 64, 64] uint8 (``lab.synthesis`` names them)."""
    visible: np.ndarray
    """[F, 64, 64]: whether that place can be seen in the portrait."""
    landmarks: np.ndarray
    """[F, L, 2] float32 in [-1, 1]."""
    curves: np.ndarray
    """[F, K] float32."""
    closed: np.ndarray
    """[F] float32: how far a blink has closed the eyes, 0..1."""
    portrait_landmarks: np.ndarray
    """[L, 2] float32."""
    portrait_curves: np.ndarray
    """[K] float32."""
    landmark_names: tuple[str, ...]
    curve_names: tuple[str, ...]
    emotion: str

    @cached_property
    def frames(self) -> np.ndarray:
        """[F, H, W, 3] uint8, memory-mapped."""
        return self.footage()

    @property
    def held_out(self) -> bool:
        """Every tenth identity is never trained on."""
        return is_held_out(int(self.name))

    def mark(self, name: str) -> np.ndarray:
        """Landmark ``name`` over time: [F, 2]."""
        return self.landmarks[:, self.landmark_names.index(name)]

    def curve(self, name: str) -> np.ndarray:
        """Curve ``name`` over time: [F]."""
        return self.curves[:, self.curve_names.index(name)]

    def mouth_box(self, frame: int) -> tuple[float, float, float, float]:
        """Mouth of one frame: center x, y and half width, half height in [-1, 1]."""
        left, right = self.mark("left_mouth_corner")[frame], self.mark("right_mouth_corner")[frame]
        top, bottom = self.mark("outer_upper_lip")[frame], self.mark("outer_lower_lip")[frame]
        half_width = abs(right[0] - left[0]) / 2 * 1.25
        half_height = max(abs(bottom[1] - top[1]) / 2 * 1.3, half_width * 0.5)
        return (left[0] + right[0]) / 2, (top[1] + bottom[1]) / 2, half_width, half_height

    def eyes_box(self, frame: int) -> tuple[float, float, float, float]:
        """Both eyes of one frame, in the same terms."""
        left, right = self.mark("left_eye_outer")[frame], self.mark("right_eye_outer")[frame]
        half_width = abs(right[0] - left[0]) / 2 * 1.1
        return (left[0] + right[0]) / 2, (left[1] + right[1]) / 2, half_width, half_width * 0.3


def pixels_of(box: tuple[float, float, float, float], side_px: int) -> tuple[slice, slice]:
    """Rows and columns of a ``box`` (:meth:`Clip.mouth_box`) in a picture of ``side_px``."""
    x, y, half_width, half_height = box
    edges = np.array([y - half_height, y + half_height, x - half_width, x + half_width])
    top, bottom, left, right = (np.clip(edges + 1, 0, 2) / 2 * side_px).astype(int)
    return slice(top, bottom), slice(left, right)


def unpack(video: Path) -> np.ndarray:
    """Decode ``video`` into a memory-mapped array [F, H, W, 3], once, in ``cache/`` beside it."""
    cache = video.parent / "cache"
    path = cache / f"{video.stem}.npy"
    if not path.exists():
        cache.mkdir(exist_ok=True)
        with av.open(str(video)) as container:
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        # of this process alone: trainings that start together unpack the same clips
        temporary = cache / f"{video.stem}.{os.getpid()}.tmp.npy"
        np.save(temporary, np.stack(frames))
        temporary.rename(path)
    return np.load(path, mmap_mode="r")


def load_clip(folder: Path, name: str) -> Clip:
    """Read clip ``name`` of ``folder``."""
    samples, _ = soundfile.read(folder / f"{name}.wav", dtype="float32")
    with np.load(folder / f"{name}.npz") as known:
        return Clip(
            name=name,
            footage=partial(unpack, folder / f"{name}.mp4"),
            portrait=np.asarray(Image.open(folder / f"{name}.png").convert("RGB")),
            samples=samples,
            flow=known["flow"],
            parts=known["parts"],
            visible=known["visible"],
            landmarks=known["landmarks"].astype(np.float32),
            curves=known["curves"].astype(np.float32),
            closed=known["weights"][:, list(known["weight_names"]).index(BLINK)].astype(np.float32),
            portrait_landmarks=known["portrait_landmarks"].astype(np.float32),
            portrait_curves=known["portrait_curves"].astype(np.float32),
            landmark_names=tuple(known["landmark_names"].tolist()),
            curve_names=tuple(known["curve_names"].tolist()),
            emotion=str(known["emotion"]),
        )


class ClipSet:
    """All finished clips of a folder; :meth:`refresh` picks up those rendered meanwhile."""

    def __init__(self, folder: Path, held_out: bool = False) -> None:
        self.folder = folder
        self.held_out = held_out
        self.clips: list[Clip] = []
        self._known: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        """Load clips that are new in the folder."""
        for path in sorted(self.folder.glob("[0-9]*.npz")):
            name = path.stem
            if name in self._known or is_held_out(int(name)) != self.held_out:
                continue
            self._known.add(name)
            try:
                self.clips.append(load_clip(self.folder, name))
            except (OSError, ValueError, KeyError) as error:
                log.warning("clip %s is left out: %s", name, error)
        if not self.clips:
            raise FlashTalkError(
                f"There are no finished clips in {self.folder}. Make some with python -m "
                "lab.synthesis."
            )
        log.info("%d clips from %s", len(self.clips), self.folder)

    def only(self, wanted: Callable[[Clip], bool]) -> ClipSet:
        """The clips that are ``wanted`` as a set of their own, which shares them with this one."""
        chosen = copy.copy(self)
        chosen.keep(wanted)
        return chosen

    def keep(self, wanted: Callable[[Clip], bool]) -> None:
        """Leave out clips that are not ``wanted``, for good."""
        self.clips = [clip for clip in self.clips if wanted(clip)]
        if not self.clips:
            raise FlashTalkError(
                f"No clip in {self.folder} is of the kind that is learned from. Make more of them "
                "with python -m lab.synthesis."
            )
        log.info("%d of them kept", len(self.clips))

    def draw(self, rng: np.random.Generator) -> Clip:
        """A random clip."""
        return self.clips[rng.integers(len(self.clips))]
