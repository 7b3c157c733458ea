"""Conditions of portraits that were opened or looked at last, as long as somebody has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from weakref import WeakKeyDictionary

import torch

from flashtalk.conditions.gather import Conditions, conditions_of
from flashtalk.inputs.portrait import Portrait
from flashtalk.models.networks import Networks

MOST = 4
"""Portraits whose conditions are kept, about 8 MB each in the embedded model."""


class KnownConditions:
    """Gathers conditions once for each portrait and prompt; for one thread.

    Nobody writes to conditions, so sessions share them.
    """

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Portrait, dict[str | None, Conditions]] = WeakKeyDictionary()

    def gathering(
        self, networks: Networks, portrait: Portrait, prompt: str | None, device: torch.device
    ) -> Callable[[], Conditions]:
        """A step of the one thread: the conditions of ``portrait``, gathered on ``device``.

        Without a ``prompt`` it is the preset's, which a page may also send in words.
        """
        prompt = prompt or networks.preset.prompt or None
        # pixels become numbers here, not while others wait for the thread
        small, large, place = portrait.tensor, portrait.large, portrait.place

        def gather() -> Conditions:
            return conditions_of(networks, small.to(device), large, place=place, prompt=prompt)

        return partial(self.of, portrait, prompt, gather)

    def of(
        self, portrait: Portrait, prompt: str | None, gather: Callable[[], Conditions]
    ) -> Conditions:
        """The conditions of ``portrait`` and ``prompt``: known ones, or those of ``gather``."""
        by_prompt = self._known.pop(portrait, {})
        if prompt not in by_prompt:
            by_prompt = {prompt: gather()}  # the newest prompt alone
        self._known[portrait] = by_prompt  # the newest is the last one
        for oldest in list(self._known)[:-MOST]:
            del self._known[oldest]
        return by_prompt[prompt]

    def clear(self) -> None:
        """Forgets all: the networks have changed."""
        self._known.clear()
