"""The engine that a command's options ask for, the same for page and command."""

from __future__ import annotations

from typing import Any

import torch

from flashtalk.cli.options import ModelOptions
from flashtalk.config import Size
from flashtalk.engine import Engine
from flashtalk.geometry import parse_size

TURN_THREADS = 1
"""Threads of a turn on page and command, whose films are the same bytes. A browser often shares the
cores: threads that wait for each other then lose more than two of them gain."""


def engine_for(
    options: ModelOptions,
    size: Size,
    *,
    device: torch.device | None = None,
    gpu_is_lent: bool = False,
) -> Engine:
    """The engine of ``options`` at ``size``; ``device`` takes the place of the one asked for.

    Raises:
        FlashTalkError: as :meth:`flashtalk.engine.Engine.from_pretrained`.
    """
    recipe = recipe_for(options, size) | {"gpu_is_lent": gpu_is_lent}
    return Engine.from_pretrained(**recipe | {"device": device or options.device})


def recipe_for(options: ModelOptions, size: Size) -> dict[str, Any]:
    """What :meth:`flashtalk.engine.Engine.from_pretrained` is given, here or by a worker."""
    return {
        "name_or_folder": options.preset,
        "device": options.device,
        "placement": options.placement,
        "acceleration": options.accelerated,
        "mode": options.mode,
        "tiny_vae": options.tiny_vae,
        "size": size,
        "threads": options.threads,
        "turn_threads": TURN_THREADS,
    }


def size_of(text: str) -> Size:
    """``HEIGHTxWIDTH`` as a size, or auto.

    Raises:
        FlashTalkError: ``text`` is neither.
    """
    return "auto" if text == "auto" else parse_size(text, ", or auto")
