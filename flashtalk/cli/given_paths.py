"""Paths as they are given to a command: none is empty, and ``~`` is the home folder."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.files import at_home

Options = TypeVar("Options", bound=Any)


def require_folder() -> None:
    """Refuse a current folder that was removed: PyTorch's libraries are not found from there.

    Raises:
        FlashTalkError: with what to do.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise FlashTalkError(
            "The folder in which this was started is gone. Change to another one and start again."
        ) from error


def refuse_empty(kind: type, arguments: Sequence[str]) -> None:
    """An empty path would be the current folder: a variable of a script that is not set.

    Raises:
        FlashTalkError: an option of ``kind`` that is a path has an empty value.
    """
    options = {f"--{name.replace('_', '-')}" for name in _paths(kind)}
    pairs = zip(["", *arguments], arguments, strict=False)
    for before, given in pairs:
        option = given[:-1] if given.endswith("=") else before if given == "" else ""
        if option.replace("_", "-") in options:
            raise FlashTalkError(
                f"{option} has an empty value. Give a path, or . for the current folder."
            )


def with_home(options: Options) -> Options:
    """``options`` in which a leading ``~`` of a path is the home folder."""
    found = {}
    for name in _paths(type(options)):
        path = getattr(options, name)
        if path is not None:
            with suppress(OSError, RuntimeError):  # a name no file can have, a user nobody knows
                found[name] = at_home(path)
    return replace(options, **found)


def _paths(kind: Any) -> list[str]:
    hints = get_type_hints(kind)
    return [each.name for each in fields(kind) if hints[each.name] in (Path, Path | None)]
