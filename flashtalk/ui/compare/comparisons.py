"""All comparisons of a page: begun, found by their id, and forgotten after a while."""

from __future__ import annotations

import secrets

from flashtalk.errors import FlashTalkError
from flashtalk.stream.contracts import Engines
from flashtalk.stream.workers import started_threads
from flashtalk.ui.compare.asked import trials_asked
from flashtalk.ui.compare.comparison import PATIENCE_S, Comparison
from flashtalk.ui.compare.models import Models
from flashtalk.ui.events import Limits, Talk
from flashtalk.ui.kept import Kept
from flashtalk.ui.preparing import yield_to_others

SCRATCH_PREFIX = "flashtalk-compare-"
FULL = "Too many comparisons are being made. Please try again in a few minutes."


class Comparisons:
    """Comparisons by their ids, each with a folder for its films and its report.

    Args:
        page: whose seats and stops hold for them.
        engines: make the videos.
        limits: facts of the deployment.
        refusal: why this page cannot compare; empty where it can.
        patience_s: so long nobody may ask for one that is being made.
    """

    def __init__(
        self,
        page: Talk,
        engines: Engines,
        limits: Limits,
        refusal: str = "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.models = Models(engines)
        self.refusal = refusal
        self._page, self._limits, self._patience_s = page, limits, patience_s
        self._worker = started_threads(1, "flashtalk-compare", 1)
        self._worker.submit(yield_to_others)
        self._kept: Kept[Comparison] = Kept(SCRATCH_PREFIX, limits.keep_files_s, limits.queue)

    def open(self, content: object) -> Comparison:
        """The comparison that ``content`` asks for (:func:`trials_asked`), which begins now.

        Raises:
            FlashTalkError: for what cannot be compared, or where too many compare.
            gr.Error: for a file that nobody uploaded.
        """
        if self.refusal:
            raise FlashTalkError(self.refusal)
        trials = trials_asked(content, self.models, self._limits.keep_files_s)
        name = secrets.token_urlsafe(16)
        folder = self._kept.folder()
        comparison = Comparison(
            *(self._page, self.models, self._limits, self._worker),
            *(name, trials, folder, self._patience_s),
        )
        self._kept.add(name, comparison, folder, FULL)
        comparison.start()
        return comparison

    def find(self, name: str) -> Comparison | None:
        """The comparison called ``name``, unless it was forgotten or never there."""
        return self._kept.find(name)

    def close(self) -> None:
        """Removes the files of all comparisons: the page is over."""
        self._kept.close()
