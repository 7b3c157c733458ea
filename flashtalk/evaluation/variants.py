"""Settings that are compared: each variant is one way of making the same talks.

``--vary steps=2,4 --vary chunk-frames=17,33`` gives four variants, each value with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from flashtalk.config import FramingWay, Preset
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import parse_size
from flashtalk.placement import placement_named


@dataclass(frozen=True)
class Variant:
    """One way of making a talk; ``None``: the preset's own."""

    steps: int | None = None
    chunk_frames: int | None = None
    """Frames of a chunk, motion frames included."""
    color_match: float | None = None
    """Blend of the color match, 0 (off) .. 1."""
    size: tuple[int, int] | None = None
    """Height and width in pixels."""
    framing: FramingWay = "face"
    """Head and shoulders, or the whole picture."""
    preset: str | None = None
    """Which model."""
    placement: str | None = None
    """How a large model lies in a GPU's memory: 80gb in bf16, the others in FP8."""

    @property
    def name(self) -> str:
        """What it is called in a report."""
        words = [f"{key} {text}" for key, text in self._words()]
        return ", ".join(words) or "as it ships"

    @property
    def slug(self) -> str:
        """The same as a part of a file name."""
        return "_".join(f"{key}-{text}" for key, text in self._words()).replace(" ", "-") or "own"

    def _words(self) -> list[tuple[str, str]]:
        words = []
        if self.steps is not None:
            words.append(("steps", str(self.steps)))
        if self.chunk_frames is not None:
            words.append(("chunk", str(self.chunk_frames)))
        if self.color_match is not None:
            words.append(("color", f"{self.color_match:g}"))
        if self.size is not None:
            words.append(("size", "{}x{}".format(*self.size)))
        if self.framing != "face":
            words.append(("framing", self.framing))
        if self.preset is not None:
            words.append(("model", Path(self.preset).name))
        if self.placement is not None:
            words.append(("placement", self.placement))
        return words


_READ: dict[str, tuple[str, Callable[[str], Any]]] = {
    "steps": ("steps", int),
    "chunk-frames": ("chunk_frames", int),
    "color-match": ("color_match", float),
    "size": ("size", parse_size),
    "framing": ("framing", str),
    "preset": ("preset", str),
    "placement": ("placement", str),
}


def variants_of(asked: Sequence[str]) -> list[Variant]:
    """The variants of ``NAME=VALUE,VALUE`` settings; one that is the preset's without any.

    Raises:
        FlashTalkError: for an unknown name or a value of another kind.
    """
    settings: dict[str, list[Any]] = {}
    for text in asked:
        name, _, values = text.partition("=")
        if name not in _READ or not values:
            raise FlashTalkError(
                f"--vary takes NAME=VALUE,VALUE with one of {', '.join(_READ)}; got {text!r}."
            )
        key, read = _READ[name]
        if key in settings:
            raise FlashTalkError(f"--vary {name} is given twice; put all its values in one.")
        try:
            settings[key] = [read(value) for value in values.split(",")]
        except FlashTalkError:
            raise
        except ValueError as error:
            raise FlashTalkError(f"--vary {name} takes numbers, got {values!r}.") from error
    chosen = [dict(zip(settings, values, strict=True)) for values in product(*settings.values())]
    return list(dict.fromkeys(Variant(**each) for each in chosen))


def check(variant: Variant, preset: Preset) -> None:
    """Refuses settings that the model of ``preset`` cannot have, before anything is made.

    Raises:
        FlashTalkError: with the setting, and what is possible.
    """
    if variant.placement is not None:
        placement_named(variant.placement)
    preset = preset.with_size(variant.size).with_chunk(variant.chunk_frames)
    preset.require_framing(variant.framing)
    preset.with_sampler(steps=variant.steps, color_strength=variant.color_match)
