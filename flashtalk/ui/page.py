"""The page: which click calls what. Behavior is in ``events`` and ``player``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradio.components import Component
from gradio.events import Dependency

from flashtalk.assets import ASSETS
from flashtalk.engine import Engine
from flashtalk.provenance.marking import Marking
from flashtalk.ui.door import Page, as_sent
from flashtalk.ui.events import Limits, OnGpu, Talk
from flashtalk.ui.gallery import Gallery
from flashtalk.ui.layout import Parts, lay_out
from flashtalk.ui.live.talks import LiveTalks

TITLE = "FlashTalk"

# Functions of assets/ui/scripts/main.js, which run in the browser.
_CHOOSE_PORTRAIT = "(portrait) => { window.flashtalk?.choosePortrait(portrait); }"
_SETTLE = "(video, seed) => { window.flashtalk.settle(video, seed); }"
_FAIL = "() => { window.flashtalk.fail(); }"
_STOP_WAS_HEARD = "() => { window.flashtalk.stopWasHeard(); }"
_AS_IT_IS = "() => true"
_SPEAK = "(...values) => { window.flashtalk.speak(values); }"
_ANY_FACE = "() => [null, false]"

_PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def build_page(
    engine: Engine,
    limits: Limits,
    on_gpu: OnGpu = lambda function: function,
    assets: Path = ASSETS,
    not_live: str = "",
    marking: Marking = Marking(),  # noqa: B008, it is frozen
) -> Page:
    """The whole page around one engine.

    Args:
        engine: loaded once; every visitor shares it.
        limits: facts of the deployment.
        on_gpu: wraps the function that computes, e.g. ``spaces.GPU``.
        assets: folder with ``portraits`` and ``voices`` to choose from, and ``gallery.json``, which
            says whose voice is whose.
        not_live: why nobody can speak live here; empty where people can.
        marking: how the videos are marked.
    """
    talk = Talk(engine, limits, on_gpu, marking)
    live_talks = LiveTalks(talk, engine, limits, not_live)
    gallery = Gallery.of(assets)
    keep = (limits.keep_files_s, limits.keep_files_s)
    with Page(talk, live_talks, title=TITLE, delete_cache=keep, fill_width=True) as page:
        parts = lay_out(engine.preset, gallery, not_live)
        for component in (*parts.values, *parts.further_values.values()):
            as_sent(component)
        _wire_choices(page, parts, gallery)
        runs = _wire_runs(parts, talk)
        _wire_endings(parts, talk, runs)
        _wire_live_speech(parts)
    return page


def _wire_choices(page: Page, parts: Parts, gallery: Gallery) -> None:
    """Wires the choice of a portrait."""
    portrait, chosen = parts.face.portrait, parts.voice
    if parts.face.people and gallery.voices:
        pick = parts.face.people.dataset.select
        pick(gallery.suited_voice(), chosen.voice, chosen.voice, **_PRIVATE)
    page.load(None, portrait, None, js=_CHOOSE_PORTRAIT, **_PRIVATE)
    portrait.change(None, portrait, None, js=_CHOOSE_PORTRAIT, **_PRIVATE)
    # What was said of the faces in one picture does not hold for the next.
    portrait.change(None, None, [chosen.face, chosen.without_face], js=_ANY_FACE, **_PRIVATE)


def _wire_runs(parts: Parts, talk: Talk) -> list[Dependency]:
    """Talk, and the same with a picture in which no face was found."""
    stage, without_face = parts.stage, parts.voice.without_face
    call: dict[str, Any] = {
        "fn": talk.talk,
        "inputs": parts.values,
        "inputs_kwargs": parts.further_values,
        "outputs": [stage.live, stage.video, parts.voice.seed],
        "concurrency_limit": None,  # the line is in talk.admission
        "show_progress": "hidden",
    }
    run = stage.live.talk(**call, api_name="talk")
    ticked = stage.live.as_it_is(None, None, without_face, js=_AS_IT_IS, **_PRIVATE)
    return [run, ticked.then(**call, api_visibility="private")]


def _wire_endings(parts: Parts, talk: Talk, runs: list[Dependency]) -> None:
    """Wires what follows a run, and what ends one."""
    stage = parts.stage
    made = [stage.video, parts.voice.seed]
    for run in runs:
        run.failure(None, None, None, js=_FAIL, **_PRIVATE)
        for after in (run.then, run.failure):  # Gradio 6.31 calls only the latter after an error
            after(None, made, None, js=_SETTLE, **_PRIVATE)
            after(talk.forget, None, None, queue=False, **_PRIVATE)
    stopping = stage.live.stop(talk.stop, None, None, queue=False, **_PRIVATE)
    # The player asks to leave if nothing of the run has come: it waits in line.
    stopping.then(None, None, None, js=_STOP_WAS_HEARD, **_PRIVATE)
    stage.live.leave(None, None, None, cancels=[*runs], api_visibility="private")
    stage.live.leave(talk.forget, None, None, queue=False, **_PRIVATE)


def _wire_live_speech(parts: Parts) -> None:
    """Hands the settings to the browser, which speaks to the routes of live speech by itself."""
    chosen = parts.voice
    values: list[Component] = [chosen.seed, chosen.random_seed, chosen.steps]
    values += [chosen.face, chosen.without_face]
    values += [chosen.prompt] if chosen.prompt is not None else []
    parts.stage.live.speak(None, values, None, js=_SPEAK, **_PRIVATE)
