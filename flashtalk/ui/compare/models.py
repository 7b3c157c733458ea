"""The models of a page that can be compared: the one that it runs, and the embedded one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flashtalk.config import TINY, Preset
from flashtalk.engine import Engine
from flashtalk.evaluation.variants import Variant
from flashtalk.stream.contracts import Engines, TalkEngine


@dataclass(frozen=True)
class Maker:
    """Who makes the talks of a variant."""

    preset: Preset
    """Of the size that is wanted."""
    at: Callable[[str], TalkEngine]
    """The engine of the seat that is called so."""


class Models:
    """Makers by what a variant asks for; all sizes of a model share its weights.

    Args:
        engines: the page's own.
    """

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._tiny: Engine | None = None
        names = [engines.preset.name]
        if isinstance(engines, Engine):  # else this process has no weights
            names.append(TINY.name)
        self.names: tuple[str, ...] = tuple(dict.fromkeys(names))
        """Names of the models that are here."""

    @property
    def own(self) -> Preset:
        """Of the page's own model, in its own size."""
        return self._engines.preset

    def of(self, variant: Variant) -> Maker:
        """Who makes the talks of ``variant``; reads weights if it is the first of its model.

        Raises:
            FlashTalkError: for a size that the model does not make.
        """
        size = variant.size
        if self._is_own(variant):
            preset = self.own if size is None else self._engines.any_size.with_size(size)
            return Maker(preset, lambda name: self._engines.at(name).at_size(size))
        if self._tiny is None:
            self._tiny = Engine.from_pretrained(TINY.name, size="auto")
        tiny = self._tiny.at_size(size)
        return Maker(tiny.preset, lambda name: tiny)

    def preset_of(self, variant: Variant) -> Preset:
        """Of the model, in any size that it makes; reads no weights."""
        return self._engines.any_size if self._is_own(variant) else TINY

    def _is_own(self, variant: Variant) -> bool:
        return variant.preset in (None, self.own.name)
