"""The models of a page that can be compared: the one that it runs, and the embedded one."""

from __future__ import annotations

from flashtalk.config import TINY, Preset
from flashtalk.engine import Engine
from flashtalk.evaluation.variants import Variant


class Models:
    """Engines by what a variant asks for; all sizes of a model share its weights.

    Args:
        engine: the page's own.
    """

    def __init__(self, engine: Engine) -> None:
        self.own = engine
        self._tiny: Engine | None = None
        self.names: tuple[str, ...] = tuple(dict.fromkeys((engine.preset.name, TINY.name)))
        """Names of the models that are here."""

    def of(self, variant: Variant) -> Engine:
        """The engine that makes the talks of ``variant``; reads weights if it is the first one.

        Raises:
            FlashTalkError: for a size that the model does not make.
        """
        if variant.preset in (None, self.own.preset.name):
            return self.own.at_size(variant.size)
        if self._tiny is None:
            self._tiny = Engine.from_pretrained(TINY.name, size="auto")
        return self._tiny.at_size(variant.size)

    def preset_of(self, variant: Variant) -> Preset:
        """Of the model, in any size that it makes; reads no weights."""
        own = variant.preset in (None, self.own.preset.name)
        return self.own.any_size if own else TINY
