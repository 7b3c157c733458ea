"""The page: which click calls what. Behavior is in ``events`` and ``player``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency

from flashtalk.assets import ASSETS
from flashtalk.provenance.marking import Marking
from flashtalk.stream.contracts import Engines
from flashtalk.ui.api_page import TALK, describe, show_example
from flashtalk.ui.card import PICTURE
from flashtalk.ui.compare.choices import choices
from flashtalk.ui.compare.comparisons import Comparisons
from flashtalk.ui.door import Page, as_sent
from flashtalk.ui.events import Limits, OnGpu, Talk
from flashtalk.ui.gallery import Gallery
from flashtalk.ui.layout import Parts, documents, lay_out
from flashtalk.ui.live.talks import LiveTalks

TITLE = "FlashTalk"

# Functions of assets/ui/scripts/main.js, which run in the browser.
_VALUES = "() => window.flashtalk.values()"
_SETTLE = "(video, seed) => { window.flashtalk.settle(video, seed); }"
_FAIL = "() => { window.flashtalk.fail(); }"
_STOP_WAS_HEARD = "() => { window.flashtalk.stopWasHeard(); }"

_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build_page(
    engines: Engines,
    limits: Limits,
    on_gpu: OnGpu = lambda function: function,
    assets: Path = ASSETS,
    not_live: str = "",
    not_compared: str = "",
    marking: Marking = Marking(),  # noqa: B008, it is frozen
) -> Page:
    """The whole page around its engines.

    Args:
        engines: ready; all visitors share them.
        limits: facts of the deployment.
        on_gpu: wraps the function that computes, e.g. ``spaces.GPU``.
        assets: folder with ``photographs``, ``portraits`` and ``voices`` to choose from. Its
            ``gallery.json`` says who is shown, and whose voice is whose.
        not_live: why nobody can speak live here; empty where people can.
        not_compared: why nothing can be compared here, likewise.
        marking: how the videos are marked.
    """
    talk = Talk(engines, limits, on_gpu, marking)
    live_talks = LiveTalks(talk, engines, limits, not_live)
    comparisons = Comparisons(talk, engines, limits, not_compared)
    gallery = Gallery.of(assets)
    served = [*gallery.portraits, *gallery.voices, *documents().values(), PICTURE]
    gr.set_static_paths(served)
    keep = (limits.keep_files_s, limits.keep_files_s)
    options: dict[str, Any] = {"title": TITLE, "delete_cache": keep, "fill_width": True}
    with Page(talk, live_talks, comparisons, **options) as page:
        offers: dict[str, object] = {"not_live": not_live, "compare": choices(comparisons)}
        offers["notices"] = dict(engines.notices)
        parts = lay_out(engines.preset, gallery, limits, talk, offers)
        for component in (*parts.values, *parts.further_values.values()):
            as_sent(component)
            describe(component)
        shown = (gallery.portraits[:1], gallery.voices[:1])  # of the first two, both files
        for component, files in zip(parts.values, shown, strict=False):
            for file in files:
                show_example(component, file, lambda: page)
        run = _wire_run(parts, talk)
        _wire_endings(parts, talk, run)
    return page


def _wire_run(parts: Parts, talk: Talk) -> Dependency:
    return parts.live.talk(
        talk.talk,
        inputs=parts.values,
        inputs_kwargs=parts.further_values,
        outputs=[parts.live, parts.video, parts.seed],
        js=_VALUES,
        concurrency_limit=None,  # the line is in talk.admission
        show_progress="hidden",
        api_name="talk",
        api_description=TALK,
    )


def _wire_endings(parts: Parts, talk: Talk, run: Dependency) -> None:
    """Wires what follows a run, and what ends one."""
    live, made = parts.live, [parts.video, parts.seed]
    run.failure(None, None, None, js=_FAIL, **_PRIVATE)
    for after in (run.then, run.failure):  # Gradio 6.31 calls only the latter after an error
        after(None, made, None, js=_SETTLE, **_PRIVATE)
        after(talk.forget, None, None, concurrency_limit=None, **_PRIVATE)
    stopping = live.stop(talk.stop, None, None, concurrency_limit=None, **_PRIVATE)
    # The player asks to leave if nothing of the run has come: it waits in line.
    stopping.then(None, None, None, js=_STOP_WAS_HEARD, **_PRIVATE)
    live.leave(None, None, None, cancels=[run], api_visibility="private")
    live.leave(talk.forget, None, None, concurrency_limit=None, **_PRIVATE)
