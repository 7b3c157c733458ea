"""What is where on the page: three columns of components, and nothing of what they do.

Used by :mod:`flashtalk.ui.page`, which wires them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.components import Component
from gradio.helpers import Examples

from flashtalk.config import Preset
from flashtalk.ui.gallery import Gallery
from flashtalk.ui.player import live_player
from flashtalk.ui.settings import MAX_PAGE_SEED

_HEADER = """
<header class="ft-header">
  <h1>Flash<b>Talk</b></h1>
  <p>Give a portrait a voice. It talks while the rest of its video is still being made.</p>
</header>
"""
_FACE_HINT = (
    '<p class="ft-hint">For a picture of your own, press ×, then add a file, '
    "use the camera or paste. Add a face only if you have the right to use it.</p>"
)
_VOICE_HINT = '<p class="ft-hint">For a voice of your own, press ×, then record or add a file.</p>'
_CONSENT = """
<p class="ft-consent">Use only portraits and voices that you have the right to use.
Every video is marked as AI-generated.</p>
"""


@dataclass(frozen=True)
class FaceColumn:
    """Components that choose who speaks."""

    portrait: gr.Image
    people: Examples | None
    """The gallery's; ``None`` where there is none."""


@dataclass(frozen=True)
class Stage:
    """The live video and its buttons."""

    live: gr.HTML
    """The player with its buttons; each of its events is named for what was asked."""
    video: gr.Video
    """Never shown: it carries the finished file."""


@dataclass(frozen=True)
class VoiceColumn:
    """Components for the voice and the settings of the video."""

    voice: gr.Audio
    prompt: gr.Textbox | None
    """``None`` for models that read no prompt."""
    face: gr.Number
    without_face: gr.Checkbox
    steps: gr.Slider
    seed: gr.Number
    random_seed: gr.Checkbox


@dataclass(frozen=True)
class Parts:
    """The page's components."""

    face: FaceColumn
    stage: Stage
    voice: VoiceColumn

    @property
    def values(self) -> list[Component]:
        """Components whose values a talk takes, in the order of its parameters."""
        chosen = self.voice
        first: list[Component] = [self.face.portrait, chosen.voice]
        first += [chosen.seed, chosen.random_seed, chosen.steps]
        return [*first, chosen.prompt] if chosen.prompt is not None else first

    @property
    def further_values(self) -> dict[str, Component]:
        """Those that a talk may go without, by the name of the parameter."""
        return {"face": self.voice.face, "without_face": self.voice.without_face}


def lay_out(preset: Preset, gallery: Gallery, not_live: str = "") -> Parts:
    """Every component, in the blocks that are open; ``not_live`` as :func:`live_player` has it."""
    gr.HTML(_HEADER, apply_default_css=False)
    with gr.Row(elem_id="studio"):
        with gr.Column(scale=3, min_width=280, elem_id="face"):
            face = _face_column(gallery.portraits)
        with gr.Column(scale=6, min_width=340, elem_id="stage"):
            stage = _stage(not_live)
        with gr.Column(scale=3, min_width=280, elem_id="voice"):
            voice = _voice_column(gallery.voices, preset)
    gr.HTML(_CONSENT, apply_default_css=False)
    return Parts(face, stage, voice)


def _face_column(portraits: list[Path]) -> FaceColumn:
    gr.Markdown("### Face")
    portrait = gr.Image(
        value=str(portraits[0]) if portraits else None,
        type="filepath",
        sources=["upload", "webcam", "clipboard"],
        label="Portrait",
        show_label=False,
        height=260,
        buttons=[],
        alt_text="The chosen portrait",
        elem_id="portrait",
    )
    gr.HTML(_FACE_HINT, apply_default_css=False)
    people = None
    if portraits:
        people = gr.Examples(
            [[str(path)] for path in portraits],
            portrait,
            label="People who do not exist",
            examples_per_page=len(portraits),
            elem_id="people",
            api_visibility="private",
        )
    return FaceColumn(portrait, people)


def _stage(not_live: str) -> Stage:
    video = gr.Video(label="Finished video, AI-generated", visible=False, interactive=False)
    return Stage(live_player(not_live), video)


def _voice_column(voices: list[Path], preset: Preset) -> VoiceColumn:
    voice = _voice_picker(voices)
    prompt = _prompt_box(preset.prompt) if preset.prompt else None
    with gr.Accordion("Advanced", open=False, elem_id="advanced"):
        face, without_face = _face_choices()
        steps = gr.Slider(
            1,
            8,
            value=preset.sampler.steps,
            step=1,
            label="Steps",
            info="More steps take longer.",
        )
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=MAX_PAGE_SEED)
        random_seed = gr.Checkbox(True, label="A new seed each time")
    return VoiceColumn(voice, prompt, face, without_face, steps, seed, random_seed)


def _voice_picker(voices: list[Path]) -> gr.Audio:
    gr.Markdown("### Voice")
    voice = gr.Audio(
        value=str(voices[0]) if voices else None,
        type="filepath",
        sources=["microphone", "upload"],
        label="Voice",
        show_label=False,
        buttons=[],
        elem_id="sound",
    )
    gr.HTML(_VOICE_HINT, apply_default_css=False)
    if voices:
        gr.Examples(
            [[str(path)] for path in voices],
            voice,
            label="Examples",
            example_labels=[path.stem.replace("-", " ").capitalize() for path in voices],
            examples_per_page=len(voices),
            elem_id="voices",
            api_visibility="private",
        )
    return voice


def _prompt_box(usual: str) -> gr.Textbox:
    info = "What is to be seen, beside the talking itself."
    return gr.Textbox(usual, lines=3, label="Prompt", info=info, elem_id="prompt")


def _face_choices() -> tuple[gr.Number, gr.Checkbox]:
    """Which face speaks, and whether there must be one; both are of the picture that is there."""
    face = gr.Number(
        None,
        label="Which face",
        info="Of several: 1 is the leftmost. Leave it empty for the largest.",
        placeholder="the largest",
        precision=0,
        minimum=1,
        elem_id="which-face",
    )
    without_face = gr.Checkbox(
        False,
        label="Use this picture as it is",
        info="If no face is found in it, its middle is used.",
        elem_id="without-face",
    )
    return face, without_face
