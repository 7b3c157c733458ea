"""A request for a comparison -> its talks, checked in sentences before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flashtalk.config.given import known_names, whole_number
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.suite import Trial, trials_of
from flashtalk.evaluation.variants import Variant, check
from flashtalk.geometry import parse_size
from flashtalk.inputs.wanted import Wanted
from flashtalk.ui.compare.models import Models
from flashtalk.ui.events import NO_VOICE
from flashtalk.ui.sent import uploaded_path
from flashtalk.ui.settings import Settings, area_of, face_of, uploaded, without_face_of

MOST_TALKS = 120
NO_FACES = "There is no face yet. Choose one of the people, or add a picture of your own."
SHAPE = (
    "A comparison is JSON: portraits (each with a path), voices (paths), settings and a seed. See "
    "docs/evaluation.md."
)
ALIKE = "The settings are the same, so there is nothing to compare. Change one of them."
TOO_MANY = "{talks} talks are too many: at most {most} at once. Choose fewer faces or voices."
TWICE = (
    "A picture is compared once: {name} was asked for twice, with other wishes. Ask for another "
    "comparison."
)
NO_MODEL = "The model {name!r} is not on this page; it has {known}."

_FIELDS = ("portraits", "voices", "settings", "seed", "random_seed")
_OF_PORTRAIT = ("path", "face", "without_face", "area")
_NAMES = ("steps", "chunk_frames", "color_match", "size", "framing", "model")


def trials_asked(content: object, models: Models, keep_s: int) -> list[Trial]:
    """The talks that ``content``, the JSON of a request, asks for.

    Args:
        content: ``{"portraits": [{"path", "face", "without_face", "area"}], "voices": [path],
            "settings": [{"steps", "chunk_frames", "color_match", "size", "framing", "model"}],
            "seed", "random_seed"}``.
        models: make the talks.
        keep_s: how long uploads are kept, in seconds.

    Raises:
        FlashTalkError: for what cannot be compared.
        gr.Error: for a file that nobody uploaded.
    """
    if not isinstance(content, Mapping):
        raise FlashTalkError(SHAPE)
    known_names(content, _FIELDS, "A comparison")
    portraits, voices, settings = (
        _listed(content.get(name)) for name in ("portraits", "voices", "settings")
    )
    if not portraits:
        raise FlashTalkError(NO_FACES)
    if not voices:
        raise FlashTalkError(NO_VOICE)
    variants = [_variant(each, models) for each in settings]
    if not variants:
        raise FlashTalkError(SHAPE)
    if len(set(variants)) < len(variants):
        raise FlashTalkError(ALIKE)
    seed = Settings.of(content.get("seed", 0), content.get("random_seed", False), 1).seed
    wanted = _wanted(portraits, keep_s)
    sounds = dict.fromkeys(uploaded(uploaded_path(each), "sound", keep_s) for each in voices)
    talks = len(wanted) * len(sounds) * len(variants)
    if talks > MOST_TALKS:
        raise FlashTalkError(TOO_MANY.format(talks=talks, most=MOST_TALKS))
    return trials_of(list(wanted), list(sounds), variants, seed, wanted)


def _listed(value: object) -> Sequence[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise FlashTalkError(SHAPE)
    return value


def _wanted(portraits: Sequence[object], keep_s: int) -> dict[Path, Wanted]:
    wanted: dict[Path, Wanted] = {}
    for each in portraits:
        path, asked = _portrait(each, keep_s)
        if wanted.setdefault(path, asked) != asked:
            raise FlashTalkError(TWICE.format(name=path.name))
    return wanted


def _portrait(value: object, keep_s: int) -> tuple[Path, Wanted]:
    if not isinstance(value, Mapping):
        raise FlashTalkError(SHAPE)
    known_names(value, _OF_PORTRAIT, "A portrait")
    without_face = without_face_of(value.get("without_face", False))
    path = uploaded(uploaded_path(value.get("path")), "picture", keep_s)
    area = area_of(value.get("area", ""))
    return path, Wanted(face_of(value.get("face")), without_face, area)


def _variant(value: object, models: Models) -> Variant:
    if not isinstance(value, Mapping):
        raise FlashTalkError(SHAPE)
    given = {name: each for name, each in value.items() if each is not None}
    known_names(given, _NAMES, "A setting")
    steps, frames, color = (given.get(name) for name in ("steps", "chunk_frames", "color_match"))
    if color is not None and (isinstance(color, bool) or not isinstance(color, int | float)):
        raise FlashTalkError(f"A color match is a number from 0 to 1, got {color!r}.")
    model = given.get("model")
    if model is not None and model not in models.names:
        raise FlashTalkError(NO_MODEL.format(name=model, known=" and ".join(models.names)))
    variant = Variant(
        steps=None if steps is None else whole_number(steps, "Steps must be a whole number"),
        chunk_frames=None
        if frames is None
        else whole_number(frames, "Chunk frames must be a whole number"),
        color_match=color,
        size=parse_size(str(given["size"])) if "size" in given else None,
        framing=given.get("framing", "face"),
        preset=model,
    )
    check(variant, models.preset_of(variant))
    return variant
