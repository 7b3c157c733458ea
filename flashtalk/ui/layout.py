"""What the page consists of: the studio that a visitor sees, and what Gradio carries for it.

The studio is one component of HTML. The others are never shown. They give the API its parameters,
and the browser's half fills in their values when it asks for a talk. Used by
:mod:`flashtalk.ui.page`, which wires them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.components import Component

from flashtalk.assets import ASSETS
from flashtalk.config import Preset
from flashtalk.inputs.sentence import LIBRARY, speakers
from flashtalk.ui.events import Limits, Talk
from flashtalk.ui.gallery import Gallery
from flashtalk.ui.look import look_for
from flashtalk.ui.player import live_player
from flashtalk.ui.settings import MAX_PAGE_SEED
from flashtalk.ui.typed import speak_for


@dataclass(frozen=True)
class Parts:
    """The page's components."""

    live: gr.HTML
    """The studio; each of its events is named for what was asked."""
    video: gr.Video
    """The finished file."""
    seed: gr.Number
    values: list[Component]
    """What a talk takes, in the order of its parameters."""
    further_values: dict[str, Component]
    """Those that a talk may go without, by the name of the parameter."""


def lay_out(
    preset: Preset, gallery: Gallery, limits: Limits, talk: Talk, offers: dict[str, object]
) -> Parts:
    """Every component, in the blocks that are open; ``offers`` says what else the page does."""
    # The values are what a call of the API may leave out.
    portrait = gr.Image(_first(gallery.portraits), type="filepath", label="Portrait", visible=False)
    voice = gr.Audio(_first(gallery.voices), type="filepath", label="Voice", visible=False)
    steps = gr.Slider(1, 8, preset.sampler.steps, step=1, label="Steps", visible=False)
    seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=MAX_PAGE_SEED, visible=False)
    random_seed = gr.Checkbox(True, label="A new seed each time", visible=False)
    values: list[Component] = [portrait, voice, seed, random_seed, steps]
    if preset.prompt:
        values.append(gr.Textbox(preset.prompt, label="Prompt", visible=False))
    further: dict[str, Component] = {
        "face": gr.Number(None, label="Which face", precision=0, minimum=1, visible=False),
        "without_face": gr.Checkbox(False, label="Use this picture as it is", visible=False),
        "framing": gr.Radio([*preset.framings], value="face", label="Framing", visible=False),
        "area": gr.Textbox("", label="Area", visible=False),
    }
    video = gr.Video(label="Finished video, AI-generated", visible=False, interactive=False)
    functions = [look_for(talk), speak_for(voice)]
    facts = _facts(preset, gallery, limits) | offers
    live = live_player(facts, functions)
    return Parts(live, video, seed, values, further)


def _facts(preset: Preset, gallery: Gallery, limits: Limits) -> dict[str, object]:
    """What the browser's half knows of the server."""

    def listed(paths: list[Path]) -> list[dict[str, str]]:
        return [{"name": path.stem, "path": str(path.resolve())} for path in paths]

    return {
        "people": listed(gallery.portraits),
        "voices": listed(gallery.voices),
        "pairs": gallery.pairs,
        "speech_s": limits.speech_s,
        "live_film_s": limits.live_film_s,
        "keep_s": limits.keep_files_s,
        "upload_mb": limits.upload_mb,
        "steps": preset.sampler.steps,
        "prompt": preset.prompt or "",
        "framings": preset.framings,
        "speakers": list(speakers()),
        "library": LIBRARY,
        "model": preset.title,
        "documents": {name: str(path) for name, path in documents().items()},
    }


def documents() -> dict[str, Path]:
    """What visitors may read; a wheel has the model card alone."""
    files = {
        "model_card": ASSETS / "flashtalk-tiny" / "README.md",
        "evaluation": ASSETS.parent / "docs" / "evaluation.md",
        "live_speech": ASSETS.parent / "docs" / "live-speech.md",
    }
    return {name: path for name, path in files.items() if path.is_file()}


def _first(files: list[Path]) -> str | None:
    return str(files[0]) if files else None
