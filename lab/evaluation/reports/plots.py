"""Plots, where matplotlib is installed: one look for all of them. Below table and recovery."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

log = logging.getLogger(__name__)


def can_draw() -> bool:
    """Whether there will be plots; says so if not."""
    found = find_spec("matplotlib") is not None
    if not found:
        log.warning("no plots: matplotlib is not installed")
    return found


@contextmanager
def plot(path: Path, xlabel: str, ylabel: str) -> Iterator[Axes]:
    """Axes to draw labeled lines on; written to ``path`` with the legend beside them."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 3))
    try:
        axes.set(xlabel=xlabel, ylabel=ylabel)
        yield axes
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
        figure.savefig(path, dpi=120, bbox_inches="tight")
    finally:
        pyplot.close(figure)
