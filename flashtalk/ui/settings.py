"""What a caller chose for one video: values of the page or the API, checked in sentences.

Gradio would bend them silently (seed 2.7 becomes 3, "false" is true) or refuse them without a word.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from flashtalk.config import WHOLE_COST, FramingWay, Preset
from flashtalk.config.given import shown, whole_number
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.area import RULE, Area
from flashtalk.inputs.wanted import AS_USUAL, FACE_RULE, Wanted

MAX_PAGE_SEED = 2**31 - 1
"""What a page's number box carries without rounding, and more than anybody tries."""


@dataclass(frozen=True)
class Settings:
    """What makes the same video again, beside portrait and voice."""

    seed: int
    steps: int
    prompt: str = ""
    """Empty for the model's own."""
    framing: FramingWay = "face"
    """Show head and shoulders, or the whole picture."""
    wanted: Wanted = AS_USUAL
    """What is asked of the picture."""

    @classmethod
    def of(
        cls,
        seed: object,
        random_seed: object,
        steps: object,
        prompt: object = "",
        face: object = None,
        without_face: object = False,
        framing: object = "face",
        area: object = "",
    ) -> Settings:
        """The settings of a request; ``random_seed`` draws a seed in place of ``seed``.

        Raises:
            FlashTalkError: for a value of another type or out of range.
        """
        if not isinstance(random_seed, bool):
            raise FlashTalkError(f"A random seed is true or false, got {shown(random_seed)}.")
        if not isinstance(prompt, str):
            raise FlashTalkError(f"A prompt is text, got {shown(prompt)}.")
        drawn = random.randint(0, MAX_PAGE_SEED) if random_seed else seed
        return cls(
            seed=_seed(drawn),
            steps=whole_number(steps, "Steps must be a whole number"),
            prompt=prompt,
            framing=framing_of(framing),
            wanted=Wanted(face_of(face), without_face_of(without_face), area_of(area)),
        )

    def check(self, preset: Preset) -> None:
        """Refuses what the model of ``preset`` does not have, before anybody waits for it.

        Raises:
            FlashTalkError: with the setting, and what is possible.
        """
        preset.with_sampler(steps=self.steps)
        preset.require_prompt(self.prompt)
        preset.require_framing(self.framing)

    def weight(self, usual_steps: int) -> float:
        """What a second of video costs over one at ``usual_steps``; never below 1."""
        more = WHOLE_COST if self.framing == "picture" else 1.0
        return more * max(1.0, self.steps / usual_steps)


def framing_of(value: object) -> FramingWay:
    """What is to be shown.

    Raises:
        FlashTalkError: if it is no framing.
    """
    for framing in get_args(FramingWay):
        if value == framing:
            return framing
    raise FlashTalkError(f"Framing is 'face' or 'picture', got {shown(value)}.")


def area_of(value: object) -> Area | None:
    """The part of the picture that is to be shown; ``None`` for empty text.

    Raises:
        FlashTalkError: if it is no area.
    """
    if not isinstance(value, str):
        raise FlashTalkError(RULE.format(text=shown(value)))
    return Area.parse(value)


def without_face_of(value: object) -> bool:
    """Whether a picture is used though no face is found in it.

    Raises:
        FlashTalkError: if it is neither true nor false.
    """
    if not isinstance(value, bool):
        raise FlashTalkError(f"Without a face is true or false, got {shown(value)}.")
    return value


def face_of(value: object) -> int | None:
    """Which face was asked for.

    Raises:
        FlashTalkError: if it is neither a whole number nor nothing.
    """
    return None if value is None else whole_number(value, FACE_RULE)


def uploaded(file: object, kind: str, kept_s: int) -> Path:
    """The path of an upload, which is still there.

    Args:
        file: what Gradio passes.
        kind: what it is to the visitor, such as "picture".
        kept_s: how long files are kept, in seconds.

    Raises:
        FlashTalkError: if it is not a path, or the file was deleted after its time.
    """
    if not isinstance(file, str):
        raise FlashTalkError(f"A {kind} is a file, got {shown(file)}.")
    path = Path(file)
    if not path.is_file():
        raise FlashTalkError(
            f"Your {kind} is no longer here: files are kept for {_duration(kept_s)}. Add it again."
        )
    return path


def _seed(value: object) -> int:
    rule = f"The seed must be a whole number between 0 and {MAX_PAGE_SEED}"
    seed = whole_number(value, rule)
    if not 0 <= seed <= MAX_PAGE_SEED:
        raise FlashTalkError(f"{rule}, got {shown(seed)}.")
    return seed


def _duration(seconds: int) -> str:
    for unit, size_s in (("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size_s and seconds % size_s == 0:
            count = seconds // size_s
            single = "an hour" if unit == "hour" else f"a {unit}"
            return single if count == 1 else f"{count} {unit}s"
    raise ValueError(f"seconds must be a whole number above 0, got {seconds}")
