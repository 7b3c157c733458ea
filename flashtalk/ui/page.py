"""The page: what is where, and which click calls what. Behavior is in ``events`` and ``player``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.helpers import Examples

from flashtalk.assets import ASSETS
from flashtalk.engine import Engine
from flashtalk.ui.door import Page, as_sent
from flashtalk.ui.events import Limits, OnGpu, Talk
from flashtalk.ui.player import live_player
from flashtalk.ui.settings import MAX_SEED

TITLE = "FlashTalk"

_HEADER = """
<header class="ft-header">
  <h1>Flash<b>Talk</b></h1>
  <p>Give a portrait a voice. It talks while the rest of its video is still being made.</p>
</header>
"""
_FACE_HINT = (
    '<p class="ft-hint">For a picture of your own, press ×, then add a file, '
    "use the camera or paste.</p>"
)
_VOICE_HINT = '<p class="ft-hint">For a voice of your own, press ×, then record or add a file.</p>'
_CONSENT = """
<p class="ft-consent">Use only portraits and voices that you have the right to use.
Every video is marked as AI-generated.</p>
"""

# Runs in the browser at the click itself: browsers allow sound only then.
_BEGIN = "() => [{__type__: 'update', interactive: false}, {__type__: 'update', interactive: true}]"
_READY = "() => [{__type__: 'update', interactive: true}, {__type__: 'update', interactive: false}]"
_SHOW_PORTRAIT = """(portrait) => {
  window.flashtalkPortrait = portrait ? portrait.url : '';
  window.dispatchEvent(new Event('flashtalk:portrait'));
}"""

_FAILED = "() => { window.dispatchEvent(new Event('flashtalk:failed')); }"
_STOPPED = "() => { window.dispatchEvent(new Event('flashtalk:stopped')); }"
_OFFER = """(video) => [
  {__type__: 'update', visible: Boolean(video)},
  {__type__: 'update', visible: Boolean(video), value: video},
]"""


def build_page(
    engine: Engine, limits: Limits, on_gpu: OnGpu = lambda function: function, assets: Path = ASSETS
) -> Page:
    """The whole page around one engine.

    Args:
        engine: loaded once; every visitor shares it.
        limits: facts of the deployment.
        on_gpu: wraps the function that computes, e.g. ``spaces.GPU``.
        assets: folder with ``portraits`` and ``voices`` to choose from, and ``gallery.json``, which
            says whose voice is whose.
    """
    talk = Talk(engine, limits, on_gpu)
    portraits = _files(assets / "portraits", {".jpg", ".jpeg", ".png", ".webp"})
    voices = _files(assets / "voices", {".wav", ".flac", ".mp3", ".m4a", ".ogg"})

    keep = (limits.keep_files_s, limits.keep_files_s)
    with Page(talk, title=TITLE, delete_cache=keep, fill_width=True) as page:
        gr.HTML(_HEADER, apply_default_css=False)
        with gr.Row(elem_id="studio"):
            with gr.Column(scale=3, min_width=280, elem_id="face"):
                portrait, people = _portrait_picker(portraits)
            with gr.Column(scale=6, min_width=340, elem_id="stage"):
                live = live_player()
                with gr.Row(elem_id="actions"):
                    start = gr.Button("Talk", variant="primary", elem_id="talk", scale=3)
                    stop = gr.Button("Stop", interactive=False, elem_id="stop", scale=1)
                    leave = gr.Button("Leave the line", visible="hidden", elem_id="leave")
                video = gr.Video(
                    label="Finished video, AI-generated",
                    visible=False,
                    interactive=False,
                    buttons=["download"],
                    elem_id="finished",
                )
                download = gr.DownloadButton(
                    "Download the video", visible=False, elem_id="download"
                )
            with gr.Column(scale=3, min_width=280, elem_id="voice"):
                voice = _voice_picker(voices)
                prompt = _prompt_box(engine.preset.prompt)
                with gr.Accordion("Advanced", open=False):
                    steps = gr.Slider(
                        1,
                        8,
                        value=engine.preset.sampler.steps,
                        step=1,
                        label="Steps",
                        info="More steps take longer.",
                    )
                    seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED)
                    random_seed = gr.Checkbox(True, label="A new seed each time")
        gr.HTML(_CONSENT, apply_default_css=False)

        for component in (portrait, voice, seed, random_seed, steps, *prompt):
            as_sent(component)
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        if people and voices:
            suited = _suited_voice([path.stem for path in portraits], voices, _pairs(assets))
            people.dataset.select(suited, voice, voice, **private)
        page.load(None, portrait, None, js=_SHOW_PORTRAIT, **private)
        portrait.change(None, portrait, None, js=_SHOW_PORTRAIT, **private)
        start.click(None, None, [start, stop], js=_BEGIN, **private)
        run = start.click(
            talk.talk,
            [portrait, voice, seed, random_seed, steps, *prompt],
            [live, video, seed],
            api_name="talk",
            concurrency_limit=limits.visitors,
            concurrency_id="talk",
            show_progress="hidden",
        )
        run.failure(None, None, None, js=_FAILED, **private)
        for after in (run.then, run.failure):  # Gradio 6.31 calls only the latter after an error
            after(None, None, [start, stop], js=_READY, **private)
            after(talk.forget, None, None, queue=False, **private)
        stopping = stop.click(talk.stop, None, None, queue=False, **private)
        # The player presses the hidden button if nothing of the run has come: it waits in line.
        stopping.then(None, None, None, js=_STOPPED, **private)
        leave.click(None, None, None, cancels=[run], api_visibility="private")
        leave.click(None, None, [start, stop], js=_READY, **private)
        leave.click(talk.forget, None, None, queue=False, **private)
        video.change(None, video, [video, download], js=_OFFER, **private)
    page.queue(max_size=limits.queue)
    return page


def _portrait_picker(portraits: list[Path]) -> tuple[gr.Image, Examples | None]:
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
    return portrait, people


def _pairs(assets: Path) -> dict[str, str]:
    """Portraits and their voices, by the names of their files; empty where nobody says so."""
    path = assets / "gallery.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _suited_voice(
    people: list[str], voices: list[Path], pairs: dict[str, str]
) -> Callable[[str | None, gr.SelectData], str | dict[str, Any]]:
    """What a click on somebody does to the voice: an example gives way to theirs.

    A voice of the visitor's own stays, and so does the empty box of somebody about to record one.
    """
    by_name = {path.stem: path for path in voices}
    examples = {path.name for path in voices}

    def choose(current: str | None, clicked: gr.SelectData) -> str | dict[str, Any]:
        theirs = by_name.get(pairs.get(people[clicked.index], ""))
        shown = Path(current).name if current else ""
        if theirs is None or shown not in examples:
            return gr.skip()
        return str(theirs)

    return choose


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


def _prompt_box(usual: str) -> list[gr.Textbox]:
    """One box for models that read a prompt, none for others."""
    if not usual:
        return []
    info = "What is to be seen, beside the talking itself."
    return [gr.Textbox(usual, lines=3, label="Prompt", info=info, elem_id="prompt")]


def _files(folder: Path, suffixes: set[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
