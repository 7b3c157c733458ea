"""What the page about the API says: in words, and with an example from the own gallery."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.data_classes import FileData
from gradio_client import handle_file

TALK = """Live video of the portrait speaking, then the finished file.

Each update is a message, the file (in the last update only) and the seed. A message is JSON text.
Its "kind" is "waiting" (with the place in line), "stage" (with a sentence), "fragment", "end" or
"error". The "data" of fragments and of the end are base64. Joined in their order, they are one mp4
that plays while it grows; in a browser, append them to a MediaSource of the type "mime".

While somebody still speaks, sound goes in piece by piece: POST live, then live/ID/sound. Video
comes out of live/ID/messages. "Live speech for programs", at the foot of the page, has a
program."""

PARAMETERS = {
    "Portrait": "A picture of a person from the front, at least 256 pixels wide.",
    "Voice": "A sound, or a video with sound, of at most two minutes.",
    "Seed": "A whole number; with the same one the same video is made again.",
    "A new seed each time": "True draws a seed, which is returned; false uses the one given.",
    "Steps": "Denoising steps: a whole number from 1 to 50. More take longer.",
    "Prompt": "What is to be seen, beside the talking itself.",
    "Area": "The part that is shown: LEFT,TOP,WIDTH in shares of the picture. Empty: the face.",
    "Which face": "Of several, from the left: 1 is the leftmost. Nothing is the largest.",
    "Framing": "'face' shows head and shoulders, 'picture' the whole picture, which speaks.",
    "Use this picture as it is": "True uses the picture's middle where no face is found.",
}


def describe(component: Component) -> None:
    """Says what a parameter means, in place of what Gradio's class is for."""
    usual, words = component.api_info, PARAMETERS.get(str(component.label))

    def api_info() -> dict[str, Any]:
        return usual() | {"additional_description": words}

    if words is not None:
        component.api_info = api_info  # type: ignore[method-assign]


def show_example(component: Component, file: Path, page: Callable[[], gr.Blocks]) -> None:
    """Shows ``file``, which the page serves, where the example of Gradio would be."""

    def example_payload() -> FileData:
        space = os.environ.get("SPACE_HOST")
        address = f"https://{space}" if space else page().local_url or "http://127.0.0.1:7860"
        return handle_file(f"{address.rstrip('/')}/gradio_api/file={file.resolve()}")

    component.example_payload = example_payload  # type: ignore[method-assign]
